"""A forecaster on disk: the arrays that its bank does not hold already."""

from pathlib import Path

import numpy as np

from scope.arrays import Array, Floats, Singles
from scope.errors import BankError
from scope.forecaster import Forecaster, Head
from scope.kernel import Kernel, traits
from scope.traits import Categories, Form

HALF = (
    "posterior_nc",
    "correct_weight_nm",
    "length_weight_nm",
    "left_out_p_nm",
    "left_out_length_nm",
)
"""Large and known to few digits: stored in half precision, and fitted so."""


def save_forecaster(forecaster: Forecaster, path: Path) -> None:
    """Write ``.npz``."""
    arrays: dict[str, Array] = {
        "form_mean_f": forecaster.form.mean_f,
        "form_spread_f": forecaster.form.spread_f,
        "category_slope_ic": forecaster.categories.slope_ic,
        "category_offset_c": forecaster.categories.offset_c,
        "correct_mean_m": forecaster.correct.mean_m,
        "correct_weight_nm": forecaster.correct.weight_nm,
        "correct_category_cm": forecaster.correct.category_cm,
        "length_mean_m": forecaster.length.mean_m,
        "length_weight_nm": forecaster.length.weight_nm,
        "length_category_cm": forecaster.length.category_cm,
        "factor_sm": forecaster.factor_sm,
        "familiar": np.array(forecaster.familiar),
        "place_n": forecaster.place_n,
        "posterior_nc": forecaster.posterior_nc,
        "left_out_p_nm": forecaster.left_out_p_nm,
        "left_out_length_nm": forecaster.left_out_length_nm,
    }
    stored = {
        name: values.astype(np.float16) if name in HALF else values
        for name, values in arrays.items()
    }
    np.savez_compressed(path, allow_pickle=False, **stored)


def load_forecaster(path: Path, embedding_ad: Singles, features_af: Floats) -> Forecaster:
    """Read what `save_forecaster` wrote.

    Parameters
    ----------
    path : Path
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
    features_af : ndarray of shape (n_anchors, n_features)
        Of the bank it was fitted on.

    Raises
    ------
    BankError
        If the arrays are not those of a forecaster of this bank.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {
                name: values.astype(np.float64) if name in HALF else values
                for name, values in file.items()
            }
        return _forecaster(stored, embedding_ad, features_af)
    except (KeyError, IndexError, ValueError) as error:
        raise BankError(f"{path} does not fit its bank: {error}") from error


def _forecaster(stored: dict[str, Array], embedding_ad: Singles, features_af: Floats) -> Forecaster:
    form = Form(stored["form_mean_f"], stored["form_spread_f"])
    place_n = stored["place_n"]
    posterior_nc = stored["posterior_nc"].astype(np.float32)
    trait_nt = traits(form.scaled(features_af[place_n]), posterior_nc)
    correct, length = (
        Head(
            stored[f"{name}_mean_m"],
            stored[f"{name}_weight_nm"],
            stored[f"{name}_category_cm"],
        )
        for name in ("correct", "length")
    )
    return Forecaster(
        form,
        Categories(stored["category_slope_ic"], stored["category_offset_c"]),
        Kernel(embedding_ad[place_n], trait_nt),
        correct,
        length,
        stored["factor_sm"],
        float(stored["familiar"]),
        place_n,
        posterior_nc,
        stored["left_out_p_nm"],
        stored["left_out_length_nm"],
    )

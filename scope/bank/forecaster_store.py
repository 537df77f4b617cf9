"""A forecaster on disk: the arrays that are not in the other files of its bank."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from scope.arrays import AnyArray, Float32Array, FloatArray
from scope.errors import BankError
from scope.forecast import (
    CategoryClassifier,
    Forecaster,
    Head,
    Kernel,
    Projection,
    TextFeatureScaler,
    joint_features,
    kernel_features,
)

FLOAT16_FIELDS = (
    "posterior_nc",
    "correct_weight_nm",
    "length_weight_nm",
    "loo_p_nm",
    "loo_log_length_nm",
)
"""Large arrays of few significant digits: stored in half precision, and rounded so when fitted."""

SHAPES = {
    "form_mean_f": "f",
    "form_spread_f": "f",
    "category_slope_ic": "ic",
    "category_offset_c": "c",
    "correct_mean_m": "m",
    "correct_weight_nm": "nm",
    "correct_category_cm": "cm",
    "length_mean_m": "m",
    "length_weight_nm": "nm",
    "length_category_cm": "cm",
    "smearing_um": "um",
    "in_distribution_threshold": "",
    "anchor_index_n": "n",
    "posterior_nc": "nc",
    "loo_p_nm": "nm",
    "loo_log_length_nm": "nm",
}
"""Axes of every array; a letter has the same length in all of them."""

JOINT_SHAPES = {
    **SHAPES,
    "projection_mean_y": "y",
    "projection_component_yz": "yz",
    "projection_lengthscale": "",
}
"""Of a forecaster with a second encoder."""


def save_forecaster(forecaster: Forecaster, path: Path) -> None:
    """Write the arrays as ``.npz``."""
    arrays: dict[str, AnyArray] = {
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
        "smearing_um": forecaster.smearing_um,
        "in_distribution_threshold": np.array(forecaster.in_distribution_threshold),
        "anchor_index_n": forecaster.anchor_index_n,
        "posterior_nc": forecaster.posterior_nc,
        "loo_p_nm": forecaster.loo_p_nm,
        "loo_log_length_nm": forecaster.loo_log_length_nm,
    }
    if (projection := forecaster.projection) is not None:
        arrays["projection_mean_y"] = projection.mean_y
        arrays["projection_component_yz"] = projection.component_yz
        arrays["projection_lengthscale"] = np.array(projection.lengthscale)
    stored = {
        name: values.astype(np.float16) if name in FLOAT16_FIELDS else values
        for name, values in arrays.items()
    }
    np.savez_compressed(path, allow_pickle=False, **stored)


def load_forecaster(
    path: Path,
    embedding_ad: Float32Array,
    features_af: FloatArray,
    n_models: int,
    second_ay: Float32Array | None = None,
) -> Forecaster:
    """Read a forecaster that `save_forecaster` wrote.

    Parameters
    ----------
    path : Path
    embedding_ad : ndarray of shape (n_anchors, n_dimensions)
    features_af : ndarray of shape (n_anchors, n_features)
    n_models : int
        Of the bank it was fitted on.
    second_ay : ndarray of shape (n_anchors, n_second_dimensions), optional
        Vectors of the second encoder, of a forecaster that was fitted with both.

    Raises
    ------
    BankError
        If the arrays are not a forecaster of this bank.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {
                name: values.astype(np.float64) if name in FLOAT16_FIELDS else values
                for name, values in file.items()
            }
        _check(stored, embedding_ad, features_af, n_models, second_ay)
        return _forecaster(stored, embedding_ad, features_af, second_ay)
    except (ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise BankError(f"{path} does not fit its bank: {error}") from error


def _check(
    stored: dict[str, AnyArray],
    embedding_ad: Float32Array,
    features_af: FloatArray,
    n_models: int,
    second_ay: Float32Array | None,
) -> None:
    """Check that the arrays are numbers of consistent lengths."""
    shapes = SHAPES if second_ay is None else JOINT_SHAPES
    if missing := [name for name in shapes if name not in stored]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    (n_anchors, n_dimensions), n_features = embedding_ad.shape, features_af.shape[1]
    anchor_index_n, offset_c = stored["anchor_index_n"], stored["category_offset_c"]
    length = {
        "f": n_features,
        "i": n_dimensions + n_features,
        "c": offset_c.size,
        "m": n_models,
        "n": anchor_index_n.size,
        "u": 3,
    }
    if second_ay is not None:
        length |= {"y": second_ay.shape[1], "z": stored["projection_component_yz"].shape[-1]}
    for name, axes in shapes.items():
        values, expected = stored[name], tuple(length[axis] for axis in axes)
        if values.shape != expected or values.dtype.kind not in "fi":
            raise ValueError(
                f"{name} has shape {values.shape} of {values.dtype}; expected numbers of {expected}"
            )
    rising = anchor_index_n.size and anchor_index_n[0] >= 0 and (np.diff(anchor_index_n) > 0).all()
    if anchor_index_n.dtype.kind != "i" or not rising or anchor_index_n[-1] >= n_anchors:
        raise ValueError(f"anchor_index_n must rise within the {n_anchors} anchors")


def _forecaster(
    stored: dict[str, AnyArray],
    embedding_ad: Float32Array,
    features_af: FloatArray,
    second_ay: Float32Array | None,
) -> Forecaster:
    form = TextFeatureScaler(stored["form_mean_f"], stored["form_spread_f"])
    anchor_index_n = stored["anchor_index_n"]
    posterior_nc = stored["posterior_nc"].astype(np.float32)
    projection = (
        None
        if second_ay is None
        else Projection(
            stored["projection_mean_y"],
            stored["projection_component_yz"],
            float(stored["projection_lengthscale"]),
        )
    )
    feature_ni = joint_features(
        kernel_features(form.transform(features_af[anchor_index_n]), posterior_nc),
        projection,
        None if second_ay is None else second_ay[anchor_index_n],
    )
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
        CategoryClassifier(stored["category_slope_ic"], stored["category_offset_c"]),
        Kernel(embedding_ad[anchor_index_n], feature_ni),
        correct,
        length,
        stored["smearing_um"],
        float(stored["in_distribution_threshold"]),
        anchor_index_n,
        posterior_nc,
        stored["loo_p_nm"],
        stored["loo_log_length_nm"],
        projection,
    )

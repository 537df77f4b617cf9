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
    "correct_weight_bm",
    "length_weight_bm",
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
    "correct_weight_bm": "bm",
    "correct_category_cm": "cm",
    "length_mean_m": "m",
    "length_weight_bm": "bm",
    "length_category_cm": "cm",
    "smearing_um": "um",
    "in_distribution_threshold": "",
    "anchor_index_n": "n",
    "inducing_b": "b",
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
        "correct_weight_bm": forecaster.correct.weight_bm,
        "correct_category_cm": forecaster.correct.category_cm,
        "length_mean_m": forecaster.length.mean_m,
        "length_weight_bm": forecaster.length.weight_bm,
        "length_category_cm": forecaster.length.category_cm,
        "smearing_um": forecaster.smearing_um,
        "in_distribution_threshold": np.array(forecaster.in_distribution_threshold),
        "anchor_index_n": forecaster.anchor_index_n,
        "inducing_b": forecaster.inducing_b,
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
    length = {
        "f": n_features,
        "i": n_dimensions + n_features,
        "c": stored["category_offset_c"].size,
        "m": n_models,
        "n": stored["anchor_index_n"].size,
        "b": stored["inducing_b"].size,
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
    for name, size in (("anchor_index_n", n_anchors), ("inducing_b", length["n"])):
        index = stored[name]
        rising = index.size and index[0] >= 0 and (np.diff(index) > 0).all()
        if index.dtype.kind != "i" or not rising or index[-1] >= size:
            raise ValueError(f"{name} must rise within the {size} anchors")


def _forecaster(
    stored: dict[str, AnyArray],
    embedding_ad: Float32Array,
    features_af: FloatArray,
    second_ay: Float32Array | None,
) -> Forecaster:
    form = TextFeatureScaler(stored["form_mean_f"], stored["form_spread_f"])
    anchor_index_n = stored["anchor_index_n"]
    posterior_nc, inducing_b = stored["posterior_nc"].astype(np.float32), stored["inducing_b"]
    inducing_a = anchor_index_n[inducing_b]
    projection = (
        None
        if second_ay is None
        else Projection(
            stored["projection_mean_y"],
            stored["projection_component_yz"],
            float(stored["projection_lengthscale"]),
        )
    )
    feature_bi = joint_features(
        kernel_features(form.transform(features_af[inducing_a]), posterior_nc[inducing_b]),
        projection,
        None if second_ay is None else second_ay[inducing_a],
    )
    correct, length = (
        Head(
            stored[f"{name}_mean_m"],
            stored[f"{name}_weight_bm"],
            stored[f"{name}_category_cm"],
        )
        for name in ("correct", "length")
    )
    return Forecaster(
        form,
        CategoryClassifier(stored["category_slope_ic"], stored["category_offset_c"]),
        Kernel(embedding_ad[inducing_a], feature_bi),
        correct,
        length,
        stored["smearing_um"],
        float(stored["in_distribution_threshold"]),
        anchor_index_n,
        inducing_b,
        posterior_nc,
        stored["loo_p_nm"],
        stored["loo_log_length_nm"],
        projection,
    )

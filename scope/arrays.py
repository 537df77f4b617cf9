"""Names for the array types that signatures use, and the letters of their axes.

The letters at the end of an array's name are its axes, in order: `p_correct_qm` has one row
a question and one column a model. Each letter has one meaning in the whole project:

======  ========================================================================
letter  axis
======  ========================================================================
``a``   anchors of a bank, or training questions of a baseline
``b``   budgets of a curve
``c``   categories of questions
``d``   dimensions of an embedding
``e``   the arrays of `scope.predictions.Estimates`
``f``   text features, and the inputs that baselines make of them
``g``   settings of a grid: alphas, noise levels, constants of a fit
``h``   bins of a histogram
``i``   inputs of a classifier or kernel: embedding and text features, joined
``j``   anchors that a new model was measured on
``k``   anchors retrieved for a question
``m``   models, or arms: models with their settings
``n``   items of a flat list that the docstring names: fitted anchors, rows, shards
``o``   outputs: the samples of one model on one question
``p``   steps along a hull
``q``   questions
``r``   replicates of a bootstrap
``t``   thresholds and trade-offs
``u``   statistics of a token count: mean, 10th and 90th percentile
``v``   nodes of a quadrature
``w``   hypothetical answers of the reasoner
``x``   coefficients of a linear model
``y``   dimensions of an embedding by a bank's second encoder
``z``   latent directions of models or anchors
======  ========================================================================

A digit is an axis of that length. ``s`` is no axis: ``timeout_s`` is in seconds.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
Int32Array = NDArray[np.int32]
Int16Array = NDArray[np.int16]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]


def nan_to_null(values_n: AnyArray, kind: pa.DataType) -> pa.Array:
    """Return numbers as an Arrow array of one type, NaN as null."""
    return pa.array(values_n, mask=np.isnan(values_n)).cast(kind)

"""Names for the array types that signatures use.

Axes are letters at the end of a name: ``q`` questions, ``a`` anchors, ``k``
retrieved anchors, ``m`` models, ``s`` steps along a hull, ``n`` those of all hulls,
``d`` embedding, ``f`` features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]
Int32Array = NDArray[np.int32]
Int16Array = NDArray[np.int16]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]

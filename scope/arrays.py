"""Names for the array types that signatures use.

Axes are letters at the end of a name: ``q`` questions, ``a`` anchors, ``k``
retrieved anchors, ``m`` models, ``s`` steps along a hull, ``n`` those of all hulls,
``d`` embedding, ``f`` features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Rows = NDArray[np.int32]
Places = NDArray[np.int16]
Bools = NDArray[np.bool_]
Array = NDArray[Any]

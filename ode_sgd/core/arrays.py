"""Names of the array types that signatures use, by what an element is."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.int64]  # places, counts and sizes, too
Flags = NDArray[np.bool_]
Bits = NDArray[np.uint64]  # what random streams consist of
Words = NDArray[np.uint32]  # what seeds consist of

__all__ = ["Array", "ArrayLike", "Bits", "Flags", "Indices", "Words"]

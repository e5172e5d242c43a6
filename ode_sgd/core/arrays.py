"""Names of the array types that signatures use."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

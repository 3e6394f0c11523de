"""The two kinds of arrays that the package computes with; shapes are said where they are used."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

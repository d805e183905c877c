"""Array types that several rooms share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


Tensors = dict[str, npt.NDArray[np.float32]]
"""An adapter's content: name → fp32 values."""


Floats = npt.NDArray[np.float64]

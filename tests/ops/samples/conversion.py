"""Samples of the sheet ``conversion``."""

from __future__ import annotations

import numpy as np

from minigrad.backend import CPU

from .table import T, call, row

# fmt: off
ROWS = [
    row("clone", np.copy, call(T(2, 3)), call(T()), ints="int64"),
    row("cast", lambda x, dtype: x.astype(dtype), call(T(2, 3), np.dtype("float64")), dtype="float64", ints="float64",
        torch=lambda x, dtype: x.double()),
    row("transfer", lambda x, device, source: x, call(T(2, 3), CPU, CPU), torch=lambda x, device, source: x,
        ints="int64"),
]
# fmt: on

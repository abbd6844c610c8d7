"""Samples of the sheet ``grids``."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .table import I, T, call, row


def np_combinations(x: Any, r: int = 2, with_replacement: bool = False) -> Any:
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    return np.array(list(choose(x, r))).reshape(-1, r) if r else np.zeros(0)


# fmt: off
ROWS = [
    row("meshgrid", lambda *x, indexing="ij": np.meshgrid(*x, indexing=indexing), call(T(2), T(3), indexing="ij"),
        call(T(2), T(3), T(2), indexing="xy"), call(T(3), T(), indexing="ij"), call(T(2), indexing="xy")),
    row("cartesian_prod", lambda *x: np.array(list(itertools.product(*x))) if len(x) > 1 else x[0], call(T(2), T(3)),
        call(T(2), T(1), T(2)), call(T(3)), ints="int64"),
    row("combinations", np_combinations, call(T(3)), call(T(4), 3), call(T(2), 2, True), call(T(2), 3), call(T(2), 0),
        call(I([3, 4])), ints="int64"),
    row("vander", np.vander, call(T(3)), call(T(3), 2), call(T(2), 4, True), call(T(2), 1), ints="int64",
        beside="values"),  # PyTorch overwrites what its own gradient needs
]
# fmt: on

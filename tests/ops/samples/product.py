"""Samples of the sheet ``product``."""

from __future__ import annotations

import numpy as np

from .table import T, call, row, torch

# fmt: off
ROWS = [
    row("matmul", np.matmul, call(T(2, 3), T(3, 4)), call(T(3), T(3)), call(T(3), T(3, 4)), call(T(2, 3), T(3)),
        call(T(5, 2, 3), T(3, 4)), call(T(2, 2, 2, 3), T(3, 2)), call(T(2, 3), T(5, 3, 4)), call(T(3), T(2, 3, 2)),
        call(T(5, 2, 3), T(5, 3, 4)), call(T(2, 1, 2, 3), T(3, 3, 2)), call(T(2, 2, 3), T(3)),
        call(T(1, 2, 3), T(4, 3, 2)), call(T(2, 0), T(0, 3)), ints="int64"),
    row("mm", np.matmul, call(T(2, 3), T(3, 4))),
    row("bmm", np.matmul, call(T(2, 2, 3), T(2, 3, 2))),
    row("mv", np.matmul, call(T(2, 3), T(3))),
    row("dot", np.dot, call(T(3), T(3))),
    row("outer", np.outer, call(T(2), T(3))),
    row("linear", lambda x, weight, bias=0.0: x @ weight.T + bias, call(T(2, 3), T(4, 3), T(4)),
        call(T(2, 3), T(4, 3)), call(T(3), T(4, 3), T(4)), call(T(2, 2, 3), T(4, 3), T(4)),
        torch="nn.functional.linear"),
    row("_einsum2", lambda a, b, a_axes, b_axes, out: np.einsum(f"{a_axes},{b_axes}->{out}", a, b),
        call(T(2, 3), T(3, 4), "ij", "jk", "ik"), call(T(2, 3), T(2, 3), "bi", "bi", "b"),
        call(T(2), T(), "i", "", "i"),
        torch=lambda a, b, a_axes, b_axes, out: torch("einsum")(f"{a_axes},{b_axes}->{out}", a, b)),
    row("einsum", np.einsum, call("ij,jk->ik", T(2, 3), T(3, 4)), call("ij,jk", T(2, 3), T(3, 4)),
        call("ij,ij->i", T(2, 3), T(1, 3)), call("ij,jk,kl->il", T(2, 3), T(3, 1), T(4, 5)),
        call("ii", T(3, 3)), call("ii->i", T(3, 3)), call("ij->ji", T(2, 3)), call("ij->", T(2, 3)),
        call("bij,bj->bi", T(2, 3, 4), T(2, 4)), call("i,j->ij", T(2), T(3)), call("i,i", T(3), T(3)),
        call("...ij,...jk->...ik", T(2, 2, 3), T(3, 2)), call("b...,b...->...", T(2, 3), T(2, 3)),
        call("ij,kj,k->i", T(2, 3), T(4, 3), T(4)), call("iij,j->i", T(2, 2, 3), T(3)), call("ij,k->i", T(2, 3), T(2))),
]
# fmt: on

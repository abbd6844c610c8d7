"""Samples of the sheet ``product``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import T, call, row, torch


def added(product: Any) -> Any:
    """The reference of a function that adds beta times its first argument to alpha times a product of the others."""
    return lambda x, a, b, beta=1, alpha=1: beta * x + alpha * product(a, b)


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
    row("addmm", added(np.matmul), call(T(2, 4), T(2, 3), T(3, 4)), call(T(4), T(2, 3), T(3, 4), beta=0.5, alpha=2.0),
        call(T(), T(2, 3), T(3, 1), beta=2)),
    row("addmv", added(np.matmul), call(T(2), T(2, 3), T(3)), call(T(), T(2, 3), T(3), beta=0.5, alpha=-1.0)),
    row("addr", added(np.outer), call(T(2, 3), T(2), T(3)), call(T(3), T(2), T(3), beta=2.0, alpha=0.5)),
    row("baddbmm", added(np.matmul), call(T(2, 2, 2), T(2, 2, 3), T(2, 3, 2)),
        call(T(2), T(1, 2, 3), T(1, 3, 2), alpha=2)),
    row("addbmm", added(lambda a, b: (a @ b).sum(0)), call(T(2, 2), T(2, 2, 3), T(2, 3, 2)),
        call(T(2, 1), T(2, 2, 3), T(2, 3, 2), beta=0.5, alpha=2)),
    row("inner", np.inner, call(T(3), T(3)), call(T(2, 3), T(3)), call(T(2, 3), T(4, 2, 3)), call(T(), T(2, 3))),
    row("vecdot", lambda x, y, dim=-1: (x * y).sum(dim), call(T(2, 3), T(3)), call(T(2, 3), T(2, 1), dim=0),
        torch="linalg.vecdot"),
    row("tensordot", lambda a, b, dims=2: np.tensordot(a, b, dims), call(T(2, 3, 4), T(3, 4, 5)),
        call(T(2, 3), T(3, 2), 1), call(T(2), T(3), 0),
        call(T(2, 3, 4), T(4, 3, 5), dims=([1, 2], [1, 0])), call(T(2, 3), T(2, 3), dims=([-1, 0], [1, -2]))),
    row("kron", np.kron, call(T(2, 2), T(2, 3)), call(T(2), T(3)), call(T(2), T(2, 2)), call(T(2, 1, 2), T(3)),
        call(T(), T(2))),
    row("cross", lambda a, b, dim=-1: np.cross(a, b, axis=dim), call(T(2, 3), T(2, 3), 1),
        call(T(2, 3), T(2, 3), dim=-1), call(T(3, 2), T(3, 2), dim=0)),
    row("trace", np.trace, call(T(3, 3)), call(T(2, 3)), call(T(0, 0)), ints="int64"),
    row("multi_dot", lambda xs: np.linalg.multi_dot(xs), call([T(2, 3), T(3, 4), T(4, 1), T(1, 2)]),
        call([T(3), T(3, 4), T(4, 2)]), call([T(2, 3), T(3)]), call([T(3), T(3, 2), T(2)]), torch="linalg.multi_dot"),
    row("chain_matmul", lambda *xs: np.linalg.multi_dot(xs), call(T(2, 3), T(3, 4)), call(T(2, 3), T(3, 1), T(1, 2)),
        torch=lambda *xs: torch("linalg.multi_dot")(xs)),
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

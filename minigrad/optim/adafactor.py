"""Adafactor: Adam's second average, kept as a row and a column instead of a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.backend import Array, Shape
from minigrad.optim.optimizer import Group, ParameterwiseOptimizer, State


class Adafactor(ParameterwiseOptimizer):
    """Adam without momentum, which remembers n + m numbers for an (n, m) matrix instead of 2 n m.

    At step t = 1, 2, ... with rms(x) the root of the mean square of all entries::

        g <- -g                                             if maximize
        beta = 1 - t^beta2_decay                            a short memory at first, a longer one later
        R <- beta R + (1 - beta) mean of g^2 along rows     for each row
        C <- beta C + (1 - beta) mean of g^2 along columns  for each column
        v = R C / max(mean of R, eps1)                      their product, as if g^2 had rank 1
        u = g / max(sqrt(v), eps1)
        u <- u / max(1, rms(u) / d)                         clipped: no move much larger than usual
        p <- p - lr weight_decay p
        p <- p - max(eps2, rms(p)) min(lr, 1 / sqrt(t)) u   relative to the size of p, before the line above

    Vectors and scalars keep v itself: v <- beta v + (1 - beta) g^2. Arrays of more dimensions are stacks of matrices
    in their last two.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        The largest relative move; 0.01 is the paper's.
    beta2_decay : float
        How the memory grows, at most 0: -0.8 is the paper's.
    eps : (float or None, float)
        eps1, where None is the spacing of floating-point numbers at 1, and eps2, the least size a parameter is taken
        to have, so that zeros can move.
    d : float
        The rms that moves are clipped at.
    weight_decay : float
        Share of the weights, times lr, that each step takes away.
    foreach
        As :class:`Optimizer` has it.
    maximize : bool
        Climb instead of descend.

    References
    ----------
    Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018, algorithms 4 and 5;
    with PyTorch's deviations: lr caps the relative move and scales the decay, means stand for sums, and eps1 is a
    lower bound in the divisions, not a part of g^2.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.full((2, 3), 10.0).requires_grad_()
    >>> optimizer = Adafactor([w])
    >>> (w**2).sum().backward()
    >>> optimizer.step()  # a hundredth of its size
    >>> w.detach()
    tensor([[9.9000, 9.9000, 9.9000],
            [9.9000, 9.9000, 9.9000]])
    >>> [tuple(optimizer.state[w][name].shape) for name in ("row_var", "col_var")]
    [(2, 1), (1, 3)]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        what = dict(lr=lr, beta2_decay=beta2_decay, eps=eps, d=d, weight_decay=weight_decay)
        super().__init__(params, {**what, "foreach": foreach, "maximize": maximize})

    def check(self, group: Group) -> None:
        super().check(group)
        eps, d = group["eps"], group["d"]
        self.require(group["beta2_decay"] <= 0, "beta2_decay <= 0", group["beta2_decay"])
        self.require(len(eps) == 2 and (eps[0] is None or eps[0] >= 0), "eps of two, with eps1 None or >= 0", eps)
        self.require(eps[1] >= 0, "eps2 >= 0", eps[1])
        self.require(d >= 1, "d >= 1", d)

    def shapes(self, p: Any, group: Group) -> dict[str, Shape]:
        shape = p.array.shape
        if len(shape) < 2:
            return {"variance": shape}
        return {"row_var": (*shape[:-1], 1), "col_var": (*shape[:-2], 1, shape[-1])}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def update_parameter(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group) -> None:
        t, lr, (eps1, eps2) = state["step"], float(group["lr"]), group["eps"]
        eps1 = float(np.finfo(p.dtype).eps) if eps1 is None else eps1
        take = t ** group["beta2_decay"]  # 1 - beta
        g = -g if group["maximize"] else g
        size = xp.maximum(rms(xp, p), eps2)
        if group["weight_decay"]:
            p *= 1 - lr * group["weight_decay"]
        squares = g * g
        if p.ndim > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows += take * (squares.mean(-1, keepdims=True) - rows)
            columns += take * (squares.mean(-2, keepdims=True) - columns)
            v = rows * columns / xp.maximum(rows.mean(-2, keepdims=True), eps1)
        else:
            v = state["variance"]
            v += take * (squares - v)
        u = g / xp.maximum(xp.sqrt(v), eps1)
        u *= size * min(lr, 1 / math.sqrt(t)) / xp.maximum(1.0, rms(xp, u) / group["d"])
        p -= u


def rms(xp: ModuleType, x: Array) -> Array:
    """Return the root of the mean square of all entries, a scalar on the device."""
    return xp.sqrt((x * x).mean())

"""Muon: momentum whose matrix is made orthogonal before it is used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from minigrad.backend import Array, Shape
from minigrad.optim.optimizer import Group, ParameterwiseOptimizer, State


def newton_schulz(xp: ModuleType, x: Array, coefficients: tuple[float, float, float], steps: int, eps: float) -> Array:
    """Return a matrix near the orthogonal one nearest to ``x``, by matrix products alone.

    With the singular value decomposition x = U S V^T, that one is U V^T: every singular value becomes 1. A step of ::

        x <- a x + b (x x^T) x + c (x x^T)^2 x

    leaves U and V as they are, and takes each singular value s to a s + b s^3 + c s^5. At (2, -1.5, 0.5) that creeps
    up to 1 from anywhere in (0, 1]. Muon's (3.4445, -4.775, 2.0315) is steeper at 0, so small ones grow 3.4-fold each
    step, and does not converge: after five steps they lie between 0.7 and 1.2, which is as good.
    """
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x  # x x^T is then the smaller of the two
    x = x / xp.maximum(xp.sqrt((x * x).sum()), eps)  # no singular value is larger than this norm
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x


def scaled_lr(lr: float, adjust: str | None, shape: Shape) -> float:
    """Return the rate for a matrix, so that moves of matrices of different shapes are comparable."""
    rows, columns = shape
    if adjust == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1.0, rows / columns))


class Muon(ParameterwiseOptimizer):
    """Momentum, orthogonalised by Newton-Schulz: a move has the same length along all its directions.

    For a weight of shape (rows, columns)::

        b <- momentum b + (1 - momentum) g
        d = b,  or  momentum b + (1 - momentum) g  with nesterov
        o = newton_schulz(d)                     d = U S V^T  goes to about  U V^T
        p <- p - lr weight_decay p               decoupled, as in AdamW
        p <- p - lr sqrt(max(1, rows / columns)) o          adjust_lr_fn None or "original"
        p <- p - lr 0.2 sqrt(max(rows, columns)) o          "match_rms_adamw": moves as large as AdamW's

    Gradients of weight matrices are nearly of low rank: a few directions rule the move. Orthogonal moves give the
    others as much. Only matrices have that structure, so Muon is for the weights of hidden layers; give biases,
    embeddings, normalisations and the last layer to AdamW.

    PyTorch computes newton_schulz in bfloat16, with 2 to 3 digits. Here it keeps the dtype of the parameter, so results
    agree with PyTorch's to that many digits only.

    Parameters
    ----------
    params : iterable
        Matrices, (name, matrix) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    weight_decay : float
        Share of the weights, times lr, that each step takes away.
    momentum : float
        How much of the velocity stays each step.
    nesterov : bool
        Nesterov's momentum: look ahead by one step.
    ns_coefficients : (float, float, float)
        a, b, c of :func:`newton_schulz`.
    eps : float
        The least norm that a matrix is divided by.
    ns_steps : int
        How many steps of it, less than 100.
    adjust_lr_fn : str or None
        How the rate depends on the shape: "original" (None is the same) or "match_rms_adamw".

    Raises
    ------
    ValueError
        A parameter is no matrix, or an option is out of range.

    References
    ----------
    Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein, "Muon: an optimizer for hidden layers in neural networks",
    2024. "match_rms_adamw": Liu et al., "Muon is scalable for LLM training", 2025, section 2.2.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.eye(2, 3).requires_grad_()
    >>> optimizer = Muon([w], lr=0.1, weight_decay=0.0)
    >>> w.grad = minigrad.tensor([[1.0, 0.0, 0.0], [0.0, 0.01, 0.0]])
    >>> optimizer.step()  # 1 and 0.01 alike become about 0.7
    >>> (w - minigrad.eye(2, 3)).detach()
    tensor([[-0.0696,  0.0000,  0.0000],
            [ 0.0000, -0.0699,  0.0000]])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        what = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov)
        how = dict(ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn)
        super().__init__(params, {**what, **how})

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "momentum", "eps")
        steps, adjust = group["ns_steps"], group["adjust_lr_fn"]
        self.require(len(group["ns_coefficients"]) == 3, "three ns_coefficients", group["ns_coefficients"])
        self.require(isinstance(steps, int) and 0 <= steps < 100, "an integer ns_steps from 0 to 99", steps)
        allowed = (None, "original", "match_rms_adamw")
        self.require(adjust in allowed, f"adjust_lr_fn to be one of {allowed}", adjust)
        for k, p in enumerate(group["params"]):
            expected = f"matrices (AdamW takes the rest), and parameter {k} of group {len(self.param_groups)} to be one"
            self.require(p.array.ndim == 2, expected, tuple(p.array.shape))

    def shapes(self, p: Any, group: Group) -> dict[str, Shape]:
        return {"momentum_buffer": p.array.shape}

    def update_parameter(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group) -> None:
        b, momentum, lr = state["momentum_buffer"], group["momentum"], float(group["lr"])
        b += (1 - momentum) * (g - b)
        d = momentum * b + (1 - momentum) * g if group["nesterov"] else b
        o = newton_schulz(xp, d, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p *= 1 - lr * group["weight_decay"]
        o *= scaled_lr(lr, group["adjust_lr_fn"], p.shape)
        p -= o

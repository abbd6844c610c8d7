"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from minigrad.backend import Array
from minigrad.optim.optimizer import Group, Optimizer, State


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    ::

        g <- -g                              if maximize
        g <- g + weight_decay p              if weight_decay
        b <- momentum b + (1 - dampening) g  if momentum; at the first step b <- g
        g <- b,  or  g + momentum b          if momentum; the second with nesterov
        p <- p - lr g

    Momentum is Polyak's heavy ball: b is a velocity that the gradient pushes and friction slows. Nesterov's form
    looks ahead by one move of it. As in PyTorch the learning rate multiplies the velocity when it is used, not the
    gradient when it is added, so a new rate takes effect at once.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    momentum : float
        How much of the velocity stays each step; 0.9 is usual, 0 is none.
    dampening : float
        How much of the gradient is kept from the velocity.
    weight_decay : float
        Strength of the L2 penalty weight_decay/2 ``|p|^2``.
    nesterov : bool
        Nesterov's momentum; needs momentum, and no dampening.
    maximize : bool
        Climb instead of descend.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951. Polyak, "Some methods of speeding up the
    convergence of iteration methods", 1964. Nesterov momentum in this form: Sutskever, Martens, Dahl and Hinton, "On
    the importance of initialization and momentum in deep learning", 2013.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> optimizer = SGD([x], lr=0.1)
    >>> (x**2).backward()  # slope 6
    >>> optimizer.step()
    >>> x
    tensor(2.4000, requires_grad=True)
    """

    scratch_arrays = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "momentum")
        if group["nesterov"]:
            momentum, dampening = group["momentum"], group["dampening"]
            fine = momentum > 0 and dampening == 0
            self.require(fine, "momentum > 0 and dampening = 0 with nesterov", (momentum, dampening))

    def buffers(self, group: Group) -> dict[str, float]:
        return {"momentum_buffer": 0.0} if group["momentum"] else {}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        momentum, dampening = group["momentum"], group["dampening"]
        g = self.gradient(xp, p, g, group, out=changed)
        if momentum:
            b = state["momentum_buffer"]
            if state["first"]:
                b[...] = g
            else:
                b *= momentum
                b += xp.multiply(g, 1 - dampening, out=s) if dampening else g
            g = xp.add(g, xp.multiply(b, momentum, out=s), out=s) if group["nesterov"] else b
        p -= xp.multiply(g, float(group["lr"]), out=s)

"""Stochastic gradient descent, with momentum, and with averaged parameters."""

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
    foreach, differentiable, fused
        As :class:`Optimizer` has them.

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
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        how = dict(foreach=foreach, differentiable=differentiable, fused=fused)
        what = dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov)
        super().__init__(params, {**what, "maximize": maximize, **how})

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


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: the answer is the average of all the places that SGD came by.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        p <- (1 - lambd eta) p - eta g      a step of SGD, of length eta, with a decay of its own
        ax <- ax + mu (p - ax)              the average, in ``optimizer.state[p]["ax"]``
        eta <- lr / (1 + lambd lr t)^alpha  for the next step, where eta starts as lr
        mu <- 1 / max(1, t - t0)            for the next step, where mu starts as 1: up to t0, ax is p

    SGD near a minimum jumps about it with every batch; the average of the jumps lies nearer. The parameters
    themselves are not averaged: copy ``ax`` into them when training is over.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate of the first step.
    lambd : float
        Strength of the decay, and how early the rate falls.
    alpha : float
        How steeply the rate falls, as t^-alpha; between 1/2 and 1 the average converges as fast as can be.
    t0 : float
        The step after which averaging begins. That is never in most trainings, by default: give the step from which
        on the parameters no longer travel.
    weight_decay : float
        Strength of the L2 penalty.
    maximize : bool
        Climb instead of descend.
    foreach, differentiable, capturable
        As :class:`Optimizer` has them.

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992. The choice of rates: Bottou,
    "Large-scale machine learning with stochastic gradient descent", 2010.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor(1.0, requires_grad=True)
    >>> optimizer = ASGD([x], lr=0.5, lambd=0, t0=0)
    >>> for slope in (2.0, -1.0, -1.0):  # x goes 1, 0, 0.5, 1, and ax is the average since the second step
    ...     x.grad = minigrad.tensor(slope)
    ...     optimizer.step()
    >>> x.item(), optimizer.state[x]["ax"].item()
    (1.0, 0.75)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        how = dict(foreach=foreach, maximize=maximize, differentiable=differentiable, capturable=capturable)
        what = dict(lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay)
        super().__init__(params, {**what, **how})

    def buffers(self, group: Group) -> dict[str, float]:
        return {"ax": 0.0}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0, "eta": float(group["lr"]), "mu": 1.0}

    def advance(self, scalars: dict[str, Any], group: Group) -> None:
        super().advance(scalars, group)
        t, lr = scalars["step"], float(group["lr"])
        scalars["now"] = scalars["eta"], scalars["mu"]  # of this step; the others are for the next
        scalars["eta"] = lr / (1 + group["lambd"] * lr * t) ** group["alpha"]
        scalars["mu"] = 1 / max(1, t - group["t0"])

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        (eta, mu), ax = state["now"], state["ax"]
        g = self.gradient(xp, p, g, group, out=changed)
        p *= 1 - group["lambd"] * eta
        p -= xp.multiply(g, eta, out=s)
        if mu == 1:
            ax[...] = p
        else:
            xp.subtract(p, ax, out=s)
            ax += xp.multiply(s, mu, out=s)

"""A rate for each element, from the squares of its gradients: Adagrad, RMSprop and Adadelta."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, constants
from minigrad.optim.optimizer import Group, Optimizer, State


def average(xp: ModuleType, a: Array, x: Array, keep: float, s: Array) -> None:
    """Move a running average on: a <- keep a + (1 - keep) x; ``s`` is memory to work in, and may be ``x``."""
    stays, comes = constants(xp, a.dtype, keep, 1 - keep)
    a *= stays
    a += xp.multiply(x, comes, out=s)


class Adagrad(Optimizer):
    """Divide by the root of the sum of all squared gradients so far: rates that only fall, most where it is steep.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        v <- v + g^2                        from v = initial_accumulator_value on
        p <- p - lr / (1 + (t - 1) lr_decay)  g / (sqrt(v) + eps)

    The rate of an element falls like 1 / sqrt(number of steps in which it had a gradient): features that are seldom
    there keep a large one. In long training the sum grows without end, and everything comes to a standstill, which
    RMSprop and Adadelta mend by an average in its place.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    lr_decay : float
        How fast the rate falls besides, the same for all elements.
    weight_decay : float
        Strength of the L2 penalty.
    initial_accumulator_value : float
        What the sums start from.
    eps : float
        Keeps the division from 0 / 0.
    maximize : bool
        Climb instead of descend.
    foreach, differentiable, fused
        As :class:`Optimizer` has them.

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011,
    with the diagonal of G.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adagrad([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([  2.9000, 299.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        what = dict(lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay)
        how = dict(foreach=foreach, maximize=maximize, differentiable=differentiable, fused=fused)
        super().__init__(params, {**what, "initial_accumulator_value": initial_accumulator_value, **how})

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "lr_decay", "initial_accumulator_value", "eps")

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:  # unlike the others it has its state from the start
            start = self.param_groups[-1]["initial_accumulator_value"]
            self._state[p] = {"step": tensor_of(np.zeros((), np.float32)), "sum": None}
            self._state[p]["sum"] = tensor_of(self._state_array(p, "sum", start))

    def buffers(self, group: Group) -> dict[str, float]:
        return {"sum": group["initial_accumulator_value"]}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        v = state["sum"]
        g = self.gradient(xp, p, g, group, out=changed)
        v += xp.multiply(g, g, out=s)
        xp.sqrt(v, out=s)
        s += group["eps"]
        xp.divide(g, s, out=s)
        p -= xp.multiply(s, float(group["lr"]) / (1 + (state["step"] - 1) * group["lr_decay"]), out=s)


class RMSprop(Optimizer):
    """Divide by the root of the average square of the recent gradients.

    ::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        v <- alpha v + (1 - alpha) g^2
        a <- alpha a + (1 - alpha) g        if centered
        d = g / (sqrt(v) + eps),  or  g / (sqrt(v - a^2) + eps)  if centered: their variance
        b <- momentum b + d                 if momentum
        p <- p - lr d,  or  p - lr b        if momentum

    eps is added to the root, not under it. v starts at 0 and is not corrected for that: the first move is
    lr / sqrt(1 - alpha) long, ten times lr at the default.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    alpha : float
        How much of the averages stays each step.
    eps : float
        Keeps the division from 0 / 0.
    weight_decay : float
        Strength of the L2 penalty.
    momentum : float
        How much of the velocity stays each step.
    centered : bool
        Divide by the standard deviation of the gradients.
    maximize : bool
        Climb instead of descend.
    capturable, foreach, differentiable
        As :class:`Optimizer` has them.

    References
    ----------
    Tieleman and Hinton, "Lecture 6.5: RMSprop", Coursera, Neural networks for machine learning, 2012. Centered: Graves,
    "Generating sequences with recurrent neural networks", 2013, equations 38 to 41.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = RMSprop([x], lr=0.01)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([  2.9000, 299.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        what = dict(lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay)
        how = dict(capturable=capturable, foreach=foreach, maximize=maximize, differentiable=differentiable)
        super().__init__(params, {**what, **how})

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "momentum", "alpha", "eps")

    def buffers(self, group: Group) -> dict[str, float]:
        momentum = {"momentum_buffer": 0.0} if group["momentum"] else {}
        return {"square_avg": 0.0, **momentum, **({"grad_avg": 0.0} if group["centered"] else {})}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        v, alpha, momentum = state["square_avg"], group["alpha"], group["momentum"]
        g = self.gradient(xp, p, g, group, out=changed)
        average(xp, v, xp.multiply(g, g, out=s), alpha, s)
        if group["centered"]:
            a = state["grad_avg"]
            average(xp, a, g, alpha, s)
            xp.multiply(a, a, out=s)
            xp.subtract(v, s, out=s)
            v = xp.maximum(s, 0, out=s)  # for equal gradients it is 0, but for rounding
        xp.sqrt(v, out=s)
        s += group["eps"]
        d = xp.divide(g, s, out=s)
        if momentum:
            b = state["momentum_buffer"]
            b *= momentum
            b += d
            d = b
        p -= xp.multiply(d, float(group["lr"]), out=s)


class Adadelta(Optimizer):
    """Move by the average size of the recent moves, relative to the average size of the recent gradients.

    ::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        v <- rho v + (1 - rho) g^2
        d = sqrt(u + eps) / sqrt(v + eps) g
        u <- rho u + (1 - rho) d^2
        p <- p - lr d

    A move should have the unit of the parameter, and d has, because u has the unit of its square: there is no rate to
    choose, lr = 1 is the paper. eps stands under both roots. The first moves come from it alone, sqrt(eps) = 0.001
    long in proportion, so training starts slowly.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        A factor for all moves.
    rho : float
        How much of the averages stays each step.
    eps : float
        Starts the moves, and keeps the division from 0 / 0.
    weight_decay : float
        Strength of the L2 penalty.
    maximize : bool
        Climb instead of descend.
    foreach, capturable, differentiable
        As :class:`Optimizer` has them.

    References
    ----------
    Zeiler, "Adadelta: an adaptive learning rate method", 2012, algorithm 1.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adadelta([x])
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([  2.9968, 299.9968], requires_grad=True)
    """

    scratch_arrays = 3

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        how = dict(maximize=maximize, capturable=capturable, foreach=foreach, differentiable=differentiable)
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, **how))

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "rho", "eps")
        self.require(group["rho"] <= 1, "rho <= 1", group["rho"])

    def buffers(self, group: Group) -> dict[str, float]:
        return {"square_avg": 0.0, "acc_delta": 0.0}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        d, s, changed = scratch
        v, u, rho, eps = state["square_avg"], state["acc_delta"], group["rho"], group["eps"]
        g = self.gradient(xp, p, g, group, out=changed)
        average(xp, v, xp.multiply(g, g, out=s), rho, s)
        xp.add(u, eps, out=d)
        d /= xp.add(v, eps, out=s)  # one root of the quotient for the quotient of two roots
        xp.sqrt(d, out=d)
        d *= g
        average(xp, u, xp.multiply(d, d, out=s), rho, s)
        p -= xp.multiply(d, float(group["lr"]), out=s)

"""Variants of Adam: Adamax, NAdam and RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from minigrad.backend import Array, constants
from minigrad.optim.adam import Moments
from minigrad.optim.optimizer import Group, State


class Adamax(Moments):
    """Adam with the largest gradient in the place of the root of the average square.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        m <- beta1 m + (1 - beta1) g        average of the gradients
        u <- max(beta2 u, |g| + eps)        the largest of them, which fades
        p <- p - lr m / ((1 - beta1^t) u)

    Averages of the k-th powers instead of squares, with k to infinity, lead here. u needs no correction for its start
    at 0. eps stands inside the maximum, so u is never less. An element moves by lr a step at most, about.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    betas : (float, float)
        How much of the average and of the maximum stays each step.
    eps : float
        Keeps the division from 0 / 0.
    weight_decay : float
        Strength of the L2 penalty.
    maximize : bool
        Climb instead of descend.
    foreach, differentiable, capturable
        As :class:`Optimizer` has them.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 2.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adamax([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([  2.9000, 299.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        how = dict(foreach=foreach, maximize=maximize, differentiable=differentiable, capturable=capturable)
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, **how))

    def buffers(self, group: Group) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_inf": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        t, (beta1, beta2) = state["step"], group["betas"]
        m, u = state["exp_avg"], state["exp_inf"]
        keep1, take1, keep2 = constants(xp, p.dtype, beta1, 1 - beta1, beta2)
        g = self.gradient(xp, p, g, group, out=changed)
        m *= keep1
        m += xp.multiply(g, take1, out=s)
        u *= keep2
        xp.absolute(g, out=s)
        s += group["eps"]
        xp.maximum(u, s, out=u)
        xp.divide(m, u, out=s)
        p -= xp.multiply(s, float(group["lr"]) / (1 - beta1**t), out=s)


class NAdam(Moments):
    """Adam with Nesterov's momentum: the average of the gradients is used as it will be one step later.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay; with decoupled_weight_decay p <- p - lr weight_decay p
        mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)    how much momentum, from beta1/2 up to beta1
        M_t = mu_1 mu_2 ... mu_t                          in the state as ``mu_product``
        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        m^ = mu_{t+1} m / (1 - M_{t+1}) + (1 - mu_t) g / (1 - M_t)
        p <- p - lr m^ / (sqrt(v / (1 - beta2^t)) + eps)

    In Adam the gradient of now counts for 1 - beta1 of the move, a tenth. Here it counts once more, as in Nesterov's
    method, which takes the momentum of the next step ahead.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    betas : (float, float)
        How much of each average stays each step.
    eps : float
        Keeps the division from 0 / 0.
    weight_decay : float
        Strength of the L2 penalty.
    momentum_decay : float
        How fast the momentum comes to its full size: at the default it takes 12,700 steps to 15/16 of it.
    decoupled_weight_decay : bool
        Decay weights as AdamW does.
    maximize : bool
        Climb instead of descend.
    foreach, capturable, differentiable
        As :class:`Optimizer` has them.

    References
    ----------
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, algorithm 2.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = NAdam([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()  # m is 0.1 g, so m^ is g (0.1 mu_2 / (1 - M_2) + (1 - mu_1) / (1 - M_1)) = 1.056 g
    >>> x
    tensor([  2.8944, 299.8943], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        how = dict(maximize=maximize, foreach=foreach, capturable=capturable, differentiable=differentiable)
        what = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        super().__init__(params, {**what, "decoupled_weight_decay": decoupled_weight_decay, **how})

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "momentum_decay")

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def advance(self, scalars: dict[str, Any], group: Group) -> None:
        super().advance(scalars, group)
        t, beta1, psi = scalars["step"], group["betas"][0], group["momentum_decay"]
        mu, following = (beta1 * (1 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
        scalars["mu_product"] *= mu
        product = scalars["mu_product"]
        scalars["shares"] = (1 - mu) / (1 - product), following / (1 - product * following)  # of g and of m in m^

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        lr, (of_g, of_m) = float(group["lr"]), state["shares"]
        g = self.gradient(xp, p, g, group, out=changed)
        m, v = self.averages(xp, g, state, group, s)
        # sqrt(v^) + eps, with the correction moved to the numbers; each part of m^ is then divided by it.
        root = math.sqrt(1 - group["betas"][1] ** state["step"])
        xp.sqrt(v, out=s)
        s += group["eps"] * root
        xp.multiply(g, lr * of_g * root, out=changed)
        changed /= s
        p -= changed
        xp.multiply(m, lr * of_m * root, out=changed)
        changed /= s
        p -= changed


class RAdam(Moments):
    """Adam that waits with the division until it knows the size of the gradients: Adam with its own warm-up.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay; with decoupled_weight_decay p <- p - lr weight_decay p
        m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2;  m^ = m / (1 - beta1^t)
        n = n_max - 2 t beta2^t / (1 - beta2^t)  with n_max = 2 / (1 - beta2) - 1
        r = sqrt((n-4) (n-2) n_max / ((n_max-4) (n_max-2) n))
        p <- p - lr m^ r sqrt(1 - beta2^t) / (sqrt(v) + eps)  if n > 5
        p <- p - lr m^                                        if not

    n is how many gradients v is an average of, in effect: 1 at first, 1999 in the end at the default beta2. The
    variance of 1 / sqrt(v) is infinite for n <= 4 and falls with n; r shrinks the move by as much as it is still
    larger than in the end. The first five steps or so are SGD with momentum.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        Learning rate.
    betas : (float, float)
        How much of each average stays each step.
    eps : float
        Keeps the division from 0 / 0; added to sqrt(v) before the correction, unlike Adam's.
    weight_decay : float
        Strength of the L2 penalty.
    decoupled_weight_decay : bool
        Decay weights as AdamW does.
    maximize : bool
        Climb instead of descend.
    foreach, capturable, differentiable
        As :class:`Optimizer` has them.

    References
    ----------
    Liu, Jiang, He, Chen, Liu, Gao and Han, "On the variance of the adaptive learning rate and beyond", ICLR 2020,
    algorithm 2.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = RAdam([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()  # at first like SGD: slopes 6 and 600
    >>> x
    tensor([  2.4000, 240.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        what = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize)
        how = dict(foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, {**what, **how, "decoupled_weight_decay": decoupled_weight_decay})

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        t, (beta1, beta2) = state["step"], group["betas"]
        g = self.gradient(xp, p, g, group, out=changed)
        m, v = self.averages(xp, g, state, group, s)
        rate = float(group["lr"]) / (1 - beta1**t)
        n_max = 2 / (1 - beta2) - 1
        n = n_max - 2 * t * beta2**t / (1 - beta2**t)
        if n > 5:
            r = math.sqrt((n - 4) * (n - 2) * n_max / ((n_max - 4) * (n_max - 2) * n))
            xp.sqrt(v, out=s)
            s += group["eps"]
            xp.divide(m, s, out=s)
            p -= xp.multiply(s, rate * r * math.sqrt(1 - beta2**t), out=s)
        else:
            p -= xp.multiply(m, rate, out=s)

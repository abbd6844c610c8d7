"""Adam, and AdamW, which decays weights apart from the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from minigrad.backend import Array, constants
from minigrad.optim.optimizer import Group, Optimizer, State


class Moments(Optimizer):
    """What Adam and its variants share: two running averages, of the gradients and of their squares.

    ::

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2

    Both start at 0 and are too small at first: after t steps the weights in them sum to 1 - beta^t.
    """

    scratch_arrays = 2

    def check(self, group: Group) -> None:
        super().check(group)
        self.require_nonnegative(group, "eps")
        betas = group["betas"]
        fine = isinstance(betas, (tuple, list)) and len(betas) == 2 and all(0 <= beta < 1 for beta in betas)
        self.require(fine, "betas of two, 0 <= beta < 1", betas)

    def buffers(self, group: Group) -> dict[str, float]:
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def averages(self, xp: ModuleType, g: Array, state: State, group: Group, s: Array) -> tuple[Array, Array]:
        """Take ``g`` into the averages and return them, m and v; ``s`` is memory to work in."""
        beta1, beta2 = group["betas"]
        m, v = state["exp_avg"], state["exp_avg_sq"]
        keep1, take1, keep2, take2 = constants(xp, m.dtype, beta1, 1 - beta1, beta2, 1 - beta2)
        m *= keep1
        m += xp.multiply(g, take1, out=s)
        v *= keep2
        xp.multiply(g, g, out=s)
        v += xp.multiply(s, take2, out=s)
        return m, v


class Adam(Moments):
    """Adam: each element moves by its average gradient, relative to how large its gradients are.

    At step t = 1, 2, ...::

        g <- -g                             if maximize
        g <- g + weight_decay p             if weight_decay
        m <- beta1 m + (1 - beta1) g        average of the gradients
        v <- beta2 v + (1 - beta2) g^2      average of their squares; with amsgrad, its maximum so far is used
        p <- p - lr m^ / (sqrt(v^) + eps)   with m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t)

    The averages start at 0; dividing by 1 - beta^t makes up for that. While gradients keep their sign, an element
    moves by about lr a step, whatever their size.

    With ``weight_decay`` the penalty is a part of the gradient, so v divides it again, and weights with large
    gradients hardly decay. :class:`AdamW` decays all alike.

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
    amsgrad : bool
        Divide by the largest average of squares so far, so that the rate of an element never grows again.
    maximize : bool
        Climb instead of descend.
    decoupled_weight_decay : bool
        Decay weights as AdamW does.
    foreach, capturable, differentiable, fused
        As :class:`Optimizer` has them.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1, in the order of computation
    at the end of its section 2. AMSGrad: Reddi, Kale and Kumar, "On the convergence of Adam and beyond", ICLR 2018.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = Adam([x], lr=0.1)
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([  2.9000, 299.9000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        how = dict(foreach=foreach, capturable=capturable, differentiable=differentiable, fused=fused)
        what = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize)
        super().__init__(params, {**what, **how, "decoupled_weight_decay": decoupled_weight_decay})

    def buffers(self, group: Group) -> dict[str, float]:
        if group["amsgrad"]:
            return {"exp_avg": 0.0, "exp_avg_sq": 0.0, "max_exp_avg_sq": 0.0}
        return {"exp_avg": 0.0, "exp_avg_sq": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        t, (beta1, beta2) = state["step"], group["betas"]
        g = self.gradient(xp, p, g, group, out=changed)
        m, v = self.averages(xp, g, state, group, s)
        if group["amsgrad"]:
            v = xp.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        # lr m^ / (sqrt(v^) + eps), with the corrections moved to the numbers: one pass less over the arrays.
        root = math.sqrt(1 - beta2**t)
        xp.sqrt(v, out=s)
        s += group["eps"] * root
        xp.divide(m, s, out=s)
        p -= xp.multiply(s, float(group["lr"]) * root / (1 - beta1**t), out=s)


class AdamW(Adam):
    """Adam with decoupled weight decay: every weight shrinks by the same share, whatever its gradients are.

    ::

        Adam:   g <- g + weight_decay p;  p <- p - lr adam(g)
        AdamW:  p <- p - lr weight_decay p;  p <- p - lr adam(g)

    The parameters are Adam's, with ``weight_decay=0.01``. It is customary to spare biases and the weights of
    normalisations, in a group with ``weight_decay=0``.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 300.0], requires_grad=True)
    >>> optimizer = AdamW([x], lr=0.1, weight_decay=0.1)
    >>> (0 * x).sum().backward()  # no gradient at all, only decay by a hundredth
    >>> optimizer.step()
    >>> x
    tensor([  2.9700, 297.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # also after the state of an Adam

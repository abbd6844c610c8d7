"""Rprop: resilient backpropagation, which looks at the signs of gradients only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from minigrad.backend import Array, constants
from minigrad.optim.optimizer import Group, Optimizer, State


class Rprop(Optimizer):
    """Move each element by a step of its own, which grows while the gradient keeps its sign and shrinks when it turns.

    With etas (eta-, eta+) = (0.5, 1.2), for each element::

        g <- -g                             if maximize
        g prev > 0:  step_size <- eta+ step_size             still downhill: faster
        g prev < 0:  step_size <- eta- step_size,  g <- 0    jumped over a minimum: slower, and wait a step
        step_size <- between step_sizes
        p <- p - step_size sign(g)
        prev <- g

    step_size starts as lr. How steep it is plays no part, so flat and steep directions are equally fast. The gradient
    must be that of all the data: signs of small batches are too often wrong, which led to RMSprop.

    Parameters
    ----------
    params : iterable
        Tensors, (name, tensor) pairs, or groups of them: see :class:`Optimizer`.
    lr : float
        The first step size.
    etas : (float, float)
        Factors that shrink and grow a step size: 0 < eta- < 1 < eta+.
    step_sizes : (float, float)
        The smallest and the largest step size.
    maximize : bool
        Climb instead of descend.
    capturable, foreach, differentiable
        As :class:`Optimizer` has them.

    References
    ----------
    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN
    1993. Without going back after a jump (iRprop-): Igel and Hüsken, "Improving the Rprop learning algorithm", 2000.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 0.1], requires_grad=True)
    >>> optimizer = Rprop([x], lr=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (x**2).sum().backward()
    ...     optimizer.step()
    >>> x  # 3 went down by 0.5 and 0.6; 0.1 went over to -0.4 and waits
    tensor([ 1.9000, -0.4000], requires_grad=True)
    >>> optimizer.state[x]["step_size"]
    tensor([0.6000, 0.2500])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        how = dict(foreach=foreach, maximize=maximize, differentiable=differentiable, capturable=capturable)
        super().__init__(params, dict(lr=lr, etas=etas, step_sizes=step_sizes, **how))

    def check(self, group: Group) -> None:
        super().check(group)
        etas, sizes = group["etas"], group["step_sizes"]
        self.require(len(etas) == 2 and 0 < etas[0] < 1 < etas[1], "etas with 0 < eta- < 1 < eta+", etas)
        self.require(len(sizes) == 2, "step_sizes of two, the smallest and the largest", sizes)

    def buffers(self, group: Group) -> dict[str, float]:
        return {"prev": 0.0, "step_size": float(group["lr"])}

    def scalars(self, group: Group) -> dict[str, float]:
        return {"step": 0.0}

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        s, changed = scratch
        prev, size = state["prev"], state["step_size"]
        zero, one, minus, plus, least, most = constants(xp, p.dtype, 0, 1, *group["etas"], *group["step_sizes"])
        g = self.gradient(xp, p, g, group, out=changed)
        xp.multiply(g, prev, out=s)
        turned = s < zero
        size *= xp.where(turned, minus, xp.where(s > zero, plus, one))
        xp.minimum(xp.maximum(size, least, out=size), most, out=size)
        prev[...] = xp.where(turned, zero, g)
        xp.sign(prev, out=s)
        p -= xp.multiply(s, size, out=s)

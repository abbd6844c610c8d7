"""Schedules with one formula for all epochs.

Most are written twice. ``_get_closed_form_lr`` is the formula, from the first rate. ``get_lr`` is the same as a change
to the rate that is there, which makes the schedule *chainable*: two schedulers, or your own hand, can act on one
optimizer.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad.optim.lr_scheduler.base import LRScheduler, saved_callable
from minigrad.optim.optimizer import Optimizer

Factor = Callable[[int], float]

# --------------------------------------------------------------------------------------------------------------
# Functions of your own


class _ByFunction(LRScheduler):
    """A function of the epoch for each group. Functions are not saved; of callable objects the attributes are."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1) -> None:
        self._attach(optimizer)
        self.lr_lambdas = self._for_each_group("lr_lambda", lr_lambda)
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"{self._name}: expected lr_lambda to be a function of the epoch, got {f!r}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "lr_lambdas": [saved_callable(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        lambdas = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = lambdas
        for f, saved in zip(lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                vars(f).update(saved)


class LambdaLR(_ByFunction):
    """Set the rate to the first one times a function of the epoch: lr = lr0 lr_lambda(epoch).

    For any curve that has no class of its own. ``lr_lambda`` may be a list, with a function for each group. Functions
    are not saved by ``state_dict``; of objects with ``__call__`` the attributes are.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> LambdaLR(minigrad.optim.SGD([w], lr=0.5), lambda epoch: 1 / (1 + epoch)).preview(3)
    [0.5, 0.25, 0.16666666666666666]
    """

    def get_lr(self) -> list[float]:
        return [lr * factor(self.last_epoch) for lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_ByFunction):
    """Multiply the rate, epoch by epoch, by a function of the epoch: lr = lr0 f(1) f(2) ... f(epoch).

    For curves whose next value depends on the present one. Functions are saved as for :class:`LambdaLR`.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> MultiplicativeLR(minigrad.optim.SGD([w], lr=12.0), lambda epoch: 1 / epoch).preview(4)
    [12.0, 12.0, 6.0, 2.0]
    """

    def get_lr(self) -> list[float]:
        now = self._now()
        if self._is_initial:
            return now
        return [lr * factor(self.last_epoch) for lr, factor in zip(now, self.lr_lambdas)]


# --------------------------------------------------------------------------------------------------------------
# Steps


class StepLR(LRScheduler):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs: lr = lr0 gamma^floor(epoch / step_size).

    The classic of image classification: large rates find the region, each drop settles the noise within it.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> StepLR(minigrad.optim.SGD([w], lr=1.0), step_size=3, gamma=0.5).preview(7)
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self._require(step_size > 0, "step_size >= 1", step_size)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else 1
        return [lr * factor for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * self.gamma ** (self.last_epoch // self.step_size) for lr in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiply the rate by ``gamma`` at each milestone: lr = lr0 gamma^(how many milestones <= epoch).

    StepLR for drops at epochs of your choice, such as 30, 60 and 80 of 90. A milestone listed twice counts twice.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> MultiStepLR(minigrad.optim.SGD([w], lr=1.0), milestones=[1, 4], gamma=0.5).preview(6)
    [1.0, 0.5, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: expected milestones to be a list such as [30, 80], got {milestones!r}")
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [lr * factor for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        passed = sum(times for epoch, times in self.milestones.items() if epoch <= self.last_epoch)
        return [lr * self.gamma**passed for lr in self.base_lrs]


class ConstantLR(LRScheduler):
    """Multiply the rate by ``factor`` for the first ``total_iters`` epochs: lr = lr0 factor, then lr0.

    A warm-up in one step.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> ConstantLR(minigrad.optim.SGD([w], lr=1.0), factor=0.25, total_iters=2).preview(4)
    [0.25, 0.25, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        self._require(0 <= factor <= 1, "factor from 0 to 1", factor)
        self._require(total_iters > 0, "total_iters >= 1", total_iters)
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = self._now()
        if self.last_epoch == 0:
            return [lr * self.factor for lr in now]
        if self.last_epoch != self.total_iters:
            return now
        return [lr / self.factor for lr in now] if self.factor else list(self.base_lrs)

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * (self.factor if self.last_epoch < self.total_iters else 1) for lr in self.base_lrs]


# --------------------------------------------------------------------------------------------------------------
# Curves


class LinearLR(LRScheduler):
    """Change a factor of the rate evenly from ``start_factor`` to ``end_factor`` over ``total_iters`` epochs.

    ::

        lr = lr0 (start_factor + (end_factor - start_factor) min(epoch / total_iters, 1))

    A warm-up: while the weights are random their gradients are large and turn quickly, and a rate that is right later
    would throw them far off. Put it before another schedule with :class:`SequentialLR`.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017, section 2.2.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> LinearLR(minigrad.optim.SGD([w], lr=1.0), start_factor=0.25, total_iters=3).preview(5)
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self._require(0 < start_factor <= 1, "start_factor above 0 and up to 1", start_factor)
        self._require(0 <= end_factor <= 1, "end_factor from 0 to 1", end_factor)
        self._require(total_iters > 0, "total_iters >= 1", total_iters)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = self._now()
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in now]
        if self._is_initial or self.last_epoch > self.total_iters:
            return now
        rise = self.end_factor - self.start_factor
        factor = 1 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * factor for lr in now]

    def _get_closed_form_lr(self) -> list[float]:
        part = min(self.last_epoch / self.total_iters, 1)
        factor = self.start_factor + (self.end_factor - self.start_factor) * part
        return [lr * factor for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiply the rate by ``gamma`` every epoch: lr = lr0 gamma^epoch.

    StepLR without its corners. It falls quickly: with 0.9, to a tenth in 22 epochs.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> ExponentialLR(minigrad.optim.SGD([w], lr=1.0), gamma=0.5).preview(4)
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = 1 if self._is_initial else self.gamma
        return [lr * factor for lr in self._now()]

    def _get_closed_form_lr(self) -> list[float]:
        return [lr * self.gamma**self.last_epoch for lr in self.base_lrs]


class PolynomialLR(LRScheduler):
    """Take the rate to 0 in ``total_iters`` epochs: lr = lr0 (1 - min(epoch / total_iters, 1))^power.

    Power 1 is a straight line, usual for transformers after a warm-up; 0.9 is usual in segmentation; larger powers
    spend more time at small rates.

    References
    ----------
    Chen et al., "DeepLab: semantic image segmentation with deep convolutional nets ...", 2018, section 4.1.2 ("poly").

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> PolynomialLR(minigrad.optim.SGD([w], lr=1.0), total_iters=4, power=2.0).preview(6)
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self._require(total_iters > 0, "total_iters >= 1", total_iters)
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = self._now()
        if self._is_initial or self.last_epoch > self.total_iters:
            return now
        here, before = (1 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return [lr * (here / before) ** self.power for lr in now]

    def _get_closed_form_lr(self) -> list[float]:
        left = 1 - min(self.last_epoch / self.total_iters, 1)
        return [lr * left**self.power for lr in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """Go down from the first rate to ``eta_min`` along half a cosine of ``T_max`` epochs, and then up again.

    ::

        lr = eta_min + (lr0 - eta_min) (1 + cos(pi epoch / T_max)) / 2

    The usual choice when the number of epochs is known (then it is ``T_max``): long at large rates, a quick change,
    long at small ones, and no other number to choose.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without the restarts.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> [round(lr, 3) for lr in CosineAnnealingLR(minigrad.optim.SGD([w], lr=1.0), T_max=4).preview(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.146]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self._require(T_max > 0, "T_max >= 1", T_max)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = self._now()
        if self._is_initial:
            return now
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The epoch before was at the bottom, where 1 + cos is 0 and no factor leads up again.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (first - self.eta_min) * rise for lr, first in zip(now, self.base_lrs)]
        before, here = (1 + math.cos(math.pi * epoch / self.T_max) for epoch in (self.last_epoch - 1, self.last_epoch))
        return [self.eta_min + (lr - self.eta_min) * here / before for lr in now]

    def _get_closed_form_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]

"""Schedules made of schedules: one after the other, and all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from minigrad.optim.lr_scheduler.base import LRScheduler
from minigrad.optim.lr_scheduler.plateau import ReduceLROnPlateau
from minigrad.optim.optimizer import Optimizer


class _Composed(LRScheduler):
    """Schedulers that act on one optimizer."""

    _schedulers: list[LRScheduler]

    def _compose(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        if not isinstance(schedulers, Sequence) or not schedulers:
            raise ValueError(f"{self._name}: expected a list of schedulers, at least one, got {schedulers!r}")
        for k, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{self._name}: schedulers[{k}] is a ReduceLROnPlateau, which needs a metric at each step; step "
                    "it by itself"
                )
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{self._name}: schedulers[{k}] is no scheduler but {type(scheduler).__name__}")
        self._attach(optimizer or schedulers[0].optimizer)
        for k, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not self.optimizer:
                raise ValueError(
                    f"{self._name}: schedulers[{k}], a {scheduler._name}, acts on another optimizer than "
                    + (f"schedulers[0], a {schedulers[0]._name}" if optimizer is None else "the one given")
                )
            scheduler._steps_before = None  # the order of steps is looked at here
        self._schedulers = list(schedulers)

    def _note_rates(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:  # type: ignore[override]
        """Go on to the next epoch."""
        self._check_order()
        self._advance()

    def _restart(self) -> None:
        """Begin at epoch 0 from the first rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._begin()

    def _rewind(self) -> None:
        for scheduler in self._schedulers:
            scheduler._rewind()

    def state_dict(self) -> dict[str, Any]:
        """Return what the scheduler knows, with the state_dict of each one inside."""
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        schedulers, saved = self._schedulers, state_dict.get("_schedulers", ())
        if len(saved) != len(schedulers):
            raise ValueError(
                f"{self._name}.load_state_dict: expected the states of {len(schedulers)} schedulers, got {len(saved)}"
            )
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for scheduler, state in zip(schedulers, saved, strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """Follow one schedule after the other: the k-th is replaced by the next at epoch ``milestones[k]``.

    Each counts its epochs from 0, and starts from the first rate of the optimizer, not from where the one before it
    ended. So a warm-up joins without a jump if it ends at a factor of 1.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    schedulers : list of LRScheduler
        Schedulers of this optimizer, which are left to this one from now on.
    milestones : list of int
        The epochs at which the next one takes over; one less than there are schedulers, and rising.
    last_epoch : int
        The epoch to go on from; -1 starts anew.

    Examples
    --------
    Warm-up and decay:

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> from minigrad.optim.lr_scheduler import ExponentialLR, LinearLR
    >>> optimizer = minigrad.optim.SGD([w], lr=1.0)
    >>> warmup, decay = LinearLR(optimizer, 0.25, total_iters=3), ExponentialLR(optimizer, gamma=0.5)
    >>> SequentialLR(optimizer, [warmup, decay], milestones=[3]).preview(7)
    [0.25, 0.5, 0.75, 1.0, 0.5, 0.25, 0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._compose(schedulers, optimizer)
        self._require(
            len(milestones) == len(schedulers) - 1,
            f"{len(schedulers) - 1} milestones between {len(schedulers)} schedulers",
            milestones,
        )
        self._require(list(milestones) == sorted(set(milestones)), "milestones that rise", milestones)
        self._require(
            last_epoch == -1, "last_epoch=-1; to go on with an earlier sequence, call load_state_dict", last_epoch
        )
        self._milestones = list(milestones)
        self._restart()

    def _begin(self) -> None:
        self.last_epoch = 0
        self._rewind()  # the constructors took their first steps, and only the first of them was to
        self._schedulers[0]._begin()
        self._note_rates()

    def _advance(self) -> None:
        self.last_epoch += 1
        k = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[k]
        if k == 0 or self._milestones[k - 1] < self.last_epoch:
            scheduler.step()
        elif isinstance(scheduler, _Composed):
            scheduler._restart()
        else:
            scheduler._jump(0)
        self._note_rates()


class ChainedScheduler(_Composed):
    """Step several schedulers at once: the factors by which each changes the rate multiply.

    The schedulers must be chainable, which those of :mod:`~minigrad.optim.lr_scheduler.decay` are, LambdaLR excepted.

    Parameters
    ----------
    schedulers : list of LRScheduler
        Schedulers of one optimizer, which are left to this one from now on.
    optimizer : Optimizer, optional
        That optimizer.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> from minigrad.optim.lr_scheduler import ConstantLR, ExponentialLR
    >>> optimizer = minigrad.optim.SGD([w], lr=1.0)
    >>> constant, decay = ConstantLR(optimizer, 0.125, total_iters=2), ExponentialLR(optimizer, gamma=0.5)
    >>> ChainedScheduler([constant, decay]).preview(5)
    [0.125, 0.0625, 0.25, 0.125, 0.0625]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._compose(schedulers, optimizer)
        self._note_rates()

    def _begin(self) -> None:
        self._rewind()
        for scheduler in self._schedulers:
            scheduler._begin()
        self._note_rates()

    def _advance(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._note_rates()

"""LRScheduler: what all schedules have in common."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from types import FunctionType, SimpleNamespace
from typing import Any

from minigrad.optim.optimizer import Optimizer

_NOT_SAVED = ("optimizer", "_steps_before", "_stepping")


class LRScheduler:
    """Base class of all schedulers.

    A new one needs only ``get_lr``, which returns the rate of each group at ``self.last_epoch``. It can use
    ``self.base_lrs``, the rates the groups began with, and ``group["lr"]``, what they are now::

        class Halving(LRScheduler):
            def get_lr(self):
                return [lr / (1 + self.last_epoch) for lr in self.base_lrs]

    Call ``step()`` after ``optimizer.step()``, once per epoch; once per batch, if the schedule counts batches.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set. Each group remembers its first rate as ``group["initial_lr"]``.
    last_epoch : int
        The epoch to go on from; -1 starts anew.

    Raises
    ------
    TypeError
        ``optimizer`` is none.
    KeyError
        ``last_epoch`` is given, and the optimizer was never scheduled, nor its state loaded.
    """

    _is_initial = False  # PyTorch's name for: the constructor is asking, most keep the rate that is there
    _stepping = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self._name}: last_epoch={last_epoch} goes on with an earlier schedule, but param_groups[{k}] "
                    "has no 'initial_lr' from it; load the optimizer's state_dict first, or leave last_epoch out"
                )
        self.base_lrs: list[float] = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._begin()

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self._steps_before: int | None = optimizer.step_count  # None once the order of steps has been looked at

    # ----------------------------------------------------------------------------------------------------------
    # What a schedule defines

    def get_lr(self) -> list[float]:
        """Return the rate of each group at ``self.last_epoch``. To look at the present rates, use get_last_lr."""
        raise NotImplementedError(f"{self._name}: define get_lr()")

    def _get_closed_form_lr(self) -> list[float]:
        """Return the rates at ``self.last_epoch`` from the first ones alone, for a jump to that epoch."""
        return self.get_lr()

    # ----------------------------------------------------------------------------------------------------------
    # Stepping

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch.

        With ``epoch``, jump to that one, as if nobody but this scheduler had ever changed the rates. PyTorch
        deprecates this, and so there is a warning.
        """
        self._check_order()
        if epoch is None:
            self._advance()
            return
        self._check_epoch(epoch)
        warnings.warn(
            f"{self._name}.step({epoch}) jumps to epoch {epoch}; to go on to the next one, call step(). If {epoch} is "
            "a metric: only ReduceLROnPlateau looks at one.",
            UserWarning,
            stacklevel=2,
        )
        self._jump(epoch)

    def _begin(self) -> None:
        """Take the first step, which sets the rates of the epoch to begin with."""
        self._is_initial = True
        try:
            self._advance()
        finally:
            self._is_initial = False

    def _rewind(self) -> None:
        self.last_epoch = -1

    def _advance(self) -> None:
        self._set_epoch(self.last_epoch + 1, self.get_lr)

    def _jump(self, epoch: Any) -> None:
        self._set_epoch(epoch, self._get_closed_form_lr)

    def _set_epoch(self, epoch: int, get_lr: Any) -> None:
        before, self.last_epoch = self.last_epoch, epoch
        self._stepping = True
        try:
            self._set_lr(get_lr())
        except BaseException:
            self.last_epoch = before
            raise
        finally:
            self._stepping = False

    def _set_lr(self, rates: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{self._name}: made for {len(rates)} parameter groups, and the optimizer has {len(groups)} now; add "
                "groups before making the scheduler"
            )
        for group, lr in zip(groups, rates, strict=True):
            group["lr"] = lr
        self._last_lr = list(rates)

    def _now(self) -> list[float]:
        """Return the rate of each group as it is, for ``get_lr`` to change."""
        if not self._stepping:
            warnings.warn(
                f"{self._name}.get_lr() computes the rates of the next step from the present ones; to look at the "
                "present ones, call get_last_lr()",
                UserWarning,
                stacklevel=3,
            )
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _check_order(self) -> None:
        """Warn if the very first rate is replaced before it was used."""
        before, self._steps_before = self._steps_before, None
        if before is None or self.optimizer.step_count != before:
            return
        if before == 0 and type(self.optimizer).step is not Optimizer.step:
            return  # a step() of its own, which may not count
        warnings.warn(
            f"{self._name}.step() was called before optimizer.step(), so the first rate of the schedule, "
            f"{self._last_lr[0]:g}, is never used. Call optimizer.step() for each batch, then {self._name}.step() at "
            "the end of the epoch.",
            UserWarning,
            stacklevel=3,
        )

    def _check_epoch(self, epoch: Any) -> None:
        if not isinstance(epoch, (int, float)):
            raise TypeError(
                f"{self._name}.step: expected an epoch, a number, or nothing, got {type(epoch).__name__}; if it is a "
                "metric: only ReduceLROnPlateau looks at one, the others are stepped by step()"
            )

    # ----------------------------------------------------------------------------------------------------------
    # Looking

    def get_last_lr(self) -> list[float]:
        """Return the rate of each group as this scheduler set it last."""
        return self._last_lr

    def preview(self, steps: int, group: int = 0) -> list[float]:
        """Return the rates of the next ``steps`` epochs, from the present one on; nothing is changed.

        >>> import minigrad
        >>> from minigrad.optim.lr_scheduler import StepLR
        >>> w = minigrad.zeros(1, requires_grad=True)
        >>> StepLR(minigrad.optim.SGD([w], lr=8.0), step_size=2, gamma=0.5).preview(6)
        [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
        """
        groups = [dict(g) for g in self.optimizer.param_groups]
        twin = self._twin(SimpleNamespace(param_groups=groups))
        rates: list[float] = []
        while len(rates) < steps:
            rates.append(groups[group]["lr"])
            if len(rates) < steps:
                twin.step()
        return rates

    def _twin(self, optimizer: Any) -> Any:
        """Return a copy of this scheduler, and of those inside it, that acts on ``optimizer``."""
        twin = object.__new__(type(self))
        for name, value in self.__dict__.items():
            copies = [_copied(x, optimizer) for x in (value if isinstance(value, list) else [value])]
            twin.__dict__[name] = copies if isinstance(value, list) else copies[0]
        twin.optimizer, twin._steps_before = optimizer, None
        return twin

    # ----------------------------------------------------------------------------------------------------------
    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return all that the scheduler knows, but not the optimizer, which has a state_dict of its own."""
        return {name: value for name, value in self.__dict__.items() if name not in _NOT_SAVED}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where :meth:`state_dict` was called. Load the optimizer's too: the rates are stored there."""
        public = {name for name in self.state_dict() if not name.startswith("_")}
        given = {name for name in state_dict if not name.startswith("_")}
        if public != given:
            raise ValueError(
                f"{self._name}.load_state_dict: expected {sorted(public)}, got {sorted(given)}; was it saved by "
                "another scheduler?"
            )
        self.__dict__.update(state_dict)

    # ----------------------------------------------------------------------------------------------------------
    # For messages and arguments

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _for_each_group(self, name: str, value: Any) -> list[Any]:
        """Return ``value`` as a list with an entry for each group of the optimizer."""
        groups = len(self.optimizer.param_groups)
        if not isinstance(value, (list, tuple)):
            return [value] * groups
        if len(value) != groups:
            raise ValueError(f"{self._name}: expected {name} to be one or a list of {groups}, got {len(value)}")
        return list(value)

    def _require(self, fine: bool, expected: str, got: Any) -> None:
        if not fine:
            raise ValueError(f"{self._name}: expected {expected}, got {got!r}")


def _copied(x: Any, optimizer: Any) -> Any:
    if isinstance(x, LRScheduler):
        return x._twin(optimizer)
    return x if isinstance(x, FunctionType) or not callable(x) else copy.copy(x)  # a callable may count its calls


def saved_callable(f: Any) -> dict[str, Any] | None:
    """Return what ``state_dict`` keeps of a callable: the attributes of an object, nothing of a function."""
    return None if isinstance(f, FunctionType) or not hasattr(f, "__dict__") else dict(vars(f))

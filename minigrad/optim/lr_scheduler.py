"""Learning rate schedules: objects that set ``group["lr"]`` of an optimizer's groups from epoch to epoch.

A schedule is its ``get_lr``: the rates for ``self.last_epoch``. Most are written as PyTorch writes them, as a change
to the rate that is there (*chainable*: two schedulers, or your own hand, can act on one optimizer).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType, SimpleNamespace
from typing import Any

from minigrad.optim.optimizer import Optimizer


class LRScheduler:
    """Base class of all schedulers.

    A new one needs only ``get_lr``, which returns the rate of each group at ``self.last_epoch``. It can use
    ``self.base_lrs``, the rates the groups began with, and ``group["lr"]``, what they are now.

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

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._attach(optimizer)
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{self._name}: last_epoch={last_epoch} goes on with an earlier schedule, but param_groups[{k}] "
                    "has no 'initial_lr' from it; load the optimizer's state_dict first, or leave last_epoch out"
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._is_initial = True  # PyTorch's name for: the constructor is asking, keep the rate that is there
        self._advance()
        self._is_initial = False

    def _attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{self._name}: expected an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self._steps_before: int | None = optimizer.step_count  # None once the order of steps has been looked at

    def get_lr(self) -> list[float]:
        """Return the rate of each group at ``self.last_epoch``. To look at the present rates, use get_last_lr."""
        raise NotImplementedError(f"{self._name}: define get_lr()")

    def step(self, metrics: Any = None) -> None:
        """Go on to the next epoch. ``metrics`` is for schedulers that watch one; the others do not look at it."""
        self._check_order()
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set_lr(self.get_lr())

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

    def get_last_lr(self) -> list[float]:
        """Return the rate of each group as this scheduler set it last."""
        return self._last_lr

    def preview(self, steps: int, group: int = 0) -> list[float]:
        """Return the rates of the next ``steps`` epochs, from the present one on; nothing is changed.

        >>> import minigrad
        >>> w = minigrad.zeros(1, requires_grad=True)
        >>> StepLR(minigrad.optim.SGD([w], lr=8.0), step_size=2, gamma=0.5).preview(6)
        [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
        """
        twin = self._twin(SimpleNamespace(param_groups=[dict(g) for g in self.optimizer.param_groups]))
        rates = []
        for _ in range(steps):
            rates.append(twin.optimizer.param_groups[group]["lr"])
            twin.step()
        return rates

    def _twin(self, optimizer: Any) -> Any:
        """Return a copy of this scheduler that acts on ``optimizer``."""
        twin = object.__new__(type(self))
        for name, value in self.__dict__.items():
            twin.__dict__[name] = list(value) if isinstance(value, list) else value
        twin.optimizer, twin._steps_before = optimizer, None
        return twin

    def state_dict(self) -> dict[str, Any]:
        """Return all that the scheduler knows, but not the optimizer, which has a state_dict of its own."""
        return {name: value for name, value in self.__dict__.items() if name not in ("optimizer", "_steps_before")}

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


class StepLR(LRScheduler):
    """Multiply the rate by ``gamma`` every ``step_size`` epochs: lr = lr0 gamma^floor(epoch / step_size).

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> StepLR(minigrad.optim.SGD([w], lr=1.0), step_size=3, gamma=0.5).preview(7)
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size <= 0:
            raise ValueError(f"StepLR: expected step_size >= 1, got {step_size}")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma if self.last_epoch > 0 and self.last_epoch % self.step_size == 0 else 1
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class ExponentialLR(LRScheduler):
    """Multiply the rate by ``gamma`` every epoch: lr = lr0 gamma^epoch.

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
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class LambdaLR(LRScheduler):
    """Set the rate to the first one times a function of the epoch: lr = lr0 lr_lambda(epoch).

    ``lr_lambda`` may be a list, with a function for each group. Functions are not saved by ``state_dict``; of objects
    with ``__call__`` the attributes are.

    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> LambdaLR(minigrad.optim.SGD([w], lr=0.5), lambda epoch: 1 / (1 + epoch)).preview(3)
    [0.5, 0.25, 0.16666666666666666]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self.lr_lambdas = self._for_each_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr * factor(self.last_epoch) for lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        saved = [None if isinstance(f, FunctionType) else dict(vars(f)) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        lambdas = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = lambdas
        for f, saved in zip(lambdas, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                vars(f).update(saved)


class CosineAnnealingLR(LRScheduler):
    """Go down from the first rate to ``eta_min`` along half a cosine of ``T_max`` epochs, and then up again.

    ::

        lr = eta_min + (lr0 - eta_min) (1 + cos(pi epoch / T_max)) / 2

    computed from the rate of the epoch before, so that it can act together with other schedulers.

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
        if T_max <= 0:
            raise ValueError(f"CosineAnnealingLR: expected T_max >= 1, got {T_max}")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = [group["lr"] for group in self.optimizer.param_groups]
        if self._is_initial:
            return now
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # The epoch before was at the bottom, where 1 + cos is 0 and no factor leads up again.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (first - self.eta_min) * rise for lr, first in zip(now, self.base_lrs)]
        before, here = (1 + math.cos(math.pi * epoch / self.T_max) for epoch in (self.last_epoch - 1, self.last_epoch))
        return [self.eta_min + (lr - self.eta_min) * here / before for lr in now]


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by ``factor`` when a metric has not improved for more than ``patience`` epochs.

    ::

        scheduler = ReduceLROnPlateau(optimizer, patience=3)
        for epoch in range(100):
            train(...)
            scheduler.step(validation_loss)

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    mode : {"min", "max"}
        Whether a smaller metric is better, as of a loss, or a larger one, as of an accuracy.
    factor : float
        What the rate is multiplied by; less than 1.
    patience : int
        How many epochs in a row without improvement are borne.
    threshold, threshold_mode : float, {"rel", "abs"}
        How much better counts: by this share of the best value, or by this much.
    cooldown : int
        For how many epochs after a reduction bad epochs are not counted.
    min_lr : float or list of float
        The rate, of each group, stays above.
    eps : float
        Smaller reductions are left out.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: expected factor < 1, got {factor}; a rate is multiplied by it")
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: expected mode 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"ReduceLROnPlateau: expected threshold_mode 'rel' or 'abs', got {threshold_mode!r}")
        self._attach(optimizer)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lrs = self._for_each_group("min_lr", min_lr)
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        self._last_lr = self.get_lr()

    @property
    def in_cooldown(self) -> bool:
        """Whether bad epochs are not counted at present."""
        return self.cooldown_counter > 0

    def get_lr(self) -> list[float]:
        """Return the rates as they are."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self, metrics: Any = None) -> None:
        """Take note of the metric of this epoch, and reduce the rates if it is time."""
        if metrics is None:
            raise TypeError(
                "ReduceLROnPlateau.step: give it the metric it watches, scheduler.step(metrics=validation_loss); the "
                "other schedulers need none"
            )
        current = float(metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self.get_lr()
        if self.num_bad_epochs > self.patience:
            reduced = [max(lr * self.factor, least) for lr, least in zip(rates, self.min_lrs)]
            rates = [new if lr - new > self.eps else lr for lr, new in zip(rates, reduced)]
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._set_lr(rates)

    def _is_better(self, current: float) -> bool:
        best, threshold = self.best, self.threshold
        if self.mode == "min":
            return current < (best * (1 - threshold) if self.threshold_mode == "rel" else best - threshold)
        return current > (best * (1 + threshold) if self.threshold_mode == "rel" else best + threshold)

    def preview(self, steps: int, group: int = 0) -> list[float]:
        """Refuse: the rates depend on metrics that nobody knows yet."""
        raise RuntimeError(
            "ReduceLROnPlateau.preview: its rates depend on the metrics to come, so there is nothing to preview"
        )

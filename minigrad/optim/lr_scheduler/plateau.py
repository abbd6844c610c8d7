"""ReduceLROnPlateau: a schedule that looks at how training goes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from minigrad.optim.lr_scheduler.base import LRScheduler
from minigrad.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Multiply the rate by ``factor`` when a metric has not improved for more than ``patience`` epochs.

    For when nobody knows how long training takes. The rate is looked after, not planned; the price is ``patience``
    epochs of standing still before each reduction::

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

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> scheduler = ReduceLROnPlateau(minigrad.optim.SGD([w], lr=1.0), factor=0.5, patience=1)
    >>> scheduler.preview(5, metrics=[0.9, 0.8, 0.8, 0.8])
    [1.0, 1.0, 1.0, 1.0, 0.5]
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
        self._require(factor < 1, "factor < 1", factor)
        self._require(mode in ("min", "max"), "mode 'min' or 'max'", mode)
        self._require(threshold_mode in ("rel", "abs"), "threshold_mode 'rel' or 'abs'", threshold_mode)
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
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def step(self, metrics: Any = None, epoch: int | None = None) -> None:  # type: ignore[override]
        """Take note of the metric of this epoch, and reduce the rates if it is time.

        ``epoch`` sets ``last_epoch``, which nothing depends on; PyTorch deprecates it, and so there is a warning.
        """
        if metrics is None:
            raise TypeError(
                "ReduceLROnPlateau.step: give it the metric it watches, scheduler.step(metrics=validation_loss); the "
                "other schedulers need none"
            )
        current = float(metrics)
        if epoch is not None:
            warnings.warn("ReduceLROnPlateau.step: epoch changes nothing; leave it out", UserWarning, stacklevel=2)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
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

    def preview(self, steps: int, group: int = 0, metrics: Sequence[float] | None = None) -> list[float]:
        """Return the rates of the next ``steps`` epochs, if the metrics of all but the last of them are these."""
        if metrics is None or len(metrics) < steps - 1:
            raise RuntimeError(
                "ReduceLROnPlateau.preview: its rates depend on the metrics to come; suppose some, "
                f"preview({steps}, metrics=[...]) with {steps - 1} or more"
            )
        twin = self._twin(SimpleNamespace(param_groups=[dict(g) for g in self.optimizer.param_groups]))
        rates = [self.get_lr()[group]]
        for value in metrics[: steps - 1]:
            twin.step(value)
            rates.append(twin.get_lr()[group])
        return rates

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = self.state_dict()
        pytorchs = ("mode_worse", "default_min_lr")  # told by mode and min_lrs here
        super().load_state_dict({name: x for name, x in state_dict.items() if name in own or name not in pytorchs})

"""Schedules that rise and fall; some move the momentum the other way. All set the rate whatever it was before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.optim.lr_scheduler.base import LRScheduler, saved_callable
from minigrad.optim.optimizer import Optimizer


class CosineAnnealingWarmRestarts(LRScheduler):
    """Go down along half a cosine, jump back to the first rate, and again, each time ``T_mult`` times as slowly.

    ::

        lr = eta_min + (lr0 - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    where T_cur counts the epochs since the last restart and T_i, the length of this fall, is T_0 T_mult^restarts.
    A restart throws the weights out of a narrow minimum; at the end of each fall there is a good network to keep.

    ``step()`` goes on by one epoch. ``step(epoch)`` goes to any, and takes fractions, for a smooth fall within an
    epoch::

        for i, batch in enumerate(loader):
            ...
            scheduler.step(epoch + i / len(loader))

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    T_0 : int
        Length of the first fall, in epochs.
    T_mult : int
        What each fall is longer than the one before.
    eta_min : float
        The rate at the bottom.
    last_epoch : int
        The epoch to go on from; -1 starts anew.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> scheduler = CosineAnnealingWarmRestarts(minigrad.optim.SGD([w], lr=1.0), T_0=2, T_mult=2)
    >>> [round(lr, 3) for lr in scheduler.preview(8)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0, 0.962]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self._require(isinstance(T_0, int) and T_0 > 0, "T_0 to be an integer >= 1", T_0)
        self._require(isinstance(T_mult, int) and T_mult >= 1, "T_mult to be an integer >= 1", T_mult)
        self._require(isinstance(eta_min, (int, float)), "eta_min to be a number", eta_min)
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = max(last_epoch, 0)
        self._wrap()
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (lr - self.eta_min) * height for lr in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch; with ``epoch``, which may be a fraction, to that one."""
        if epoch is None:
            self._check_order()
            self._advance()
            return
        self._check_epoch(epoch)
        self._require(epoch >= 0, "an epoch from 0 on", epoch)
        self._jump(epoch)

    def _advance(self) -> None:
        self.T_cur = self.T_cur + 1 if self.last_epoch >= 0 else 0
        self._wrap()
        super()._advance()

    def _jump(self, epoch: float) -> None:
        self.T_cur, self.T_i = epoch, self.T_0
        self._wrap()
        super()._jump(math.floor(epoch))

    def _wrap(self) -> None:
        if self.T_mult == 1:
            self.T_cur %= self.T_i
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult


class _WithMomentum(LRScheduler):
    """Cycles that may move ``group["momentum"]``, or the first of ``group["betas"]``, against the rate."""

    cycle_momentum: bool
    use_beta1: bool

    def _use_momentum(self, cycle_momentum: bool) -> None:
        self.cycle_momentum = cycle_momentum
        if not cycle_momentum:
            return
        options = self.optimizer.defaults
        if "momentum" not in options and "betas" not in options:
            raise ValueError(
                f"{self._name}: {type(self.optimizer).__name__} has neither momentum nor betas to move against the "
                "rate; set cycle_momentum=False"
            )
        self.use_beta1 = "betas" in options

    def _set_momentum(self, group: dict[str, Any], momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def _momentums(self) -> list[float]:
        """Return the momentum of each group at ``self.last_epoch``."""
        raise NotImplementedError

    def _set_lr(self, rates: Sequence[float]) -> None:
        super()._set_lr(rates)
        if self.cycle_momentum:
            for group, momentum in zip(self.optimizer.param_groups, self._momentums()):
                self._set_momentum(group, momentum)


class CyclicLR(_WithMomentum):
    """Go up from ``base_lr`` to ``max_lr`` and down again, in straight lines, over and over; for steps per batch.

    ::

        lr       = base_lr + (max_lr - base_lr) height scale
        momentum = max_momentum - (max_momentum - base_momentum) height scale

    ``height`` goes from 0 to 1 in ``step_size_up`` steps and back in ``step_size_down``. ``scale`` is 1
    ("triangular"), halved in each cycle ("triangular2"), gamma^step ("exp_range"), or a function of your own.

    Rates between two bounds spare the search for the one right rate: the phases at large rates explore, those at
    small ones settle. Smith takes the bounds from one run in which the rate rises from tiny to far too large: the
    loss begins to fall at ``base_lr``, and to rise at ``max_lr``.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    base_lr, max_lr : float or list of float
        The bounds; as a list, those of each group.
    step_size_up : int
        Steps from base to max. Smith recommends 2 to 8 epochs' worth of batches.
    step_size_down : int, optional
        Steps back; None for as many.
    mode : {"triangular", "triangular2", "exp_range"}
        How the cycles shrink.
    gamma : float
        For "exp_range".
    scale_fn : callable, optional
        A scale of your own, of the number of the cycle (1, 2, ...) or of the step; ``mode`` is not looked at then.
    scale_mode : {"cycle", "iterations"}
        What ``scale_fn`` is a function of.
    cycle_momentum : bool
        Whether to move the momentum (for Adam, the first beta) as well.
    base_momentum, max_momentum : float or list of float
        Its bounds.
    last_epoch : int
        The step to go on from; -1 starts anew.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> scheduler = CyclicLR(minigrad.optim.SGD([w]), 1.0, 5.0, step_size_up=2, mode="triangular2")
    >>> scheduler.preview(9)
    [1.0, 3.0, 5.0, 3.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        modes = ("triangular", "triangular2", "exp_range")
        self._require(scale_fn is not None or mode in modes, f"mode to be one of {modes}", mode)
        self._require(scale_mode in ("cycle", "iterations"), "scale_mode 'cycle' or 'iterations'", scale_mode)
        self._require(step_size_up > 0, "step_size_up >= 1", step_size_up)
        down = step_size_up if step_size_down is None else step_size_down
        self._require(down >= 0, "step_size_down >= 0", down)
        base_lrs = [float(lr) for lr in self._for_each_group("base_lr", base_lr)]
        self.max_lrs = [float(lr) for lr in self._for_each_group("max_lr", max_lr)]
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self._scale_fn_custom: Callable[[float], float] | None = scale_fn
        self._use_momentum(cycle_momentum)
        if cycle_momentum:
            self.base_momentums = self._for_each_group("base_momentum", base_momentum)
            self.max_momentums = self._for_each_group("max_momentum", max_momentum)
        if last_epoch == -1:
            for k, group in enumerate(optimizer.param_groups):
                group["lr"] = base_lrs[k]
                if cycle_momentum:  # as PyTorch notes them; nothing here reads them
                    group["base_momentum"], group["max_momentum"] = self.base_momentums[k], self.max_momentums[k]
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs  # not the first rates, if another scheduler was there before
        self._set_epoch(self.last_epoch, self.get_lr)

    def scale_fn(self, x: float) -> float:
        """Return the height of cycle ``x``, or at step ``x``, as ``scale_mode`` says."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return float(2.0 ** (1 - x))
        return float(self.gamma**x) if self.mode == "exp_range" else 1.0

    def _height(self) -> float:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        return height * self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)

    def get_lr(self) -> list[float]:
        height = self._height()
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def _momentums(self) -> list[float]:
        height = self._height()
        return [high - (high - low) * height for low, high in zip(self.base_momentums, self.max_momentums)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": saved_callable(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        scale_fn = self._scale_fn_custom
        super().load_state_dict(state_dict)
        self._scale_fn_custom = scale_fn
        if (saved := state_dict.get("_scale_fn_custom")) is not None:
            vars(scale_fn).update(saved)


class OneCycleLR(_WithMomentum):
    """Rise to ``max_lr``, and fall to almost nothing: one cycle for the whole training; for steps per batch.

    ::

                     lr                          momentum                       last step
        rise         max_lr / div_factor         max_momentum                   pct_start total_steps - 1
        fall         max_lr                      base_momentum                  total_steps - 1
        end          max_lr / div_factor / final_div_factor    max_momentum

    With ``three_phase`` the fall is a mirror image of the rise, and a third phase goes from there to the end.

    With a peak rate several times larger than a constant rate could be, training takes a fraction of the steps
    ("super-convergence"): the large rates of the middle keep out of narrow minima, and momentum gives way while they
    last.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    max_lr : float or list of float
        The rate at the peak; as a list, of each group.
    total_steps : int, optional
        How often ``step()`` will be called; or give ``epochs`` and ``steps_per_epoch`` (``len(loader)``).
    epochs, steps_per_epoch : int, optional
        Their product is ``total_steps``.
    pct_start : float
        The share of the steps that the rise takes, from 0 to 1.
    anneal_strategy : {"cos", "linear"}
        The shape of rise and fall.
    cycle_momentum : bool
        Whether to move the momentum (for Adam, the first beta) as well.
    base_momentum, max_momentum : float or list of float
        Its bounds.
    div_factor, final_div_factor : float
        The first rate is ``max_lr / div_factor``, and the last that divided by ``final_div_factor``.
    three_phase : bool
        See above.
    last_epoch : int
        The step to go on from; -1 starts anew.

    Raises
    ------
    ValueError
        Also by ``step()``, when it goes beyond ``total_steps``.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    Their curve is that of ``three_phase=True, anneal_strategy="linear"``.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> scheduler = OneCycleLR(minigrad.optim.SGD([w]), max_lr=1.0, total_steps=9, pct_start=1 / 3)
    >>> [round(lr, 3) for lr in scheduler.preview(9)]
    [0.04, 0.52, 1.0, 0.933, 0.75, 0.5, 0.25, 0.067, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch, such as len(loader)")
            for name, n in (("epochs", epochs), ("steps_per_epoch", steps_per_epoch)):
                self._require(isinstance(n, int) and n > 0, f"{name} to be an integer >= 1", n)
            total_steps = epochs * steps_per_epoch
        self._require(isinstance(total_steps, int) and total_steps > 0, "total_steps an integer >= 1", total_steps)
        self._require(0 <= pct_start <= 1, "pct_start from 0 to 1", pct_start)
        self._require(anneal_strategy in ("cos", "linear"), "anneal_strategy 'cos' or 'linear'", anneal_strategy)
        self.total_steps = total_steps
        self._anneal_func_type = anneal_strategy
        middle, last = pct_start * total_steps - 1, total_steps - 1
        if three_phase:
            self._schedule_phases = [
                _phase(middle, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                _phase(2 * middle, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
                _phase(last, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
            ]
        else:
            self._schedule_phases = [
                _phase(middle, "initial_lr", "max_lr", "max_momentum", "base_momentum"),
                _phase(last, "max_lr", "min_lr", "base_momentum", "max_momentum"),
            ]
        self._use_momentum(cycle_momentum)
        peaks = self._for_each_group("max_lr", max_lr)
        lows = self._for_each_group("base_momentum", base_momentum)
        highs = self._for_each_group("max_momentum", max_momentum)
        for k, (group, peak, low, high) in enumerate(zip(optimizer.param_groups, peaks, lows, highs, strict=True)):
            if last_epoch == -1:
                group["max_lr"] = float(peak)
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if cycle_momentum:
                    group["base_momentum"], group["max_momentum"] = low, high
            elif "min_lr" not in group:
                raise KeyError(
                    f"OneCycleLR: last_epoch={last_epoch} goes on with an earlier cycle, but param_groups[{k}] has no "
                    "'min_lr' from it; load the optimizer's state_dict first, or leave last_epoch out"
                )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step {self.last_epoch} of a cycle of total_steps={self.total_steps}: its rates end "
                "here. total_steps is the number of batches in all epochs, epochs * len(loader)"
            )
        return self._between("lr")

    def _momentums(self) -> list[float]:
        return self._between("momentum")

    def _between(self, what: str) -> list[float]:
        """Return each group's "lr" or "momentum" at ``self.last_epoch``."""
        phases, start = self._schedule_phases, 0
        for phase in phases:
            if self.last_epoch <= phase["end_step"] or phase is phases[-1]:
                break
            start = phase["end_step"]
        length = phase["end_step"] - start
        part = (self.last_epoch - start) / length if length else 1.0
        first, last = phase[f"start_{what}"], phase[f"end_{what}"]
        return [self._anneal(group[first], group[last], part) for group in self.optimizer.param_groups]

    def _anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * part))
        return start + (end - start) * part


def _phase(end_step: float, start_lr: str, end_lr: str, start_momentum: str, end_momentum: str) -> dict[str, Any]:
    """Return one phase of a cycle: its last step, and the names in a group of the values it goes between."""
    return {
        "end_step": end_step,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "start_momentum": start_momentum,
        "end_momentum": end_momentum,
    }

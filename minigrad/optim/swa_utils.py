"""Averaging weights over training: :class:`AveragedModel`, its averages, a schedule for it, and batch norm after it.

The weights of an SGD run circle around a minimum; their mean lies nearer to it than any of them.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad.autograd.grad_mode import no_grad
from minigrad.backend import DeviceLike
from minigrad.creation import zeros
from minigrad.nn.module import Module
from minigrad.nn.normalization import _BatchNorm
from minigrad.ops.promotion import INT64
from minigrad.optim.lr_scheduler import LRScheduler
from minigrad.optim.optimizer import Optimizer
from minigrad.tensor import Tensor

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Average = Callable[[Tensor, Tensor, Tensor], Tensor]
MultiAverage = Callable[[Sequence[Tensor], Sequence[Tensor], Tensor], None]

# --------------------------------------------------------------------------------------------------------------
# Averages


def get_swa_avg_fn() -> Average:
    """Return the function of the equal average: ``(averaged, current, n) -> averaged + (current - averaged)/(n + 1)``.

    After n + 1 models it is their mean, without any of them being kept.
    """

    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return the function of the exponential moving average: ``(ema, current, n) -> decay ema + (1 - decay) current``.

    It forgets: a model k updates ago has the weight (1 - decay) decay^k, which is about the mean of the last
    1 / (1 - decay).
    """
    _check_decay("get_ema_avg_fn", decay)

    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Tensor) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_multi_avg_fn() -> MultiAverage:
    """Return the equal average as a function of two lists of tensors, the first of which it updates in place."""
    return _for_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverage:
    """Return the exponential moving average as a function of two lists, the first of which it updates in place."""
    _check_decay("get_ema_multi_avg_fn", decay)
    return _for_lists(get_ema_avg_fn(decay))


def _for_lists(average: Average) -> MultiAverage:
    def update(averaged_params: Sequence[Tensor], current_params: Sequence[Tensor], num_averaged: Tensor) -> None:
        with no_grad():
            for averaged, current in zip(averaged_params, current_params, strict=True):
                averaged.copy_(average(averaged, current, num_averaged))

    return update


def _check_decay(name: str, decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"{name}: expected decay from 0 to 1, got {decay}")


# --------------------------------------------------------------------------------------------------------------
# The averaged model


class AveragedModel(Module):
    """A copy of a model that holds the average of its weights over time.

    ::

        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        for x, y in loader:
            ...
            optimizer.step()
            average.update_parameters(model)
        update_bn(loader, average)  # if there is batch norm
        average(x)

    The first update copies the weights; each later one takes the new ones into the average. For an equal average
    (stochastic weight averaging) update once per epoch, late in training and at a large rate: see :class:`SWALR`. For
    an exponential moving average update at every step.

    Parameters
    ----------
    model : Module
        Is copied.
    device : device, optional
        Where the average is kept.
    avg_fn : callable, optional
        ``(averaged, current, n_averaged) -> new``, for each parameter. Equal averaging if there is neither.
    multi_avg_fn : callable, optional
        ``(list of averaged, list of current, n_averaged)``, which updates the first list in place.
    use_buffers : bool
        Average the buffers (running statistics) as well. Otherwise they are copies of the model's latest ones, which
        belong to other weights: see :func:`update_bn`. Of integers the average is cut to an integer.

    Attributes
    ----------
    module : Module
        The averaged copy.
    n_averaged : Tensor
        How many models were averaged, a buffer.

    References
    ----------
    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging weights leads to wider optima and better
    generalization", UAI 2018. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.

    Examples
    --------
    >>> from minigrad import nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = AveragedModel(model)
    >>> for weight in (1.0, 2.0, 6.0):
    ...     _ = nn.init.constant_(model.weight, weight)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    3.0
    >>> list(average.state_dict())
    ['n_averaged', 'module.weight']
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: DeviceLike = None,
        avg_fn: Average | None = None,
        multi_avg_fn: MultiAverage | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise TypeError(f"AveragedModel: expected a Module, got {type(model).__name__}")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("AveragedModel: give avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", zeros((), dtype=INT64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers
        self._known: tuple[Tensor, int] | None = None  # the counter, and how often it was written to, when last seen

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the averaged model does."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of ``model``, and with ``use_buffers`` its buffers, into the average."""
        averaged, current = _tensors(self.module, self.use_buffers), _tensors(model, self.use_buffers)
        shapes = [[tuple(t.shape) for t in tensors] for tensors in (averaged, current)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                "AveragedModel.update_parameters: expected the model that was averaged so far, got one whose "
                f"parameters have other shapes, {type(model).__name__}"
            )
        current = [new.to(old.device) for old, new in zip(averaged, current)]
        with no_grad():
            if self._is_empty():
                for old, new in zip(averaged, current):
                    old.copy_(new)
            elif self.avg_fn is not None:
                for old, new in zip(averaged, current):
                    old.copy_(self.avg_fn(old, new, self.n_averaged.to(old.device)))
            else:
                average = self.multi_avg_fn or get_swa_multi_avg_fn()
                average(averaged, current, self.n_averaged)
            if not self.use_buffers:
                for old, new in zip(self.module.buffers(), model.buffers(), strict=True):
                    old.copy_(new.detach().to(old.device))
            self.n_averaged.add_(1)
        self._known = (self.n_averaged, self.n_averaged.writes().count)

    def _is_empty(self) -> bool:
        """Whether nothing was averaged. Asks the counter, which is perhaps on a GPU, only if others wrote to it."""
        known, count = self._known or (None, 0)
        if known is self.n_averaged and count == known.writes().count:
            return False
        return int(self.n_averaged.item()) == 0


def _tensors(model: Module, use_buffers: bool) -> list[Tensor]:
    return [t.detach() for t in itertools.chain(model.parameters(), model.buffers() if use_buffers else ())]


def update_bn(loader: Iterable[Any], model: Module, device: DeviceLike = None) -> None:
    """Compute the running statistics of all batch norms in ``model`` anew, from one pass over ``loader``.

    Averaged weights have activations that no model in training had, so its statistics do not fit them. All batches
    count alike, whatever the momentum is. Models without batch norm are left alone.

    Parameters
    ----------
    loader : iterable
        Gives batches: an input, or a list or tuple whose first element is one.
    model : Module
        Is called with each input. Modes and momentums are afterwards as before.
    device : device, optional
        Where to move each input.

    Raises
    ------
    ValueError
        If the loader gives nothing.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> norm = nn.BatchNorm1d(1)
    >>> update_bn([minigrad.tensor([[1.0], [2.0]]), minigrad.tensor([[4.0], [5.0]])], norm)
    >>> norm.running_mean, norm.running_var
    (tensor([3.]), tensor([0.5000]))
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    momentums, modes = [norm.momentum for norm in norms], [(module, module.training) for module in model.modules()]
    batches = 0
    try:
        model.train()
        with no_grad():
            for batch in loader:
                x = batch[0] if isinstance(batch, (list, tuple)) else batch
                if not batches:
                    for norm in norms:
                        norm.reset_running_stats()
                        norm.momentum = None  # the mean over all batches
                model(x if device is None else x.to(device))
                batches += 1
    finally:
        for norm, momentum in zip(norms, momentums):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
    if not batches:
        raise ValueError("update_bn: the loader gave no batch, and the statistics are as before; was it used up?")


# --------------------------------------------------------------------------------------------------------------
# The schedule


class SWALR(LRScheduler):
    """Take the rate from what it is to ``swa_lr`` in ``anneal_epochs`` epochs, and keep it there.

    ::

        lr = swa_lr + (lr_then - swa_lr) (1 - a(epoch / anneal_epochs)),    a(t) = (1 - cos(pi t)) / 2  or  t

    Averaging wants models that differ, so the rate stays large where another schedule would let it vanish. Let that
    one run first, and then step this one: it starts from the rate that it finds.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    swa_lr : float or list of float
        The rate, of each group, to end at.
    anneal_epochs : int
        How long the change takes; 0 changes the rate at once.
    anneal_strategy : {"cos", "linear"}
        Its shape.
    last_epoch : int
        The epoch to go on from; -1 starts anew.

    References
    ----------
    Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018, section 3.1.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.zeros(1, requires_grad=True)
    >>> scheduler = SWALR(minigrad.optim.SGD([w], lr=0.5), swa_lr=0.25, anneal_epochs=2, anneal_strategy="linear")
    >>> scheduler.preview(4)
    [0.5, 0.375, 0.25, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        self._attach(optimizer)
        self._require(anneal_strategy in ("cos", "linear"), "anneal_strategy 'cos' or 'linear'", anneal_strategy)
        fine = isinstance(anneal_epochs, int) and anneal_epochs >= 0
        self._require(fine, "anneal_epochs to be an integer >= 0", anneal_epochs)
        for group, lr in zip(optimizer.param_groups, self._for_each_group("swa_lr", swa_lr), strict=True):
            group["swa_lr"] = float(lr)
        self.anneal_epochs = anneal_epochs
        self._anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        now = self._now()
        if self._is_initial and self.last_epoch > 0:
            return now
        before, here = self._left(self.last_epoch - 1), self._left(self.last_epoch)
        shrink = here / before if before else 0.0
        return [g["swa_lr"] + (lr - g["swa_lr"]) * shrink for g, lr in zip(self.optimizer.param_groups, now)]

    def _left(self, epoch: int) -> float:
        """Return the share of the way that is left, from 1 at epoch 0 to 0."""
        if self.anneal_epochs == 0:
            return 0.0
        t = min(max(epoch / self.anneal_epochs, 0.0), 1.0)
        return 1 - t if self._anneal_strategy == "linear" else (1 + math.cos(math.pi * t)) / 2

    def _jump(self, epoch: Any) -> None:
        if epoch != 0:
            raise ValueError(f"SWALR.step({epoch}): it goes on from the rates it finds, so it cannot jump; call step()")
        super()._jump(epoch)

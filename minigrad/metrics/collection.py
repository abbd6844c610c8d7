"""Several metrics at once, and one metric over several epochs."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self

from minigrad.backend import DeviceLike
from minigrad.metrics.metric import Metric
from minigrad.ops.shape import stack
from minigrad.tensor import Tensor

__all__ = ["MetricCollection", "MetricTracker"]


class MetricCollection:
    """Several metrics that see the same batches; values come in a dict by name.

    Parameters
    ----------
    metrics : Metric, sequence of Metric, or dict of Metric
        In a sequence each goes by the name of its class.
    *additional_metrics : Metric
        More of them.
    prefix, postfix : str, optional
        Put before and behind each name in the results.
    compute_groups : bool
        Accepted for torchmetrics' sake. Each metric here keeps its own counts.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad.metrics import Accuracy, Recall
    >>> settings = {"task": "multiclass", "num_classes": 3, "average": "macro"}
    >>> metrics = MetricCollection([Accuracy(**settings), Recall(**settings)], prefix="val/")
    >>> metrics.update(minigrad.tensor([2, 1, 2, 0]), minigrad.tensor([0, 1, 2, 0]))
    >>> metrics.compute()
    {'val/Accuracy': tensor(0.8333), 'val/Recall': tensor(0.8333)}
    """

    def __init__(
        self,
        metrics: Metric | Sequence[Metric] | Mapping[str, Metric],
        *additional_metrics: Metric,
        prefix: str | None = None,
        postfix: str | None = None,
        compute_groups: bool = True,
    ) -> None:
        self._metrics: dict[str, Metric] = {}
        self.prefix = self._affix("prefix", prefix)
        self.postfix = self._affix("postfix", postfix)
        self.add_metrics(metrics, *additional_metrics)

    def _affix(self, name: str, value: str | None) -> str | None:
        if value is not None and not isinstance(value, str):
            raise ValueError(f"MetricCollection: expected {name} to be a string, got {value!r}")
        return value

    def add_metrics(self, metrics: Metric | Sequence[Metric] | Mapping[str, Metric], *additional: Metric) -> None:
        """Add metrics, as the constructor takes them."""
        named: Iterable[tuple[str, Any]]
        if isinstance(metrics, Mapping):
            if additional:
                raise ValueError("MetricCollection: put the additional metrics in the dict, with their names")
            named = metrics.items()
        else:
            listed = [metrics] if isinstance(metrics, Metric) else list(metrics)
            named = [(type(metric).__name__, metric) for metric in (*listed, *additional)]
        new: dict[str, Metric] = {}
        for name, metric in named:
            if not isinstance(metric, Metric):
                raise ValueError(f"MetricCollection: expected {name!r} to be a Metric, got {type(metric).__name__}")
            if name in new or name in self._metrics:
                raise ValueError(f"MetricCollection: there are two metrics named {name!r}; give a dict with names")
            new[name] = metric
        self._metrics.update(new)

    # ----------------------------------------------------------------------------------------------------------
    # Being one metric

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch to each metric; keyword arguments go to those that take them."""
        for metric in self._metrics.values():
            metric.update(*args, **_taken(metric, kwargs))

    def compute(self) -> dict[str, Any]:
        """Return the value of each metric for everything since the last reset."""
        return {self._full(name): metric.compute() for name, metric in self._metrics.items()}

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add a batch to each metric, and return the values for this batch alone; so does a call."""
        return {self._full(name): m(*args, **_taken(m, kwargs)) for name, m in self._metrics.items()}

    __call__ = forward

    def reset(self) -> None:
        """Forget all batches."""
        for metric in self._metrics.values():
            metric.reset()

    def to(self, device: DeviceLike) -> Self:
        """Move the states."""
        for metric in self._metrics.values():
            metric.to(device)
        return self

    def clone(self, prefix: str | None = None, postfix: str | None = None) -> Self:
        """Return a copy, perhaps with another prefix or postfix: one for training, one for validation."""
        twin = copy.deepcopy(self)
        twin.prefix = self._affix("prefix", prefix) or twin.prefix
        twin.postfix = self._affix("postfix", postfix) or twin.postfix
        return twin

    def persistent(self, mode: bool = True) -> None:
        """Set whether :meth:`state_dict` contains the states."""
        for metric in self._metrics.values():
            metric.persistent(mode)

    def state_dict(self) -> dict[str, Any]:
        """Return the persistent states, as ``name.state``."""
        saved: dict[str, Any] = {}
        for name, metric in self._metrics.items():
            metric.state_dict(saved, prefix=f"{name}.")
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what :meth:`state_dict` returned."""
        for name, metric in self._metrics.items():
            start = f"{name}."
            own = {key.removeprefix(start): x for key, x in state_dict.items() if key.startswith(start)}
            metric.load_state_dict(own, strict)

    def plot(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a value is drawn like any other number."""
        raise NotImplementedError("MetricCollection.plot: hand the values of compute() to matplotlib")

    # ----------------------------------------------------------------------------------------------------------
    # Being a dict

    def _full(self, name: str) -> str:
        return f"{self.prefix or ''}{name}{self.postfix or ''}"

    def keys(self, keep_base: bool = False) -> list[str]:
        """Return the names, as in results or, with ``keep_base``, without prefix and postfix."""
        return [name if keep_base else self._full(name) for name in self._metrics]

    def values(self) -> list[Metric]:
        """Return the metrics."""
        return list(self._metrics.values())

    def items(self, keep_base: bool = False) -> list[tuple[str, Metric]]:
        """Return names and metrics."""
        return list(zip(self.keys(keep_base), self._metrics.values(), strict=True))

    def __getitem__(self, name: str) -> Metric:
        for full, metric in (*self.items(keep_base=True), *self.items()):
            if name == full:
                return metric
        raise KeyError(f"MetricCollection: there is no metric {name!r}, only {list(self._metrics)}")

    def __contains__(self, name: object) -> bool:
        return name in self._metrics or name in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._metrics)

    def __repr__(self) -> str:
        lines = [f"  ({name}): {metric!r}" for name, metric in self._metrics.items()]
        lines += [f"  {name}={x}" for name, x in (("prefix", self.prefix), ("postfix", self.postfix)) if x]
        return "\n".join(["MetricCollection(", *lines, ")"])


def _taken(metric: Metric, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return those keyword arguments that the metric's update takes."""
    if not kwargs:
        return kwargs
    parameters = inspect.signature(metric.update).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return kwargs
    return {name: x for name, x in kwargs.items() if name in parameters}


class MetricTracker:
    """One metric, or a collection, over several epochs: a fresh copy for each, and which one was best.

    Call ``increment()`` at the start of each epoch.

    Parameters
    ----------
    metric : Metric or MetricCollection
        What to follow.
    maximize : bool or list of bool, optional
        Whether larger is better, of each metric. None asks ``metric.higher_is_better``.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad.metrics import MeanSquaredError
    >>> tracker = MetricTracker(MeanSquaredError(), maximize=False)
    >>> for prediction in (3.0, 1.0, 2.0):
    ...     tracker.increment()
    ...     tracker.update(minigrad.tensor([prediction]), minigrad.tensor([0.0]))
    >>> tracker.compute_all()
    tensor([9., 1., 4.])
    >>> tracker.best_metric(return_step=True)
    (1.0, 1)
    """

    def __init__(self, metric: Metric | MetricCollection, maximize: bool | Sequence[bool] | None = None) -> None:
        if not isinstance(metric, (Metric, MetricCollection)):
            raise TypeError(f"MetricTracker: expected a Metric or a MetricCollection, got {type(metric).__name__}")
        inside = metric.values() if isinstance(metric, MetricCollection) else [metric]
        if maximize is None:
            unknown = [type(one).__name__ for one in inside if one.higher_is_better is None]
            if unknown:
                raise ValueError(f"MetricTracker: say by maximize whether a larger {unknown[0]} is better")
            better = [bool(one.higher_is_better) for one in inside]
        else:
            better = [maximize] * len(inside) if isinstance(maximize, bool) else list(maximize)
            if len(better) != len(inside):
                raise ValueError(f"MetricTracker: expected maximize of {len(inside)} metrics, got {len(better)}")
        self.maximize = better
        self._base = metric
        self._epochs: list[Any] = []

    @property
    def n_steps(self) -> int:
        """How many epochs there are."""
        return len(self._epochs)

    def increment(self) -> None:
        """Begin an epoch."""
        fresh = self._base.clone()
        fresh.reset()
        self._epochs.append(fresh)

    def _present(self, caller: str) -> Any:
        if not self._epochs:
            raise ValueError(f"MetricTracker.{caller}: call increment() first, at the start of each epoch")
        return self._epochs[-1]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch to the metric of this epoch."""
        self._present("update").update(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch to the metric of this epoch, and return the value for the batch alone; so does a call."""
        return self._present("forward")(*args, **kwargs)

    __call__ = forward

    def compute(self) -> Any:
        """Return the value of this epoch."""
        return self._present("compute").compute()

    def compute_all(self) -> Any:
        """Return the values of all epochs, stacked; of a collection a dict of them."""
        self._present("compute_all")
        values = [metric.compute() for metric in self._epochs]
        if isinstance(self._base, MetricCollection):
            return {name: stack([value[name] for value in values]) for name in values[0]}
        return stack(values)

    def best_metric(self, return_step: bool = False) -> Any:
        """Return the best value of all epochs, with ``return_step`` the epoch too; of a collection dicts of them."""
        values = self.compute_all()
        if not isinstance(values, dict):
            best = _best("the metric", values, self.maximize[0])
            return best if return_step else best[0]
        found = {name: _best(name, x, up) for (name, x), up in zip(values.items(), self.maximize, strict=True)}
        best_values, steps = ({name: one[k] for name, one in found.items()} for k in (0, 1))
        return (best_values, steps) if return_step else best_values

    def reset(self) -> None:
        """Forget the batches of this epoch."""
        self._present("reset").reset()

    def reset_all(self) -> None:
        """Forget the batches of all epochs."""
        for metric in self._epochs:
            metric.reset()


def _best(name: str, values: Tensor, maximize: bool) -> tuple[float, int]:
    if values.ndim != 1:
        raise ValueError(f"MetricTracker.best_metric: {name} has several values an epoch, of which none is the best")
    step = int((values.argmax() if maximize else values.argmin()).item())
    return float(values[step].item()), step

"""Metric: what all metrics have in common."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Self

from minigrad.autograd.grad_mode import no_grad
from minigrad.backend import CPU, Device, DeviceLike
from minigrad.ops.elementwise import maximum, minimum
from minigrad.ops.shape import cat
from minigrad.tensor import Tensor

State = Tensor | list[Tensor]

# How the states of two sets of samples become the state of both.
MERGES: dict[str | None, Callable[[Any, Any], Any]] = {
    "sum": lambda a, b: a + b,
    "max": maximum,
    "min": minimum,
    "cat": lambda a, b: a + b if isinstance(a, list) else cat([a, b]),
}


class Metric:
    """Base class: a metric is some state, how a batch changes it, and how it becomes a value.

    A subclass names its state with :meth:`add_state` in ``__init__`` and defines ``update(...)``, which changes it,
    and ``compute()``, which returns the value. Around these it gets: no recording of history, a value that is computed
    once and kept until the next update, state that moves to the device of the first batch, and a warning when it
    computes from nothing.

    Examples
    --------
    >>> import minigrad
    >>> class Largest(Metric):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.add_state("largest", default=minigrad.tensor(float("-inf")), dist_reduce_fx="max")
    ...
    ...     def update(self, x):
    ...         self.largest = minigrad.maximum(self.largest, x.max())
    ...
    ...     def compute(self):
    ...         return self.largest
    >>> metric = Largest()
    >>> metric(minigrad.tensor([3.0, 1.0])), metric(minigrad.tensor([2.0]))
    (tensor(3.), tensor(2.))
    >>> metric.compute()
    tensor(3.)
    """

    higher_is_better: bool | None = None

    def __init__(self) -> None:
        self._defaults: dict[str, State] = {}
        self._merges: dict[str, str | None] = {}
        self._persistent: dict[str, bool] = {}
        self._device = CPU
        self._count = 0
        self._computed: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, around in (("update", _around_update), ("compute", _around_compute)):
            if name in cls.__dict__:
                setattr(cls, name, around(cls.__dict__[name]))

    def add_state(self, name: str, default: State, dist_reduce_fx: str | None = None, persistent: bool = False) -> None:
        """Make ``self.<name>`` part of the state, which :meth:`reset` sets back to ``default``.

        Parameters
        ----------
        name : str
            The name of the attribute.
        default : Tensor or empty list
            Its value before the first update. ``update`` should assign a new tensor, not write into the old one.
        dist_reduce_fx : {"sum", "max", "min", "cat"} or None
            How the states of two sets of samples become the state of both. :meth:`forward` needs it: where it is
            None, each batch is counted twice, by itself and for the whole.
        persistent : bool
            Whether :meth:`state_dict` contains it.
        """
        if dist_reduce_fx not in MERGES and dist_reduce_fx is not None:
            raise ValueError(
                f"{type(self).__name__}.add_state: expected dist_reduce_fx for {name!r} to be 'sum', 'max', 'min', "
                f"'cat' or None, got {dist_reduce_fx!r}"
            )
        if not isinstance(default, Tensor) and default != []:
            raise ValueError(
                f"{type(self).__name__}.add_state: expected a tensor or an empty list for {name!r}, got {default!r}"
            )
        self._defaults[name] = default
        self._merges[name] = dist_reduce_fx
        self._persistent[name] = persistent
        setattr(self, name, self._fresh(default))

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Add a batch to the state."""
        raise NotImplementedError(f"{type(self).__name__}.update is not defined")

    def compute(self) -> Any:
        """Return the value for everything since the last :meth:`reset`."""
        raise NotImplementedError(f"{type(self).__name__}.compute is not defined")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Add a batch to the state, and return the value for this batch alone; so does calling the metric."""
        self._follow((*args, *kwargs.values()))
        before, count = self._state(), self._count
        self.reset()
        try:
            self.update(*args, **kwargs)
            value = self.compute()
            if count:
                self._restore(self._joined(before, args, kwargs), count + 1)
        except BaseException:
            self._restore(before, count)
            raise
        return value

    def merge_state(self, incoming_state: Metric | Mapping[str, Any]) -> None:
        """Take in what another metric of this kind has seen: afterwards this one has seen both."""
        name = type(self).__name__
        other = isinstance(incoming_state, Metric)
        state = incoming_state._state() if isinstance(incoming_state, Metric) else dict(incoming_state)
        if (other and type(incoming_state) is not type(self)) or state.keys() != self._merges.keys():
            got = type(incoming_state).__name__ if other else f"the states {sorted(state)}"
            raise ValueError(f"{name}.merge_state: expected a {name} or its {sorted(self._merges)}, got {got}")
        if None in self._merges.values():
            alone = [key for key, merge in self._merges.items() if merge is None]
            raise RuntimeError(
                f"{name}.merge_state: nobody said how to merge {alone[0]!r}; give add_state a dist_reduce_fx"
            )
        count = incoming_state._count if isinstance(incoming_state, Metric) else 1
        self._restore(self._both(self._state(), state), self._count + count)

    def _both(self, a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
        return {name: MERGES[self._merges[name]](a[name], b[name]) for name in a}

    def _joined(self, before: dict[str, Any], args: Any, kwargs: Any) -> dict[str, Any]:
        """Return the state of everything, from that before the batch, and that of the batch, which is here now."""
        if None in self._merges.values():
            self._restore(before, 1)
            self.update(*args, **kwargs)
            return self._state()
        return self._both(before, self._state())

    __call__ = forward

    def reset(self) -> None:
        """Forget all batches."""
        self._restore({name: self._fresh(default) for name, default in self._defaults.items()}, 0)

    def clone(self) -> Self:
        """Return a copy, state included."""
        return copy.deepcopy(self)

    def persistent(self, mode: bool = False) -> None:
        """Set for all of the state whether :meth:`state_dict` contains it."""
        self._persistent = dict.fromkeys(self._persistent, mode)

    def state_dict(self, destination: dict[str, Any] | None = None, prefix: str = "") -> dict[str, Any]:
        """Return copies of the persistent states by name. By default none is: a metric begins anew each epoch."""
        saved = {} if destination is None else destination
        for name, state in self._state().items():
            if self._persistent[name]:
                saved[prefix + name] = [x.clone() for x in state] if isinstance(state, list) else state.clone()
        return saved

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over what :meth:`state_dict` returned; what it does not contain stays as it is."""
        wanted = {name for name, kept in self._persistent.items() if kept}
        if strict and wanted != set(state_dict):
            raise RuntimeError(
                f"{type(self).__name__}.load_state_dict: expected {sorted(wanted)}, got {sorted(state_dict)}; which "
                "states are saved is set by metric.persistent(True)"
            )
        known = {name: self._moved(state_dict[name]) for name in self._defaults if name in state_dict}
        self._restore({**self._state(), **known}, max(self._count, 1) if known else self._count)

    @property
    def metric_state(self) -> dict[str, Any]:
        """The state by name."""
        return self._state()

    def plot(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: a value is drawn like any other number."""
        raise NotImplementedError(
            f"{type(self).__name__}.plot: metrics do not draw themselves; hand metric.compute().numpy() to matplotlib"
        )

    @property
    def update_count(self) -> int:
        """How many batches the state holds."""
        return self._count

    @property
    def update_called(self) -> bool:
        """Whether the state holds any batch."""
        return self._count > 0

    @property
    def device(self) -> Device:
        """Where the state lives."""
        return self._device

    def to(self, device: DeviceLike) -> Metric:
        """Move the state; needed only to go on with batches on another device than before."""
        self._device = Device(device or "cpu")
        for name, state in self._state().items():
            setattr(self, name, self._moved(state))
        self._computed = None
        return self

    def _state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._defaults}

    def _restore(self, state: dict[str, Any], count: int) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._count = count
        self._computed = None

    def _fresh(self, default: State) -> State:
        return [] if isinstance(default, list) else self._moved(default.detach().clone())

    def _moved(self, state: State) -> State:
        return [x.to(self._device) for x in state] if isinstance(state, list) else state.to(self._device)

    def _follow(self, batch: tuple[Any, ...]) -> None:
        """Go where the batch is if the state is still empty, else require that it comes to the state."""
        device = next((x.device for x in batch if isinstance(x, Tensor)), self._device)
        if device == self._device:
            return
        if self._count:
            raise RuntimeError(
                f"{type(self).__name__}.update: expected a batch on {self._device}, where the batches before were, got "
                f"one on {device}; move the metric: metric.to('{device}')"
            )
        self.to(device)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _around_update(update: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(update)
    def wrapper(self: Metric, *args: Any, **kwargs: Any) -> None:
        count = self._count
        self._follow((*args, *kwargs.values()))
        with no_grad():
            update(self, *args, **kwargs)
        self._count = count + 1  # one batch, even if update calls the update of its base class
        self._computed = None

    return wrapper


def _around_compute(compute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(compute)
    def wrapper(self: Metric) -> Any:
        if not self._count:
            warnings.warn(
                f"{type(self).__name__}.compute: there is nothing to compute from, and the value says nothing: "
                "update() has not been called yet, or not since reset()",
                UserWarning,
                stacklevel=2,
            )
        if self._computed is None:
            with no_grad():
                self._computed = compute(self)
        return self._computed

    return wrapper

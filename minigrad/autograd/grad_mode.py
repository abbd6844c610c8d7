"""Switching recording off and on: ``no_grad``, ``enable_grad``, ``set_grad_enabled``, ``inference_mode``."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    """One switch per thread, so that evaluating in one thread does not stop training in another."""

    recording = True
    inference = False


mode = _Mode()


def is_grad_enabled() -> bool:
    """Return whether ops record history in this thread."""
    return mode.recording


def is_inference_mode_enabled() -> bool:
    """Return whether this thread is inside ``inference_mode``."""
    return mode.inference


class set_grad_enabled:
    """Switch recording to ``enabled``: as a call at once, ``with`` for a block, ``@`` for a function.

    >>> with set_grad_enabled(False):
    ...     is_grad_enabled()
    False
    >>> is_grad_enabled()
    True
    """

    def __init__(self, mode: bool) -> None:
        self._enabled = bool(mode)
        self._before: list[tuple[bool, bool]] = [self._switch()]

    def _switch(self) -> tuple[bool, bool]:
        before = (mode.recording, mode.inference)
        mode.recording = self._enabled
        return before

    def __enter__(self) -> None:
        # A stack, because one object may be entered again inside itself (a decorated function that recurses).
        self._before.append(self._switch())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mode.recording, mode.inference = self._before.pop()
        if len(self._before) == 1:  # the plain call's own entry: leaving the block undoes it too
            mode.recording, mode.inference = self._before[0]

    def __call__(self, function: F) -> F:
        mode.recording, mode.inference = self._before[0]  # decorating is not a call: undo the switch of __init__
        return _decorate(function, lambda: set_grad_enabled(self._enabled))


class no_grad(set_grad_enabled):
    """Record nothing: results have ``requires_grad=False`` and keep no arrays alive. Block or decorator.

    Use it for evaluation and for updates of parameters by hand. It does not switch dropout or batch
    normalisation: that is ``model.eval()``.

    >>> @no_grad()
    ... def recording():
    ...     return is_grad_enabled()
    >>> recording()
    False
    """

    enabled = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if args and callable(args[0]):  # @no_grad, without brackets
            return _decorate(args[0], cls)
        return super().__new__(cls)

    def __init__(self) -> None:
        self._enabled = self.enabled
        self._before = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        mode.recording, mode.inference = self._before.pop()

    def __call__(self, function: F) -> F:
        return _decorate(function, type(self))


class enable_grad(no_grad):
    """Record, even inside ``no_grad``. Block or decorator."""

    enabled = True


class inference_mode(no_grad):
    """Record nothing, as ``no_grad``; PyTorch's name for "this result will never be trained on".

    PyTorch also forbids the results in later recorded work, to save a counter. Here they are plain constants.
    ``inference_mode(False)`` switches recording back on.
    """

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self._inference = bool(mode)
        self._enabled = not mode

    def __call__(self, function: F) -> F:
        return _decorate(function, lambda: inference_mode(self._inference))

    def _switch(self) -> tuple[bool, bool]:
        before = super()._switch()
        mode.inference = self._inference
        return before


def _decorate(function: F, context: Callable[[], Any]) -> F:
    if isinstance(function, type):
        raise TypeError(f"no_grad: decorate functions, not the class {function.__name__}; decorate its methods")

    if inspect.isgeneratorfunction(function):
        # Calling it only makes the generator: switch while its body runs, and back while it waits.
        @functools.wraps(function)
        def stepping(*args: Any, **kwargs: Any) -> Any:
            generator, sent = function(*args, **kwargs), None
            while True:
                with context():
                    try:
                        value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                sent = yield value

        return cast(F, stepping)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with context():
            return function(*args, **kwargs)

    return cast(F, wrapper)

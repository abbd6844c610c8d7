"""Hooks of optimizers: what a user wants called before or after a step, a saving, a loading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from minigrad.tensor import RemovableHandle

Hook = Callable[..., Any]


class Hooks:
    """The part of an optimizer that keeps hooks and calls them. Copies and pickles of it start without any."""

    _hooks: defaultdict[str, list[Hook]]

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step, with what ``step`` is called on and with.

        It may return another pair ``(args, kwargs)`` to call it with.
        """
        return self._keep("step", "before step", hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return self._keep("step", "after step", hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` before ``state_dict()`` collects the state."""
        return self._keep("state_dict", "before state_dict", hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` on what ``state_dict()`` is about to return; it may return another."""
        return self._keep("state_dict", "after state_dict", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before loading, on a shallow copy; it may return another to load."""
        return self._keep("load_state_dict", "before load_state_dict", hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(optimizer)`` after loading."""
        return self._keep("load_state_dict", "after load_state_dict", hook, prepend)

    def _keep(self, method: str, when: str, hook: Hook, prepend: bool = False) -> RemovableHandle:
        definer = next(cls for cls in type(self).__mro__ if method in vars(cls))
        if not definer.__module__.startswith(f"{__package__}."):
            raise RuntimeError(
                f"{type(self).__name__}: hooks around {method}() are called by Optimizer.{method}, and "
                f"{definer.__name__} has a {method}() of its own; call it there, or override update_group() instead"
            )
        hooks = self._hooks[when]
        hooks.insert(0 if prepend else len(hooks), hook)
        return RemovableHandle(hooks, hook)

    def _before_step(self, closure: Any) -> Any:
        """Call the hooks before a step, and return the closure to take it with."""
        args, kwargs = _call(self, closure)
        for hook in [*self._hooks["before step"]]:
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not isinstance(changed, tuple) or len(changed) != 2:
                    raise RuntimeError(
                        f"{type(self).__name__}.step: expected a hook before it to return None or a pair (args, "
                        f"kwargs), got {type(changed).__name__}"
                    )
                args, kwargs = changed
        return _closure_of(*args, **kwargs)

    def _after_step(self, closure: Any) -> None:
        for hook in [*self._hooks["after step"]]:
            hook(self, *_call(self, closure))

    def _passed_on(self, when: str, state_dict: dict[str, Any]) -> dict[str, Any]:
        """Return a state_dict after the hooks there have seen it, and perhaps replaced it."""
        for hook in [*self._hooks[when]]:
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict


def _call(optimizer: Any, closure: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (optimizer,) if closure is None else (optimizer, closure), {}


def _closure_of(optimizer: Any, closure: Any = None) -> Any:
    return closure

"""Hooks: functions that a module calls before and after its forward, and when gradients pass through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.ops.shape import cat, reshape, split
from minigrad.tensor import Tensor


@dataclass(eq=False, slots=True)
class Hook:
    """A function, and when it is called: "forward_pre", "forward", "backward_pre" or "backward"."""

    kind: str
    function: Callable[..., Any]
    with_kwargs: bool = False


def call_with_hooks(module: Any, hooks: list[Hook], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call ``module.forward`` with its hooks around it: pre-hooks, forward, hooks, each kind in its order."""
    hooks = list(hooks)  # a hook may remove itself
    for hook in hooks:
        if hook.kind == "forward_pre":
            args, kwargs = _run_pre_hook(hook, module, args, kwargs)
    gates = None
    if any(hook.kind.startswith("backward") for hook in hooks):
        gates = _Gates(module, hooks)
        args = gates.enter(args)
    output = module.forward(*args, **kwargs)
    for hook in hooks:
        if hook.kind == "forward":
            given = (args, kwargs) if hook.with_kwargs else (args,)
            replaced = hook.function(module, *given, output)
            if replaced is not None:
                output = replaced
    return output if gates is None else gates.leave(output)


def _run_pre_hook(
    hook: Hook, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not hook.with_kwargs:
        changed = hook.function(module, args)
        if changed is None:
            return args, kwargs
        return (changed if isinstance(changed, tuple) else (changed,)), kwargs
    changed = hook.function(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise RuntimeError(
            "forward pre-hook with_kwargs=True: expected None or a tuple (args, kwargs) as its result, got "
            f"{type(changed).__name__}"
        )
    return changed[0], changed[1]


class _Gates:
    """Two places in the graph of one call of a module, before and behind it, where gradients are looked at.

    On the way back the output's gradients come to the second gate first, and the input's gradients to the first
    gate when everything inside has been walked: there the hooks see both.
    """

    def __init__(self, module: Any, hooks: list[Hook]) -> None:
        self.module = module
        self.pre_hooks = [hook for hook in hooks if hook.kind == "backward_pre"]
        self.hooks = [hook for hook in hooks if hook.kind == "backward"]
        self.inputs: list[int] = []  # which arguments pass the first gate
        self.count = 0  # how many arguments there are
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.count = len(args)
        passing, self.inputs = _pass(args, self._at_input)
        return passing

    def leave(self, output: Any) -> Any:
        outputs = output if isinstance(output, tuple) else (output,)
        if not all(isinstance(x, Tensor) for x in outputs):
            raise TypeError(
                f"{type(self.module).__name__}: a module with backward hooks must return a Tensor or a tuple of "
                f"Tensors, got {type(output).__name__}"
            )
        self.outputs = len(outputs)
        passing, _ = _pass(outputs, self._at_output)
        return passing if isinstance(output, tuple) else passing[0]

    def _at_output(self, grads: dict[int, Any]) -> dict[int, Any]:
        grad_output = tuple(grads.get(k) for k in range(self.outputs))
        for hook in self.pre_hooks:
            grad_output = _replaced(hook.function(self.module, grad_output), grad_output, "pre-hook")
        self.grad_output = grad_output
        if not self.inputs:  # nothing will arrive at the first gate
            self._at_input({})
        return {k: grad_output[k] for k in grads}

    def _at_input(self, grads: dict[int, Any]) -> dict[int, Any]:
        grad_input = tuple(grads.get(k) for k in range(self.count))
        for hook in self.hooks:
            grad_input = _replaced(hook.function(self.module, grad_input, self.grad_output), grad_input, "hook")
        return {k: grad_input[k] for k in grads}


def _replaced(result: Any, grads: tuple[Any, ...], what: str) -> tuple[Any, ...]:
    if result is None:
        return grads
    replaced = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    if [x is None for x in replaced] != [g is None for g in grads]:
        raise RuntimeError(
            f"full backward {what}: expected None or {len(grads)} gradients, with None where it was given None, got "
            f"{replaced}"
        )
    return replaced


def _pass(values: Sequence[Any], look: Callable[[dict[int, Any]], dict[int, Any]]) -> tuple[tuple[Any, ...], list[int]]:
    """Pass the tensors among ``values`` that require grad through one node; ``look`` sees all their gradients at once.

    They are joined into one vector and cut apart again, because a node's gradient is known to be complete when
    its turn comes, while several nodes' gradients arrive one by one.
    """
    recording = is_grad_enabled()
    at = [k for k, x in enumerate(values) if recording and isinstance(x, Tensor) and x.requires_grad]
    passing = list(values)
    if at:
        shapes = [passing[k].shape for k in at]
        sizes = [passing[k].numel() for k in at]
        joined = cat([reshape(passing[k], (-1,)) for k in at])
        for k, piece, shape in zip(at, split(joined, sizes), shapes, strict=True):
            passing[k] = reshape(piece, shape).to(passing[k].dtype)

        def hook(g: Tensor) -> Tensor:
            pieces = (reshape(piece, shape) for piece, shape in zip(split(g, sizes), shapes, strict=True))
            seen = look(dict(zip(at, pieces, strict=True)))
            return cat([reshape(seen[k], (-1,)) for k in at])  # type: ignore[no-any-return]

        joined.register_hook(hook)
    return tuple(passing), at

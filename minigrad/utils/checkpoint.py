"""Checkpointing: trade computing time for memory (Chen et al., "Training deep nets with sublinear memory cost", 2016).

What backward needs of a part of the network is thrown away after its forward, and computed again when backward gets
there. A chain of n layers cut into sqrt(n) parts needs memory for 2 sqrt(n) layers instead of n, and a third more time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.autograd import watch
from minigrad.autograd.grad_mode import enable_grad, is_grad_enabled
from minigrad.autograd.node import Node, TensorBase, tensor_of
from minigrad.backend import default_generator, device_of

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)`` without keeping what its backward needs: that is computed again in backward.

    Parameters
    ----------
    function : callable
        A module, or a function of tensors. It is called a second time in backward, and must do the same then; what a
        layer counts in its forward (running statistics) is counted twice.
    preserve_rng_state : bool
        Draw the same random numbers the second time, so that dropout drops the same entries.
    use_reentrant : bool, optional
        Accepted for PyTorch's sake. There is one way here, and gradients of all kinds go through it.

    Raises
    ------
    RuntimeError
        In backward: the function did something else the second time.

    Notes
    -----
    A checkpoint inside a checkpoint has no effect: the outer one computes everything again.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    >>> x = minigrad.ones(2, 4, requires_grad=True)
    >>> checkpoint(block, x).sum().backward()
    >>> x.grad.shape
    minigrad.Size([2, 4])
    """
    if not is_grad_enabled() or _Segment.open:
        return function(*args, **kwargs)
    return _Segment(function, args, kwargs, preserve_rng_state).run()


def checkpoint_sequential(functions: Any, segments: int, input: Any, **options: Any) -> Any:
    """Run a chain of layers cut into ``segments`` checkpoints of equal length; options as :func:`checkpoint`.

    The last segment is not checkpointed: backward begins there.
    """
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)
    if not 1 <= segments <= len(layers):
        raise ValueError(f"checkpoint_sequential: expected 1 to {len(layers)} segments, one layer at least in each")
    size = len(layers) // segments

    def run(part: Sequence[Callable[..., Any]], x: Any) -> Any:
        for layer in part:
            x = layer(x)
        return x

    for start in range(0, size * (segments - 1), size):
        input = checkpoint(run, layers[start : start + size], input, **options)
    return run(layers[size * (segments - 1) :], input)


class _Segment:
    """One checkpointed call: the nodes it recorded, emptied, and how to fill them again."""

    open = 0  # how many segments are being recorded: 0 or 1

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], preserve_rng_state: bool
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        devices = {device_of(x.array) for x in (*args, *kwargs.values()) if isinstance(x, TensorBase)} | {"cpu"}
        generators = [default_generator(device) for device in devices] if preserve_rng_state else []
        self.random = [(generator, generator.get_state()) for generator in generators]
        self.plans: list[Any] = []
        self.nodes: list[weakref.ref[Node]] = []  # weak, because their hooks lead here

    def run(self) -> Any:
        """Call the function and let go of all that its nodes have kept; the first gradient to arrive fills them."""
        result, nodes = self._recorded()
        self.plans, self.nodes = [node.plan for node in nodes], [weakref.ref(node) for node in nodes]
        for node in nodes:
            node.kept, node.tensors = (), ()
            node.hooks = [self._fill, *(node.hooks or ())]
        return result

    def _recorded(self) -> tuple[Any, list[Node]]:
        nodes: list[Node] = []

        def note(op: Any, args: tuple[Any, ...], out: Any) -> None:
            nodes.append(out.node)

        _Segment.open += 1
        try:
            with watch.looking_on(watch.recorded, note), enable_grad():
                return self.function(*self.args, **self.kwargs), nodes
        finally:
            _Segment.open -= 1

    def _fill(self, g: Any) -> None:
        """As a hook of each node: compute all again, and hand each node what it had kept."""
        now = [generator.get_state() for generator, _ in self.random]
        try:
            for generator, state in self.random:
                generator.set_state(state)
            _, again = self._recorded()
        finally:
            for (generator, _), state in zip(self.random, now, strict=True):
                generator.set_state(state)
        plans = [node.plan for node in again]
        if plans != self.plans:
            raise RuntimeError(
                f"checkpoint: the function recorded {_names(self.plans)} in the forward pass and {_names(plans)} when "
                "it was run again for backward. It must do the same both times: does it depend on something that has "
                "changed, such as train() and eval(), a counter, or a random number that is not minigrad's?"
            )
        inside = set(again)
        for reference, twin in zip(self.nodes, again, strict=True):
            node = reference()
            if node is None:  # nobody used what it made
                continue
            node.kept, node.tensors = twin.kept, tuple(_undated(x, inside) for x in twin.tensors)
            if node.hooks is not None:
                node.hooks.remove(self._fill)


def _undated(x: Any, inside: set[Node]) -> Any:
    """Return a tensor made in the second run without the dates of writes into it, which look too young to the nodes."""
    if not isinstance(x, TensorBase) or x.node not in inside:
        return x
    return tensor_of(x.array, x.node)


def _names(plans: Sequence[Any]) -> str:
    names = [plan.op.name for plan in plans]
    return f"{len(names)} ops ({', '.join(names[:6])}{', ...' * (len(names) > 6)})"

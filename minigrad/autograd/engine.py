"""The walk: from outputs back to leaves, each node once, summing gradients on the way.

Why the order matters, in three lines::

    a = tensor(1.0, requires_grad=True)
    b = a + a                       # node 1
    c = b + b                       # node 2, uses b twice

Walking *paths* visits node 1 twice here, and 2^60 times after 60 doublings. Visiting node 1 as soon as one of its
two gradients has arrived loses the other. Every user of a tensor is younger than the node that made it, so taking
the youngest node first means that a node's gradient is complete when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

from minigrad.autograd import watch
from minigrad.autograd.node import Node, TensorBase, tensor_of
from minigrad.backend import array_module

Gradients = dict[Any, Any]  # from node or leaf to the sum of what arrived there


def walk(
    starts: Iterable[tuple[Any, Any]],
    create_graph: bool = False,
    retain_graph: bool = False,
    needed: set[Any] | None = None,
) -> Gradients:
    """Propagate gradients from ``starts``, pairs of (node or leaf, gradient), and return what reached the leaves.

    Gradients are arrays; with ``create_graph`` they are tensors, and the walk is itself recorded. With ``needed``,
    only those nodes and leaves are visited.
    """
    sums: Gradients = {}
    queue: list[tuple[int, Node]] = []  # the youngest node first
    arriving = starts
    while True:
        for target, g in arriving:
            if g is None:
                continue
            if target in sums:
                sums[target] = sums[target] + g
            elif needed is None or target in needed:
                sums[target] = g
                if type(target) is Node:
                    heappush(queue, (-target.number, target))
        if not queue:
            return sums  # of the leaves: nodes have been taken out
        node = heappop(queue)[1]
        g = sums.pop(node)
        if node.hooks is not None:
            g = run_hooks(node.hooks, g)
        if needed is not None and needed.isdisjoint(node.parents):
            arriving = ()  # nobody asked for what lies below, which stays for another walk
            continue
        shares = node.shares(g, create_graph)
        for look in watch.walked:
            look(node, g, shares)
        arriving = zip(node.parents, shares)
        if not retain_graph:  # let go of the kept arrays and of what lies below
            node.kept, node.tensors, node.parents = None, (), []


def run_hooks(hooks: Sequence[Callable[[Any], Any]], g: Any) -> Any:
    """Show each hook the gradient, as a tensor of its own; what a hook returns, if anything, replaces it."""
    for hook in list(hooks):
        seen = g if isinstance(g, TensorBase) else tensor_of(array_module(g).array(g))
        replaced = hook(seen)
        if replaced is not None:
            _check_hook(replaced, g)
            g = replaced.clone() if isinstance(g, TensorBase) else replaced.array.copy()
    return g


def _check_hook(replaced: Any, g: Any) -> None:
    if not isinstance(replaced, TensorBase):
        raise TypeError(f"backward: a hook returned {type(replaced).__name__}, expected a Tensor or None")
    if replaced.shape != g.shape or replaced.dtype != g.dtype:
        raise RuntimeError(
            f"backward: a hook returned a gradient of shape {tuple(replaced.shape)} and {replaced.dtype}, expected "
            f"{tuple(g.shape)} and {g.dtype}"
        )

"""What there is to be seen of a graph: its nodes in order, names for them, and the lines that made them."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.autograd import watch
from minigrad.autograd.node import Node, TensorBase
from minigrad.backend import to_numpy

_OURS = str(Path(__file__).parents[1])


# --------------------------------------------------------------------------------------------------------------
# Nodes


def nodes_of(*tensors: TensorBase) -> list[Node]:
    """Return every node that the tensors were made by, the oldest first."""
    found: set[Node] = set()
    stack: list[Any] = [x.node for x in tensors if x.node is not None]
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(parent for parent in node.parents if type(parent) is Node)
    return sorted(found, key=lambda node: node.number)


def leads_to(target: Any, node: Any) -> bool:
    """Return whether ``node`` is the target, a node or a leaf, or was made from it."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if node is target:
            return True
        if type(node) is Node and id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.parents)
    return False


def leaves_of(nodes: list[Node]) -> list[Any]:
    """Return the leaves that want a gradient, in the order of their first use."""
    return list({id(x): x for node in nodes for x in node.parents if type(x) is not Node}.values())


def refuse_no_history(caller: str, x: Any) -> None:
    """Refuse what is no tensor, or has no history to look at."""
    if not isinstance(x, TensorBase):
        raise TypeError(f"{caller}: expected a Tensor, got {type(x).__name__}")
    if x.node is None:
        what = "is a leaf" if x._requires_grad else "has no history: nothing it was made from requires grad"
        raise RuntimeError(f"{caller}: this tensor of shape {tuple(x.shape)} {what}; there is no graph behind it")
    if x.node.kept is None:
        x.node.refuse_released()


# --------------------------------------------------------------------------------------------------------------
# Names


class Names:
    """Names of tensors and nodes: the variables of the caller, and the parameters of modules among them.

    ``given`` may be a module, whose parameters are then called by their paths in it, or a dict from names to tensors,
    which take the place of the variables. What has no name is called by its op and its place in order: ``mul_3``.
    """

    def __init__(self, nodes: list[Node], given: Any = None) -> None:
        self._names: dict[int, str] = {}
        for name, x in reversed(list(_named(given))):  # the first of several names of one tensor stays
            self._names[id(x if x.node is None else x.node)] = name
        for k, node in enumerate(nodes, 1):
            self._names.setdefault(id(node), f"{node.plan.op.name}_{k}")
        for k, leaf in enumerate(leaves_of(nodes), 1):
            self._names.setdefault(id(leaf), f"leaf_{k}")

    def __getitem__(self, target: Any) -> str:
        """Return the name of a node or a leaf."""
        return self._names[id(target)]


def _named(given: Any) -> Iterator[tuple[str, TensorBase]]:
    if hasattr(given, "named_parameters"):
        yield from given.named_parameters()
    for name, x in (given if isinstance(given, Mapping) else _callers_variables()).items():
        if isinstance(x, TensorBase):
            yield name, x
        elif hasattr(x, "named_parameters") and not isinstance(x, type):
            for path, parameter in x.named_parameters():
                yield f"{name}.{path}", parameter


def _callers_variables() -> Mapping[str, Any]:
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    return {**frame.f_globals, **frame.f_locals}


# --------------------------------------------------------------------------------------------------------------
# Lines


class Trace:
    """Which line made each node, inside which modules, and where tensors left the graph."""

    def __init__(self) -> None:
        self.lines: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()
        self.modules: weakref.WeakKeyDictionary[Node, list[Any]] = weakref.WeakKeyDictionary()  # the innermost first
        self.cuts: list[tuple[list[Any], str, str]] = []  # nodes and leaves whose way ends, how, and at which line

    def _recorded(self, op: Any, args: tuple[Any, ...], out: Any) -> None:
        self.lines[out.node] = watch.users_line()
        self.modules[out.node] = _modules_at_work()

    def _cut(self, args: tuple[Any, ...], how: str) -> None:
        sources = [x.node or x for x in args if isinstance(x, TensorBase) and x._requires_grad]
        if sources:
            self.cuts.append((sources, how, watch.users_line()))


def _modules_at_work() -> list[Any]:
    """Return the modules whose ``forward`` is on the stack, the innermost first."""
    found = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        module = frame.f_locals.get(code.co_varnames[0]) if code.co_name == "forward" and code.co_argcount else None
        if hasattr(module, "named_parameters"):
            found.append(weakref.ref(module))
        frame = frame.f_back
    return found


traces: list[Trace] = []


@contextlib.contextmanager
def tracing() -> Iterator[Trace]:
    """Note the line of every recorded op, and of every way out of the graph, inside a ``with`` block.

    :func:`minigrad.explain` and its like then tell the lines.
    """
    trace = Trace()
    traces.append(trace)
    try:
        with watch.looking_on(watch.recorded, trace._recorded), watch.looking_on(watch.cut, trace._cut):
            yield trace
    finally:
        while len(traces) > 3:  # those of a while ago; their nodes are gone
            traces.pop(0)


def line_of(node: Node) -> str:
    """Return the line that made a node, or "" if it was not traced."""
    return next((trace.lines[node] for trace in reversed(traces) if node in trace.lines), "")


def modules_of(node: Node) -> list[Any]:
    """Return the modules inside whose forward a node was made, the outermost first; [] if it was not traced."""
    for trace in reversed(traces):
        if node in trace.modules:
            modules = [reference() for reference in reversed(trace.modules[node])]
            return [module for module in modules if module is not None]
    return []


# --------------------------------------------------------------------------------------------------------------
# Values


def shortly(x: Any, limit: int = 8) -> str:
    """Return an array in one line: its numbers if they are few, else its shape and what they are like."""
    x = to_numpy(x.array if isinstance(x, TensorBase) else x)
    if x.ndim == 0:
        return f"{x.item():.4g}"
    if x.size == 0:
        return f"{tuple(x.shape)}, empty"
    if x.size <= limit:
        return np.array2string(x, formatter={"float_kind": lambda v: f"{v:.4g}"}, separator=", ").replace("\n", "")
    if x.dtype.kind != "f":
        return f"{tuple(x.shape)} from {x.min()} to {x.max()}"
    return f"{tuple(x.shape)} mean {x.mean():.3g}, from {x.min():.3g} to {x.max():.3g}"

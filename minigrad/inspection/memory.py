"""What a graph keeps alive for backward: which arrays, how many bytes, for which op."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minigrad.backend import is_array
from minigrad.inspection.graph import Names, line_of, nodes_of, refuse_no_history


@dataclass
class Kept:
    """One array that a node keeps."""

    node: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    shared: bool  # memory that stands in the list already, or belongs to a leaf
    line: str


class SavedForBackward(list[Kept]):
    """The list of arrays, oldest op first; prints as a table."""

    @property
    def nbytes(self) -> int:
        """Bytes that the graph alone keeps alive."""
        return sum(kept.nbytes for kept in self if not kept.shared)

    def __str__(self) -> str:
        rows = [
            (kept.node, kept.op, str(kept.shape), kept.dtype, "shared" if kept.shared else size(kept.nbytes), kept.line)
            for kept in self
        ]
        total = f"{len(self)} arrays kept for backward, {size(self.nbytes)} that nobody else holds"
        return table(("output", "op", "shape", "dtype", "memory", "line"), rows) + f"\n{total}"

    __repr__ = __str__


def saved_for_backward(loss: Any, names: Any = None) -> SavedForBackward:
    """Return what the graph behind ``loss`` keeps alive until ``backward``: arrays, bytes, op and line.

    An array that several nodes keep counts once, and the arrays of leaves (parameters, inputs) do not count: they are
    held anyway. Lines are known for what was recorded inside ``minigrad.inspection.tracing()``.

    >>> import minigrad
    >>> x = minigrad.ones(10, 10, requires_grad=True)
    >>> loss = x.exp().sin().sum()
    >>> print(minigrad.saved_for_backward(loss))  # exp keeps its output, sin its input: one array
    output  op   shape     dtype    memory  line
    exp_1   exp  (10, 10)  float32  400 B
    sin_2   sin  (10, 10)  float32  shared
    2 arrays kept for backward, 400 B that nobody else holds
    """
    refuse_no_history("saved_for_backward", loss)
    nodes = nodes_of(loss)
    known = Names(nodes, names)
    seen = {id(_base(parent.array)) for node in nodes for parent in node.parents if not hasattr(parent, "kept")}
    found = SavedForBackward()
    for node in nodes:
        for x in _arrays(node.kept):
            memory = id(_base(x))
            name, op, shape = known[node], node.plan.op.name, tuple(x.shape)
            found.append(Kept(name, op, shape, str(x.dtype), x.nbytes, memory in seen, line_of(node)))
            seen.add(memory)
    return found


def _arrays(kept: Any) -> list[Any]:
    """Return the arrays among kept values, also inside a Function's context."""
    found = []
    for x in kept:
        if is_array(x):
            found.append(x)
        elif isinstance(x, (tuple, list)):
            found += _arrays(x)
        elif hasattr(x, "saved_tensors"):
            found += [saved.array for saved in x.saved_tensors if saved is not None]
    return found


def _base(x: Any) -> Any:
    while getattr(x, "base", None) is not None and is_array(x.base):
        x = x.base
    return x


def size(nbytes: int) -> str:
    """Return bytes as "400 B", "1.5 kB", "24 MB"."""
    amount = float(nbytes)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} GB"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], right: tuple[int, ...] = ()) -> str:
    """Return rows of words in columns; ``right`` are the columns that are aligned at their right."""
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    lines = []
    for row in (header, *rows):
        words = [f"{word:>{w}}" if k in right else f"{word:<{w}}" for k, (word, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)

"""``summary``: the layers of a model, what comes out of each, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from minigrad.autograd.grad_mode import no_grad
from minigrad.autograd.node import TensorBase
from minigrad.inspection.memory import size, table


@dataclass
class Row:
    """One call of one module."""

    path: str
    kind: str
    depth: int
    output: str  # the shape that came out
    parameters: int  # of this module and all inside it; 0 if they were counted before
    multiply_adds: int | None  # None if it is not known how to count them
    nbytes: int  # of the output
    leaf: bool  # nothing inside
    again: bool  # this module was called before


class Summary:
    """The table that :func:`summary` makes; prints as text. Totals are attributes."""

    def __init__(self, rows: list[Row], parameters: int, trainable: int, buffers: int, parameter_bytes: int) -> None:
        self.rows = rows
        self.total_parameters, self.trainable_parameters, self.buffers = parameters, trainable, buffers
        self.parameter_bytes = parameter_bytes
        leaves = [row for row in rows if row.leaf]
        self.multiply_adds = sum(row.multiply_adds or 0 for row in leaves)
        self.output_bytes = sum(row.nbytes for row in leaves)

    def __str__(self) -> str:
        rows = []
        for row in self.rows:
            name = row.path.rpartition(".")[2]
            count = "again" if row.again else f"{row.parameters:,}" if row.parameters else "-"
            products = "?" if row.multiply_adds is None else f"{row.multiply_adds:,}" if row.multiply_adds else "-"
            label = f"{'  ' * row.depth}{name} {row.kind}" if name else row.kind
            rows.append((label, row.output, count, products, size(row.nbytes)))
        header = ("layer", "output", "parameters", "multiply-adds", "output memory")
        body = table(header, rows, right=(2, 3, 4))
        width = max(map(len, body.splitlines()))
        unknown = sorted({row.kind for row in self.rows if row.leaf and row.multiply_adds is None})
        lines = [
            body,
            "-" * width,
            f"parameters: {self.total_parameters:,} ({size(self.parameter_bytes)})"
            f", trainable {self.trainable_parameters:,}" + f"; buffers {self.buffers:,}" * bool(self.buffers),
            f"multiply-adds of one forward: {self.multiply_adds:,}"
            + f" (without {', '.join(unknown)})" * bool(unknown),
            f"outputs of the layers: {size(self.output_bytes)}",
        ]
        return "\n".join(lines)

    __repr__ = __str__


def summary(model: Any, *inputs: Any, depth: int | None = None, **kwargs: Any) -> Summary:
    """Call ``model(*inputs, **kwargs)`` once and list its layers: output shapes, parameters, multiply-adds, memory.

    The call records nothing and changes nothing: it runs in evaluation mode, so that running statistics stay as they
    are. ``depth`` leaves out what lies deeper: 1 shows the direct children only. A multiply-add is one term of a
    scalar product; elementwise work does not count. Shared parameters count once.

    >>> import minigrad
    >>> from minigrad import nn
    >>> net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    >>> print(minigrad.summary(net, minigrad.zeros(8, 64)))
    layer       output   parameters  multiply-adds  output memory
    Sequential  (8, 10)       2,410         18,944          320 B
      0 Linear  (8, 32)       2,080         16,384        1.02 kB
      1 ReLU    (8, 32)           -              -        1.02 kB
      2 Linear  (8, 10)         330          2,560          320 B
    -------------------------------------------------------------
    parameters: 2,410 (9.64 kB), trainable 2,410
    multiply-adds of one forward: 18,944
    outputs of the layers: 2.37 kB
    """
    if not hasattr(model, "named_modules"):
        raise TypeError(f"summary: expected a Module, got {type(model).__name__}")
    watch = _Watch(model)
    was_training = [(module, module.training) for module in model.modules()]
    handles = []
    try:
        model.eval()
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(watch.before(path)))
            handles.append(module.register_forward_hook(watch.after(path)))
        with no_grad():
            model(*inputs, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in was_training:
            module.training = training
    rows = [row for row in watch.rows if depth is None or row.depth <= depth]
    parameters = list(model.parameters())
    return Summary(
        rows,
        sum(p.numel() for p in parameters),
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(b.numel() for b in model.buffers()),
        sum(p.nbytes for p in parameters),
    )


class _Watch:
    """Notes each call of each module: its row is opened before the call, so that a parent stands above its children."""

    def __init__(self, model: Any) -> None:
        self.rows: list[Row] = []
        self.open: list[Row] = []
        self.called: set[int] = set()

    def before(self, path: str) -> Any:
        def hook(module: Any, args: Any) -> None:
            again = id(module) in self.called
            self.called.add(id(module))
            count = 0 if again else sum(p.numel() for p in module.parameters())
            kind, leaf = type(module).__name__, not list(module.children())
            row = Row(
                path, kind, len(self.open), "", count, 0, 0, leaf, again and any(True for _ in module.parameters())
            )
            self.rows.append(row)
            self.open.append(row)

        return hook

    def after(self, path: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            row = self.open.pop()
            tensors = [y for y in _flat(output) if isinstance(y, TensorBase)]
            row.output = ", ".join(str(tuple(y.shape)) for y in tensors)
            row.nbytes = sum(y.array.nbytes for y in tensors)
            if row.leaf and tensors:
                row.multiply_adds = _multiply_adds(module, tensors[0])
            elif not row.leaf:
                inside = self.rows[self.rows.index(row) + 1 :]
                row.multiply_adds = sum(r.multiply_adds or 0 for r in inside if r.leaf)

        return hook


def _flat(x: Any) -> list[Any]:
    if isinstance(x, (tuple, list)):
        return [part for item in x for part in _flat(item)]
    if isinstance(x, dict):
        return _flat(list(x.values()))
    return [x]


def _multiply_adds(module: Any, y: Any) -> int | None:
    """Return the multiply-adds of one call of a layer with output ``y``: None where the layer does not tell."""
    weights = [p for p in module.parameters() if p.ndim > 1]
    if not weights:
        return 0
    if hasattr(module, "kernel_size"):  # a convolution: each output is a product of kernel times channels per group
        per_output = math.prod(module.weight.shape[1:])
        if "Transpose" in type(module).__name__:  # there each *input* is spread by a kernel
            return None
        return int(y.numel() * per_output)
    if hasattr(module, "in_features") and len(weights) == 1:
        return int(y.numel()) * int(weights[0].shape[1])
    if hasattr(module, "num_embeddings"):
        return 0  # a look-up
    return None

"""The backward pass in words and numbers: ``explain`` replays it, ``explain_grad`` says where a gradient comes from."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from minigrad.autograd import watch
from minigrad.autograd.engine import walk
from minigrad.autograd.node import Node, TensorBase
from minigrad.backend import array_module
from minigrad.inspection.graph import Names, leads_to, leaves_of, line_of, nodes_of, refuse_no_history, shortly, traces

# Ops that work entry by entry, so that "local derivative" is a number for each entry: the slope of a curve.
ENTRY_BY_ENTRY = ("minigrad.ops.elementwise", "minigrad.ops.activation", "minigrad.ops.special")
NOT_SO = ("softmax", "log_softmax", "glu")


@dataclass
class Share:
    """What one parent gets in a step."""

    parent: str
    argument: str  # which input of the op it is
    value: Any
    local: Any  # d output / d input, entry by entry; None if the op mixes entries
    total: Any  # the running sum at the parent, this share included
    first: bool  # whether nothing had arrived there before


@dataclass
class Step:
    """One node on the way back."""

    name: str
    op: str
    formula: str
    derivative: str
    line: str
    g: Any
    shares: list[Share] = field(default_factory=list)


class Explanation:
    """The steps of a walk; prints as text, shows as a table in a notebook."""

    def __init__(self, title: str, steps: list[Step], leaves: list[tuple[str, Any]]) -> None:
        self.title, self.steps, self.leaves = title, steps, leaves

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> Iterator[str]:
        yield self.title
        yield "Youngest step first. g is d loss / d (output of the step); each parent gets its share of it."
        for k, step in enumerate(self.steps, 1):
            yield ""
            yield f"{k}. {step.name} = {step.op}: {step.formula}" + f"        {step.line}" * bool(step.line)
            if step.derivative:
                yield f"   rule   {step.derivative}"
            yield f"   g      {shortly(step.g)}"
            for share in step.shares:
                local = "" if share.local is None else f"  = g * {shortly(share.local)}"
                yield f"   -> {share.parent} ({share.argument})  {shortly(share.value)}{local}"
                if not share.first:
                    yield f"      now {shortly(share.total)} at {share.parent}, with what was there already"
        yield ""
        yield "What arrived:"
        for name, g in self.leaves:
            yield f"   d loss / d {name} = {shortly(g)}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{k}</td><td><b>{html.escape(step.name)}</b><br><code>{html.escape(step.op)}</code></td>"
            f"<td>{html.escape(step.formula)}<br><i>{html.escape(step.derivative)}</i></td>"
            f"<td><code>{html.escape(shortly(step.g))}</code></td><td>"
            + "<br>".join(
                f"{html.escape(share.parent)}: <code>{html.escape(shortly(share.value))}</code>"
                + ("" if share.local is None else f" = g &middot; <code>{html.escape(shortly(share.local))}</code>")
                + ("" if share.first else f" (sum now <code>{html.escape(shortly(share.total))}</code>)")
                for share in step.shares
            )
            + "</td></tr>"
            for k, step in enumerate(self.steps, 1)
        )
        arrived = "".join(
            f"<li>d loss / d {html.escape(name)} = <code>{html.escape(shortly(g))}</code></li>"
            for name, g in self.leaves
        )
        return (
            f"<p>{html.escape(self.title)}</p><table><thead><tr><th></th><th>step</th><th>formula and rule</th>"
            f"<th>g</th><th>shares</th></tr></thead><tbody>{rows}</tbody></table><ul>{arrived}</ul>"
        )


def explain(loss: Any, names: Any = None) -> Explanation:
    """Replay the backward pass of ``loss`` in words and numbers; no ``.grad`` is touched, and the graph stays.

    Parameters
    ----------
    loss : Tensor
        A single number with a history.
    names : Module or dict, optional
        Names of tensors; by default those of the variables where this is called, and of the parameters of modules
        among them.

    Returns
    -------
    Explanation
        To be printed, or shown in a notebook: for each op its formula and rule, the gradient that arrives, the local
        derivative where the op works entry by entry, what goes to which parent, and the running sum there. Inside
        ``minigrad.inspection.tracing()`` the line of each op too.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> y = x * x
    >>> print(minigrad.explain(y))
    Backward from y = 9: 1 step.
    Youngest step first. g is d loss / d (output of the step); each parent gets its share of it.
    <BLANKLINE>
    1. y = mul: a b
       rule   d = b da + a db
       g      1
       -> x (a)  3  = g * 3
       -> x (b)  3  = g * 3
          now 6 at x, with what was there already
    <BLANKLINE>
    What arrived:
       d loss / d x = 6
    """
    refuse_no_history("explain", loss)
    start = _start("explain", loss)
    nodes = nodes_of(loss)
    known = Names(nodes, names)
    steps: list[Step] = []
    sums: dict[int, Any] = {}

    def look(node: Node, g: Any, shares: list[Any]) -> None:
        op = node.plan.op
        step = Step(known[node], op.name, op.formula, op.derivative_formula, line_of(node), _copy(g))
        local = _slopes(node, g)
        for k, parent, share, slope in zip(node.plan.inputs, node.parents, shares, local, strict=True):
            if share is None:
                continue
            before = sums.get(id(parent))
            sums[id(parent)] = _copy(share) if before is None else before + share
            step.shares.append(
                Share(known[parent], op.inputs[k], _copy(share), slope, sums[id(parent)], before is None)
            )
        steps.append(step)

    with watch.looking_on(watch.walked, look):
        arrived = walk([(loss.node, start)], retain_graph=True)
    leaves = [(known[x], arrived[x]) for x in leaves_of(nodes) if x in arrived]
    count = f"{len(steps)} step{'s' * (len(steps) != 1)}"
    return Explanation(f"Backward from {known[loss.node]} = {shortly(loss)}: {count}.", steps, leaves)


def _start(caller: str, loss: Any) -> Any:
    if loss.array.size != 1:
        raise RuntimeError(
            f"{caller}: expected a single number, got shape {tuple(loss.shape)}; use .sum() or .mean(), or pick one "
            "entry"
        )
    return array_module(loss.array).ones(loss.array.shape, loss.dtype)


def _copy(g: Any) -> Any:
    return array_module(g).array(g)


def _slopes(node: Node, g: Any) -> list[Any]:
    """Return the local derivatives of an op that works entry by entry: its shares of a gradient of ones."""
    op = node.plan.op
    if op.__module__ not in ENTRY_BY_ENTRY or op.name in NOT_SO:
        return [None] * len(node.parents)
    shares = node.shares(array_module(g).ones(node.shape, node.dtype), False)
    same = [share is not None and share.shape == node.shape for share in shares]  # else broadcasting was undone
    return [share if fits else None for share, fits in zip(shares, same, strict=True)]


# --------------------------------------------------------------------------------------------------------------
# Why is this gradient what it is?


@dataclass
class Path:
    """One way from the loss to a leaf, and what comes along it."""

    through: tuple[str, ...]  # names of the tensors on it, from the loss to the one next to the leaf
    value: Any
    times: int = 1  # a tensor used twice by one op makes two paths of the same names


class Contributions:
    """A gradient as the sum of what each path brings; prints as a sentence and a line for each path."""

    def __init__(self, name: str, loss: str, total: Any, paths: list[Path], merged: bool) -> None:
        self.name, self.loss, self.total, self.paths, self.merged = name, loss, total, paths, merged

    def __str__(self) -> str:
        lines = [f"d {self.loss} / d {self.name} = {shortly(self.total)}"]
        if len(self.paths) == 1:
            lines[0] += f", along one path: {self._way(self.paths[0])}"
            return lines[0]
        what = "groups of paths that enter by the same step" if self.merged else "paths"
        lines[0] += f", the sum over {len(self.paths)} {what}:"
        width = max(len(shortly(path.value)) for path in self.paths)
        lines += [f"   {shortly(path.value):>{width}}  through {self._way(path)}" for path in self.paths]
        return "\n".join(lines)

    __repr__ = __str__

    def _way(self, path: Path) -> str:
        if self.merged:
            return path.through[-1]
        return " <- ".join([self.name, *reversed(path.through)]) + f", {path.times} times" * (path.times > 1)


def explain_grad(loss: Any, x: Any, names: Any = None, max_paths: int = 16) -> Contributions | str:
    """Say why d loss / d x is what it is: what comes along each path; or why there is none.

    Parameters
    ----------
    loss : Tensor
        A single number with a history.
    x : Tensor
        A leaf, or any tensor on the way.
    names : Module or dict, optional
        As in :func:`explain`.
    max_paths : int
        If there are more paths, those that enter ``x`` by the same step are put together.

    Returns
    -------
    Contributions or str
        To be printed. A sentence, if ``loss`` does not depend on ``x``: x needs no gradient, was never used, or was
        cut off; inside ``minigrad.inspection.tracing()`` with the line that did it.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor(2.0, requires_grad=True)
    >>> q, h = x * 2, x.square()
    >>> loss = q + h
    >>> print(minigrad.explain_grad(loss, x))
    d loss / d x = 6, the sum over 2 paths:
       2  through x <- q <- loss
       4  through x <- h <- loss
    """
    if not isinstance(x, TensorBase):
        raise TypeError(f"explain_grad: expected a Tensor, got {type(x).__name__}")
    refuse_no_history("explain_grad", loss)
    start = _start("explain_grad", loss)
    nodes = nodes_of(loss)
    known = Names(nodes, names)
    target = x.node or x
    users = [node for node in nodes if any(parent is target for parent in node.parents)]  # == compares entries
    if not x._requires_grad or (target is not loss.node and not users):
        return _why_none(x, nodes, known)
    below = {target}  # what lies on a way from the loss to x
    for node in nodes:
        if any(parent in below for parent in node.parents):
            below.add(node)
    if _count_paths(nodes, target) <= max_paths:
        paths = list(_along(loss.node, start, target, below, known))
        merged = False
    else:
        paths = _by_last_step(loss.node, start, target, users, known)
        merged = True
    total = paths[0].value
    for path in paths[1:]:
        total = total + path.value
    return Contributions(_name_of(x, known), known[loss.node], total, paths, merged)


def _name_of(x: Any, known: Names) -> str:
    return known[x.node or x]


def _count_paths(nodes: list[Node], target: Any) -> int:
    counts: dict[int, int] = {id(target): 1}
    for node in nodes:
        if node is not target:
            counts[id(node)] = sum(counts.get(id(parent), 0) for parent in node.parents)
    return counts[id(nodes[-1])]


def _along(node: Any, g: Any, target: Any, below: set[Any], known: Names) -> Iterator[Path]:
    """Follow each path by itself, from the loss down; a rule is linear in g, so the shares of the paths add up."""
    stack: list[tuple[Any, Any, list[str]]] = [(node, g, [known[node]])]
    found: list[Path] = []
    while stack:
        node, g, through = stack.pop()
        if node is target:
            found.append(Path(tuple(through[:-1]), g))
            continue
        shares = node.shares(g, False)
        for parent, share in zip(node.parents, shares, strict=True):
            if parent in below and share is not None:
                stack.append((parent, _copy(share), [*through, known[parent]]))
    merged: dict[tuple[str, ...], Path] = {}
    for path in reversed(found):
        same = merged.get(path.through)
        merged[path.through] = path if same is None else Path(path.through, same.value + path.value, same.times + 1)
    yield from merged.values()


def _by_last_step(start_node: Node, g: Any, target: Any, users: list[Node], known: Names) -> list[Path]:
    found: list[Path] = []

    def look(node: Node, g: Any, shares: list[Any]) -> None:
        if node in users:
            for parent, share in zip(node.parents, shares, strict=True):
                if parent is target and share is not None:
                    found.append(Path((known[node],), _copy(share)))

    with watch.looking_on(watch.walked, look):
        walk([(start_node, g)], retain_graph=True)
    return found


def _why_none(x: Any, nodes: list[Node], known: Names) -> str:
    shape = f"of shape {tuple(x.shape)}"
    if x.dtype.kind != "f":
        return f"No gradient: this tensor {shape} is {x.dtype}, and only floating tensors have gradients."
    if not x._requires_grad:
        return (
            f"No gradient: this tensor {shape} does not require grad. Set requires_grad=True before it is used; "
            "or was it made under no_grad(), or by detach()?"
        )
    for trace in reversed(traces):
        for sources, how, line in trace.cuts:
            if any(leads_to(x.node or x, source) for source in sources):
                return f"No gradient: the way from this tensor {shape} to the loss was cut by {how}, at {line}."
    leaves = ", ".join(known[leaf] for leaf in leaves_of(nodes)[:8])
    return (
        f"No gradient: the loss does not depend on this tensor {shape}. It was made from {leaves}. If this one should "
        "be among them, it was never used, or cut off by detach(), .data, .item(), .numpy() or no_grad() on the way; "
        "run the forward pass inside minigrad.inspection.tracing() to see the line."
    )

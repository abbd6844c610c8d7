"""The graph as a picture: text, Mermaid, DOT, and an SVG that needs no other program."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from minigrad.autograd.node import Node, TensorBase
from minigrad.inspection.graph import Names, leaves_of, modules_of, nodes_of, refuse_no_history, shortly, tracing
from minigrad.inspection.layout import layered
from minigrad.nn.parameter import Parameter

MANY = 30  # boxes, beyond which a picture shows modules instead of what is in them


@dataclass
class Box:
    """An op, a leaf, or a module with what is in it."""

    key: int
    kind: str  # "op", "leaf", "module" or "result"
    title: str
    lines: list[str] = field(default_factory=list)


class Drawing:
    """Boxes and arrows. ``text``, ``mermaid``, ``dot`` and ``svg`` are the picture in four forms.

    In a notebook it shows itself; in a terminal it prints as text.
    """

    def __init__(self, boxes: list[Box], arrows: list[tuple[int, int]]) -> None:
        self.boxes, self.arrows = boxes, arrows

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_svg_(self) -> str:
        return self.svg

    @property
    def text(self) -> str:
        """The graph as a tree, from the result down to the leaves; what was shown already is not shown again."""
        return "\n".join(self._tree())

    def _tree(self) -> Iterator[str]:
        box = {box.key: box for box in self.boxes}
        sources: dict[int, list[int]] = {}
        for source, target in self.arrows:
            sources.setdefault(target, []).append(source)
        used = {source for source, _ in self.arrows}
        seen: set[int] = set()
        stack = [(key, "", "", "") for key in reversed([b.key for b in self.boxes if b.key not in used])]
        while stack:
            key, before, here, behind = stack.pop()
            words = "  ".join([box[key].title, *box[key].lines])
            yield before + here + words + "  ^ see above" * (key in seen and bool(sources.get(key)))
            if key in seen:
                continue
            seen.add(key)
            below = sources.get(key, [])
            for k, source in reversed(list(enumerate(below))):
                last = k == len(below) - 1
                stack.append((source, before + behind, "└─ " if last else "├─ ", "   " if last else "│  "))

    @property
    def mermaid(self) -> str:
        """The graph for Mermaid, which Markdown on many sites draws."""
        shapes = {"leaf": ('(["', '"])'), "op": ('["', '"]'), "module": ('[["', '"]]'), "result": ('["', '"]')}
        lines = ["flowchart TD"]
        for box in self.boxes:
            words = "<br/>".join(html.escape(word, quote=True) for word in (box.title, *box.lines))
            opening, closing = shapes[box.kind]
            lines.append(f"    n{box.key}{opening}{words}{closing}")
        lines += [f"    n{source} --> n{target}" for source, target in self.arrows]
        return "\n".join(lines)

    @property
    def dot(self) -> str:
        """The graph for Graphviz."""
        shapes = {"leaf": "ellipse", "op": "box", "module": "box3d", "result": "box"}
        lines = ["digraph {", '    node [fontname="Helvetica", fontsize=11];']
        for box in self.boxes:
            words = "\\n".join(re.sub(r'(["\\])', r"\\\1", word) for word in (box.title, *box.lines))
            lines.append(f'    n{box.key} [label="{words}", shape={shapes[box.kind]}];')
        lines += [f"    n{source} -> n{target};" for source, target in self.arrows]
        return "\n".join([*lines, "}"])

    @property
    def svg(self) -> str:
        """The graph as a self-contained SVG, laid out here, in light or dark as the reader's screen is."""
        sizes = {box.key: _size(box) for box in self.boxes}
        layout = layered(sizes, self.arrows)
        margin = 12
        width, height = layout.width + 2 * margin, layout.height + 2 * margin
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-margin} {-margin} {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img" font-family="Helvetica, Arial, sans-serif" '
            'font-size="12">',
            f"<title>Graph of {html.escape(self.boxes[-1].title)}: {len(self.boxes)} boxes</title>",
            _STYLE,
        ]
        for (source, target), route in layout.routes.items():
            points = [(place.x, place.y) for place in route]
            points[0] = (points[0][0], points[0][1] + sizes[source][1] / 2)
            points[-1] = (points[-1][0], points[-1][1] - sizes[target][1] / 2 - 5)
            parts.append(f'<path class="arrow" d="{_curve(points)}" marker-end="url(#tip)"/>')
        for box in self.boxes:
            place, (w, h) = layout.places[box.key], sizes[box.key]
            x, y = place.x - w / 2, place.y - h / 2
            corner = 14 if box.kind == "leaf" else 4
            area = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
            parts.append(f'<rect class="{box.kind}" {area} rx="{corner}"/>')
            for k, word in enumerate((box.title, *box.lines)):
                at = f'x="{place.x:.1f}" y="{y + 17 + 15 * k:.1f}" text-anchor="middle"'
                parts.append(f'<text class="{"more" if k else "title"}" {at}>{html.escape(word)}</text>')
        return "\n".join([*parts, "</svg>"])

    def save(self, path: str | Path) -> None:
        """Write the picture to a file; its ending says in which form: .svg, .txt, .mmd or .md, .dot.

        Others, such as .png and .pdf, are drawn by Graphviz, through the package pygraphviz.
        """
        path = Path(path)
        forms = {".svg": "svg", ".txt": "text", ".mmd": "mermaid", ".dot": "dot", ".gv": "dot"}
        if path.suffix in forms:
            path.write_text(getattr(self, forms[path.suffix]) + "\n", encoding="utf-8")
        elif path.suffix == ".md":
            path.write_text(f"```mermaid\n{self.mermaid}\n```\n", encoding="utf-8")
        else:
            try:
                import pygraphviz
            except ImportError:
                raise ImportError(
                    f"draw: to write {path.suffix or 'this'} files, install Graphviz: pip install 'minigrad[graph]'; "
                    "without it there are .svg, .txt, .mmd, .md and .dot"
                ) from None
            pygraphviz.AGraph(string=self.dot).draw(str(path), prog="dot")


_STYLE = """<style>
.arrow { fill: none; stroke: #6b7280; stroke-width: 1.2; }
rect { stroke-width: 1.2; }
.op { fill: #eef2ff; stroke: #6366f1; }
.leaf { fill: #ecfdf5; stroke: #059669; }
.module { fill: #fff7ed; stroke: #ea580c; }
.result { fill: #fef2f2; stroke: #dc2626; }
.title { font-weight: 600; fill: #111827; }
.more { fill: #4b5563; font-size: 11px; }
@media (prefers-color-scheme: dark) {
  .arrow { stroke: #9ca3af; }
  .op { fill: #1e1b4b; } .leaf { fill: #052e26; } .module { fill: #3b1d0a; } .result { fill: #3f1010; }
  .title { fill: #f9fafb; } .more { fill: #d1d5db; }
}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="3" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#6b7280"/></marker></defs>"""


def _size(box: Box) -> tuple[float, float]:
    widths = [7.2 * len(box.title), *(6.2 * len(word) for word in box.lines)]
    return max(widths) + 22, 26 + 15 * len(box.lines)


def _curve(points: list[tuple[float, float]]) -> str:
    """Return a path through the points that starts and ends vertically."""
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path += f" C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return path


def draw(target: Any, *inputs: Any, names: Any = None, depth: int | None = None) -> Drawing:
    """Draw the graph behind a tensor, or that of a module called with ``inputs``.

    Parameters
    ----------
    target : Tensor or Module
        A result with a history; or a module, which is then called.
    names : Module or dict, optional
        Names of tensors; by default those of the variables where this is called, and of the parameters of modules
        among them.
    depth : int, optional
        Draw each module at this depth as one box: 1 for the modules inside the outermost. By default this is done
        where it is needed to get down to some 30 boxes, as far as it is known which op was called by which module: for
        a module as ``target``, and for what was computed inside ``minigrad.inspection.tracing()``. 0 shows all ops.

    Returns
    -------
    Drawing
        With the properties ``text``, ``mermaid``, ``dot`` and ``svg``, and ``save(path)``.

    Examples
    --------
    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> loss = (w * w).sum()
    >>> print(minigrad.draw(loss))
    loss = sum  ()
    └─ mul  (2,)
       ├─ w  (2,)  [1, 2]  grad not computed yet
       └─ w  (2,)  [1, 2]  grad not computed yet
    """
    outputs: list[Any] = [target]
    if not isinstance(target, TensorBase) and callable(target):
        with tracing():
            result = target(*inputs)
        outputs = [y for y in (result if isinstance(result, (tuple, list)) else [result]) if isinstance(y, TensorBase)]
        names = target if names is None else names
    for y in outputs:
        refuse_no_history("draw", y)
    nodes = nodes_of(*outputs)
    known = Names(nodes, names)
    results = {y.node for y in outputs}
    groups = _groups(nodes, names if hasattr(names, "named_modules") else None, depth)
    boxes: list[Box] = []
    key: dict[Any, int] = {}  # the box of each node and leaf

    def add(*things: Any, box: Box) -> None:
        boxes.append(box)
        for thing in things:
            key[thing] = box.key

    grouped = {node for group, _ in groups for node in group}
    for leaf in leaves_of(nodes):
        users = [node for node in nodes if any(parent is leaf for parent in node.parents)]
        if not isinstance(leaf, Parameter) or not all(node in grouped for node in users):
            add(leaf, box=Box(len(boxes), "leaf", known[leaf], _about_leaf(leaf)))
    first = {group[0]: (group, title) for group, title in groups}
    for node in nodes:
        kind = "result" if node in results else "op"
        if node in first:
            group, title = first[node]
            inside = [x for x in leaves_of(group) if x not in key]
            count = sum(x.array.size for x in inside)
            about = [str(tuple(group[-1].shape))] + [f"{count:,} parameters"] * bool(count)
            add(*group, *inside, box=Box(len(boxes), "module", title, about))
        elif node not in grouped:
            op, name = node.plan.op.name, known[node]
            title = op if name.rpartition("_")[0] == op else f"{name} = {op}"
            add(node, box=Box(len(boxes), kind, title, [str(tuple(node.shape or ()))]))
    arrows = [(key[parent], key[node]) for node in nodes for parent in node.parents if key[parent] != key[node]]
    if any(group for group, _ in groups):
        arrows = list(dict.fromkeys(arrows))
    return Drawing(boxes, arrows)


def _about_leaf(leaf: Any) -> list[str]:
    about = [str(tuple(leaf.shape))]
    if leaf.array.size <= 4:
        about.append(shortly(leaf))
    grad = leaf._grad
    about.append("grad not computed yet" if grad is None else f"grad {shortly(grad, 4)}")
    return about


def _groups(nodes: list[Node], module: Any, depth: int | None) -> list[tuple[list[Node], str]]:
    """Return runs of nodes that one module made, with its title; none if there are few nodes.

    Calls follow each other, so what one call recorded stands together in order of age, and boxes made of runs have no
    circles between them.
    """
    if depth == 0 or (depth is None and len(nodes) + len(leaves_of(nodes)) <= MANY):
        return []
    paths = {} if module is None else {id(m): path for path, m in module.named_modules()}
    at_work = {node: modules_of(node) for node in nodes}
    deepest = max(map(len, at_work.values()), default=0)
    found: list[tuple[list[Node], str]] = []
    for level in [depth] if depth is not None else range(deepest - 1, 0, -1):
        found, previous = [], None
        for node in nodes:
            inner = at_work[node][level] if len(at_work[node]) > level else None
            title = "" if inner is None else f"{paths.get(id(inner), '')} {type(inner).__name__}".strip()
            if title and found and found[-1][1] == title and found[-1][0][-1] is previous:
                found[-1][0].append(node)
            elif title:
                found.append(([node], title))
            previous = node
        if len(found) + sum(len(at_work[node]) <= level for node in nodes) <= MANY:
            break
    return found

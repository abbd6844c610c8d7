"""The calculus sheets: every op with its formula, its derivative, its curve, its code, and what it keeps."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections import defaultdict
from pathlib import Path
from textwrap import indent
from typing import Any

import minigrad
import minigrad.linalg
import minigrad.nn
import minigrad.special
from generate.curves import curve
from generate.inventory import ROOT, definitions, place
from generate.text import plain, prose
from minigrad.ops.op import Op, Plan, Variadic, _argument_names, registry

TITLES = {
    "elementwise": "Entry by entry",
    "representation": "How numbers are written",
    "special": "Special functions",
    "activation": "Activations",
    "reduction": "Reductions",
    "norms": "Norms and distances",
    "cumulative": "Running sums and products",
    "statistics": "Counting",
    "sorting": "Sorting and searching",
    "shape": "Shapes",
    "indexing": "Indexing",
    "scattering": "Scattering",
    "diagonals": "Diagonals and triangles",
    "product": "Products",
    "linalg": "Inverses and determinants",
    "decomposition": "Decompositions",
    "loss": "Losses",
    "normalization": "Normalization",
    "convolution": "Convolution",
    "pooling": "Pooling",
    "padding": "Padding",
    "embedding": "Embedding",
    "attention": "Attention",
    "recurrent": "Recurrent networks",
    "conversion": "Copies and devices",
    "op": "Undoing broadcasting and promotion",
}
LONG = 24  # lines of code, beyond which it is folded away
MATHEMATICS = {
    "sqrt", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "arsinh", "arcosh", "artanh", "floor", "trunc",
    "mean", "sigmoid", "softmax", "hardsigmoid", "along",
}  # fmt: skip


def pages() -> dict[str, str]:
    """Return a page for each sheet, and the page that leads to them."""
    sheets: dict[str, list[Op | Variadic]] = defaultdict(list)
    for op in registry.values():
        sheets[op.forward.__module__].append(op)
    order = {f"minigrad.ops.{name}": k for k, name in enumerate(TITLES)}
    found, lines = {}, [INTRODUCTION, ".. toctree::", "   :hidden:", ""]
    there = sorted(sheets, key=lambda module: order.get(module, len(order)))
    names = [module.rpartition(".")[2] for module in there]
    lines += [*(f"   {name}" for name in names), "", *LIST, "   * - Sheet", "     - Ops"]
    for module, name in zip(there, names, strict=True):
        found[f"sheets/{name}.rst"] = sheet(module, sheets[module])
        shown = [op for op in sheets[module] if has_words(op)]
        links = ", ".join(f":ref:`{op.name} <{label(op)}>`" for op in shown)
        lines += [f"   * - :doc:`{title(name)} <{name}>`", f"     - {links}"]
    return {"sheets/index.rst": "\n".join([*lines, ""]), **found}


LIST = [".. list-table::", "   :class: names", "   :widths: 30 70", "   :header-rows: 1", ""]
INTRODUCTION = """\
The calculus sheets
===================

Everything minigrad can differentiate is made of the ops on these sheets. An op is a forward computation and, beside it,
its derivative. The pages are read off the code: formula and rule stand there as they run.

How to read an entry, with ``tanh`` as the example:

- **Formula and derivative.** ``d = (1 - tanh(x)^2) dx`` says how the output changes when the input changes a little.
- **The curve** is solid, its slope is dashed.
- **Rule.** ``x=lambda g, y: g * (1 - y * y)`` turns the incoming gradient ``g`` into the share of the input ``x``.
- **Kept for backward** is what the rule asks for by name, and nothing else. ``tanh`` asks for its output ``y``, so the
  input can be freed.

"""


def title(name: str) -> str:
    """Return the title of a sheet."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def label(op: Op | Variadic) -> str:
    """Return where an op's entry is linked to."""
    return f"op-{op.name}"


def words(op: Op | Variadic) -> tuple[str, str]:
    """Return formula and derivative; a family of ops has them in its docstring as an op has."""
    if isinstance(op, Op):
        return op.formula, op.derivative_formula
    formula, _, derivative = (op.__doc__ or "").strip().partition("\n\n")[0].partition(";   ")
    return " ".join(formula.split()), " ".join(derivative.split())


def has_words(op: Op | Variadic) -> bool:
    """Whether an op says what it computes; helpers need not."""
    return bool(words(op)[0])


# --------------------------------------------------------------------------------------------------------------
# One sheet


def sheet(module: str, ops: list[Op | Variadic]) -> str:
    """Return the page of one file of ops."""
    file = Path(inspect.getfile(ops[0].forward)).relative_to(ROOT).as_posix()
    name = module.rpartition(".")[2]
    text = (ROOT / file).read_text(encoding="utf-8")
    heads = sections(text)
    lines = [title(name), "=" * len(title(name)), "", f"The file: :src:`{file}`", ""]
    lines += [prose(about(ast.get_docstring(ast.parse(text)) or "")), ""]
    before = None
    for op in sorted((op for op in ops if has_words(op)), key=first_line):
        head = next((words for line, words in reversed(heads) if line < first_line(op)), None)
        if head != before and head is not None:
            lines += [head, "-" * len(head), ""]
        before = head
        lines += entry(op, file)
    lines += composed(module, {id(op) for op in ops})
    return "\n".join(lines)


def about(text: str) -> str:
    """Return a file's docstring as the opening of its page."""
    return re.sub(r"^Op sheets?: (.)", lambda found: found[1].upper(), text)


def first_line(op: Op | Variadic) -> int:
    """Return where an op stands in its file."""
    return op.forward.__code__.co_firstlineno


def sections(text: str) -> list[tuple[int, str]]:
    """Return the headings between the rules of a file, by line, as far as they are short enough for a title."""
    lines = text.splitlines()
    found = []
    for k in range(len(lines) - 1):
        if lines[k].startswith("# -----") and lines[k + 1].startswith("# ") and "---" not in lines[k + 1]:
            found.append((k + 1, re.split(r": |; |\. |\.$", lines[k + 1][2:])[0].replace("`", "")))
    return found


def entry(op: Op | Variadic, file: str) -> list[str]:
    """Return what the sheet says of one op."""
    formula, derivative = words(op)
    shown = f"{op.name}({', '.join(_arguments(op))})"
    lines = [f".. _{label(op)}:", "", ".. rst-class:: op", "", op.name, "^" * len(op.name), ""]
    picture = curve(op, op.name) if isinstance(op, Op) and op.rules else ""
    if picture:
        lines += [".. raw:: html", "", f"   {picture}", ""]
    said = f"``{shown} = {formula}``" if is_formula(formula) else f"``{shown}``: {plain(formula)}"
    otherwise = "its derivative is the rule below" if _rules(op) else "no derivative"
    lines += [".. rst-class:: formula", "", f"| {said}", f"| ``{derivative}``" if derivative else f"| {otherwise}"]
    lines += ["", *kept(op), *public(op)]
    lines += code(op, file)
    return lines


def is_formula(text: str) -> bool:
    """Whether a description begins with a formula: its words up to the first comma are those of mathematics."""
    return set(re.findall(r"[a-z]{4,}", text.partition(", ")[0])) <= MATHEMATICS


def _arguments(op: Op | Variadic) -> list[str]:
    return op.inputs if isinstance(op, Op) else ["x0", "x1", "..."]


def _rules(op: Op | Variadic) -> dict[str, Any]:
    if isinstance(op, Op):
        return op.rules
    return {} if op._rule is None else {"x0": op._rule(0)}


def kept(op: Op | Variadic) -> list[str]:
    """Say which arrays a node keeps: those that the rules, and the fast rule beside them, ask for by name."""
    rules = _rules(op)
    if not rules:
        return []
    member = op if isinstance(op, Op) else op.of(2)
    pool = [*member.parameters, "y", *member.keeps, *(f"{name}_shape" for name in member.inputs)]
    arrays = {*member.inputs, "y", *member.keeps, *pool[-len(member.inputs) :]}
    plan = Plan(member, sum(1 << k for k, name in enumerate(member.inputs) if name in member.rules))
    everything = [name for name in plan.keep(pool) if name in arrays]
    needs = {name: [word for word in _argument_names(rule)[1:] if word in arrays] for name, rule in rules.items()}
    said = {name: listed(asked) for name, asked in needs.items()}
    if len(set(said.values())) == 1:
        text = next(iter(said.values()))
    else:
        text = "; ".join(f"{what} for the gradient of ``{name}``" for name, what in said.items())
    more = [name for name in everything if not any(name in asked for asked in needs.values())]
    return [f"Kept for backward: {text}" + f"; {listed(more)} for the fast rule" * bool(more), ""]


def listed(names: list[str]) -> str:
    """Return what is kept in words: arrays, the output, or no more than a shape."""
    said = []
    for name in names:
        if name.endswith("_shape"):
            said.append(f"the shape of ``{name.removesuffix('_shape')}``")
        else:
            said.append(f"``{name}``" + " (the output)" * (name == "y"))
    return ", ".join(said) or "nothing"


@functools.cache
def _public() -> dict[int, list[str]]:
    """Return under which public names each op is found."""
    found: dict[int, list[str]] = defaultdict(list)
    for room in (minigrad, minigrad.nn.functional, minigrad.linalg, minigrad.special):
        for name, thing in sorted(vars(room).items()):
            if isinstance(thing, (Op, Variadic)):
                found[id(thing)].append(f"{room.__name__}.{name}")
    return found


def public(op: Op | Variadic) -> list[str]:
    """Say under which names users find an op."""
    paths = _public().get(id(op), [])
    return ["Public as " + ", ".join(f":py:obj:`{path}`" for path in paths), ""] if paths else []


# --------------------------------------------------------------------------------------------------------------
# Code


@functools.cache
def _statements(file: str) -> tuple[list[str], dict[str, list[tuple[int, int]]]]:
    """Return a file's lines, and where the derivatives of each name are set."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for node in ast.parse(text).body:
        marks = [node.value.func] if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else []
        marks += node.decorator_list if isinstance(node, ast.FunctionDef) else []
        for mark in marks:
            if isinstance(mark, ast.Attribute) and mark.attr == "derivative" and isinstance(mark.value, ast.Name):
                found[mark.value.id].append((mark.lineno, node.end_lineno or node.lineno))
    return text.splitlines(), found


def code(op: Op | Variadic, file: str) -> list[str]:
    """Return the forward without its docstring, and the rules, as they stand in the file."""
    lines, rules = _statements(file)
    forward = inspect.unwrap(op.forward)
    source, start = inspect.getsourcelines(forward)
    body = _without_docstring("".join(source)).splitlines()
    for rule in {id(rule): rule for rule in _rules(op).values()}.values():
        named = inspect.unwrap(rule)
        if named.__name__ in definitions(ROOT / file):  # a function of its own, not a lambda
            body += ["", *inspect.getsource(named).splitlines()]
    for first, last in rules.get(forward.__name__, []):
        body += ["", *lines[first - 1 : last]]
    block = [".. code-block:: python", "", indent("\n".join(body), "   "), ""]
    link = f":src:`{file}:{forward.__qualname__}`"
    if len(body) > LONG:
        block = [".. raw:: html", "", f"   <details><summary>The code, {len(body)} lines</summary>", "", *block,
                 ".. raw:: html", "", "   </details>", ""]  # fmt: skip
    fast = op.raw_rule if isinstance(op, Op) else None
    named = fast is not None and fast.__name__ in definitions(ROOT / file)
    beside = f"; the fast rule for arrays: :src:`{file}:{fast.__name__}`" if fast is not None and named else ""
    return [*block, f"In {link}, line {start}{beside}", ""]


def _without_docstring(source: str) -> str:
    tree = ast.parse(source)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    lines = source.splitlines()
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        del lines[text.lineno - 1 : text.end_lineno]
        lines = [line for k, line in enumerate(lines) if not (k == text.lineno - 1 and not line.strip())]
    return "\n".join(lines)


def composed(module: str, ops: set[int]) -> list[str]:
    """List the functions of a sheet that are no ops of their own but made of ops."""
    sheet = importlib.import_module(module)
    lines = []
    for name, thing in vars(sheet).items():
        if name.startswith("_") or not inspect.isfunction(thing) or thing.__module__ != module:
            continue
        text = " ".join(inspect.cleandoc(thing.__doc__ or "").partition("\n\n")[0].split())
        found = place(thing)
        if text and found and module != "minigrad.ops.op":
            lines += [f"   * - :src:`{found[0]}:{name}`", f"     - {plain(text)}"]
    if not lines:
        return []
    head = "Composed of ops"
    intro = "These have no rule of their own. They call ops, and their derivatives follow."
    return [head, "-" * len(head), "", intro, "", *LIST, "   * - Function", "     - What it is", *lines, ""]

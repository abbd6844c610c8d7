"""The reference: every public name with its signature, its docstring, and a link to its source."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from textwrap import indent
from typing import Any

from numpydoc.docscrape_sphinx import SphinxDocString

import minigrad
from generate.inventory import Name, unwrapped
from generate.text import plain, prose
from minigrad.ops.op import Op, Variadic

SPLIT = 100  # names, beyond which a room has a page for each of its files
GROUPS = {  # small files whose names stand together on one page
    "random": ("sampling", "draws"),
    "creation": ("creation", "grids", "conversion"),
    "elementwise": ("elementwise", "representation", "methods", "activation"),
    "reduction": ("reduction", "statistics", "norms", "cumulative"),
    "shape": ("shape", "diagonals"),
    "indexing": ("indexing", "scattering"),
    "linear algebra": ("product", "linalg", "decomposition"),
    "inspection": ("drawing", "explanation", "layers", "memory"),
    "numbers and settings": ("minigrad", "backend", "printing", "promotion", "tensor", "grad_mode", "serialization"),
}


def pages(rooms: dict[str, list[Name]]) -> dict[str, str]:
    """Return the pages of the reference."""
    found: dict[str, str] = {"reference/tensor.rst": tensor_page()}
    contents = ["tensor"]
    for room, names in rooms.items():
        files: dict[str, list[Name]] = defaultdict(list)
        for name in names:
            if name.thing is not minigrad.Tensor:
                files[name.home].append(name)
        page = room.removeprefix("minigrad.") if room != "minigrad" else "functions"
        contents.append(page)
        if len(names) <= SPLIT:
            found[f"reference/{page}.rst"] = room_page(room, files)
            continue
        parts: dict[str, list[Name]] = {}
        for group, homes in sorted(grouped(room, files).items()):
            part = f"{page}.{group.replace(' ', '_')}"
            parts[part] = [name for home in homes for name in files[home]]
            found[f"reference/{part}.rst"] = group_page(room, group, homes, parts[part])
        found[f"reference/{page}.rst"] = split_page(room, parts)
    lines = ["Reference", "=========", "", "Every public name, by the place where PyTorch has it.", ""]
    lines += [".. toctree::", "   :maxdepth: 1", "", *(f"   {page}" for page in contents), ""]
    found["reference/index.rst"] = "\n".join(lines)
    return found


def grouped(room: str, files: dict[str, list[Name]]) -> dict[str, list[str]]:
    """Return the modules that share a page: those of one name, and in the outermost room those of one group."""
    groups: dict[str, list[str]] = defaultdict(list)
    for home in files:
        word = home.rpartition(".")[2]
        merged = [group for group, words in GROUPS.items() if word in words and room == "minigrad"]
        groups[merged[0] if merged else word].append(home)
    return groups


def heading(text: str, line: str) -> list[str]:
    """Return a title."""
    return [text, line * len(text), ""]


def introduction(module: str) -> list[str]:
    """Return what a module says of itself."""
    text = inspect.cleandoc(importlib.import_module(module).__doc__ or "")
    return [prose(text), ""] if text else []


def module(room: str) -> list[str]:
    """Say that what follows describes this module."""
    return [f".. py:module:: {room}", "   :no-index-entry:", ""]


def room_page(room: str, files: dict[str, list[Name]]) -> str:
    """Return the page of a module."""
    names = [name for inside in files.values() for name in inside]
    return "\n".join([*heading(room, "="), *module(room), *introduction(room), *table(names), *entries(room, names)])


def group_page(room: str, group: str, homes: list[str], names: list[Name]) -> str:
    """Return a page of a module that has several."""
    intro = introduction(homes[0]) if len(homes) == 1 and homes[0] != room else []
    title = f"{room}: {group.replace('_', ' ')}"
    return "\n".join([*heading(title, "="), *intro, *table(names), *entries(room, names)])


def split_page(room: str, parts: dict[str, list[Name]]) -> str:
    """Return the page that leads to the pages of a large module."""
    lines = [*heading(room, "="), *module(room), *introduction(room), ".. toctree::", "   :hidden:", ""]
    lines += [*(f"   {part}" for part in parts), ""]
    for part, names in parts.items():
        lines += [f":doc:`{part}`", "    " + ", ".join(f":py:obj:`~{name.path}`" for name in names), ""]
    return "\n".join(lines)


def table(names: Iterable[Name]) -> list[str]:
    """Return a list of names with the first line of what each is."""
    lines = [".. list-table::", "   :class: names", "   :widths: 30 70", "   :header-rows: 1", ""]
    lines += ["   * - Name", "     - What it is"]
    for name in sorted(names, key=lambda name: name.name.lower()):
        lines += [f"   * - :py:obj:`~{name.path}`", f"     - {first_line(name)}"]
    return [*lines, ""]


def first_line(name: Name) -> str:
    """Return what a name is, in a line."""
    if name.kind == "data":
        return f"``{name.thing!r}``"
    if str(getattr(name.thing, "__module__", "")).startswith("numpy"):
        return "NumPy's."
    op = op_of(name.thing)
    if op is not None:
        return f"``{op.formula}``" if isinstance(op, Op) and op.formula else " "
    thing = unwrapped(name.thing) if isinstance(name.thing, functools.partial) else name.thing
    text = inspect.cleandoc(inspect.getdoc(thing) or "")
    return plain(" ".join(re.split(r"\n\s*\n|;   |\n(?=\S+\n-)", text)[0].split())) or " "


def op_of(thing: Any) -> Op | Variadic | None:
    """Return the op behind a name, if it is one."""
    return thing if isinstance(thing, (Op, Variadic)) else None


# --------------------------------------------------------------------------------------------------------------
# Entries


def entries(room: str, names: Iterable[Name]) -> list[str]:
    """Return the descriptions of some names of a module."""
    lines = [f".. py:currentmodule:: {room}", ""]
    first: dict[int, Name] = {}
    for name in sorted(names, key=lambda name: (name.name.lower() != getattr(name.thing, "__name__", ""), name.name)):
        known = first.setdefault(id(name.thing), name) if name.kind != "data" else name
        lines += entry(name, known)
    return lines


def entry(name: Name, known: Name) -> list[str]:
    """Return the description of a name; ``known`` is the first of those that mean the same."""
    if name.kind == "data":
        return [f".. py:data:: {name.name}", f"   :value: {name.thing!r}", ""]
    directive = f".. py:{name.kind}:: {name.name}{signature(name.thing)}"
    if known is not name:
        return [directive, "", f"   Another name of :py:obj:`~{known.path}`.", ""]
    if str(getattr(name.thing, "__module__", "")).startswith("numpy"):
        return [directive, "", f"   NumPy's ``{name.name}``.", ""]
    body = doc(name.thing)
    if name.kind == "class":
        body += members(name.thing)
    return [directive, "", indent("\n".join(body), "   "), ""]


def signature(thing: Any) -> str:
    """Return the signature without annotations."""
    try:
        full = inspect.signature(thing)
    except (TypeError, ValueError):
        return "()"
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in full.parameters.values()]
    text = str(full.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    text = re.sub(r"<(?:class|function) '?([\w.]+).*?>", r"\1", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def doc(thing: Any) -> list[str]:
    """Return a docstring as reStructuredText; an op's as formula and derivative."""
    op = op_of(thing)
    text = inspect.cleandoc((thing.__doc__ if not isinstance(thing, type) else vars(thing).get("__doc__")) or "")
    if isinstance(thing, functools.partial) or (op is None and inspect.isfunction(thing) and not text):
        text = inspect.cleandoc(unwrapped(thing).__doc__ or "")
    lines = []
    if isinstance(op, Op) and op.formula:
        lines += [f"``{op.formula}``", ""]
        if op.derivative_formula:
            lines += [f"``{op.derivative_formula}``", ""]
        text = text.partition("\n\n")[2]
        lines += [f"On its sheet: :ref:`{op.name} <op-{op.name}>`", ""]
    if text:
        lines += [rendered(text), ""]
    return lines


def rendered(text: str) -> str:
    """Return a docstring with its sections of parameters, examples and so on, as reStructuredText."""
    return str(SphinxDocString(prose(text), config={"show_class_members": False}))


def members(cls: type) -> list[str]:
    """Return the methods and properties that a class describes itself."""
    lines: list[str] = []
    for name, thing in vars(cls).items():
        if name.startswith("_"):
            continue
        lines += member(name, thing)
    return lines


def member(name: str, thing: Any, always: bool = False) -> list[str]:
    """Return the description of a method or property; without a docstring only if it is wanted anyway."""
    inner = unwrapped(thing)
    text = inspect.cleandoc(getattr(inner, "__doc__", "") or "")
    if isinstance(thing, property):
        directive = [f".. py:property:: {name}"]
    elif callable(thing) or isinstance(thing, (staticmethod, classmethod)):
        directive = [f".. py:method:: {name}{method_signature(thing)}"]
        if isinstance(thing, (staticmethod, classmethod)):
            directive.append(f"   :{type(thing).__name__}:")
    else:
        return []
    if not text and not always:
        return []
    body = rendered(text) if text else ""
    return [*directive, "   :no-index-entry:", "", indent(body, "   "), ""]


def method_signature(thing: Any) -> str:
    """Return the signature of a method, without self."""
    text = signature(thing.__func__ if isinstance(thing, (staticmethod, classmethod)) else thing)
    bare = isinstance(thing, staticmethod)
    return text if bare else re.sub(r"^\((\w+)(?:, /)?(?:, |(?=\)))", "(", text)


def tensor_page() -> str:
    """Return the page of the tensor: what only it has, then the methods that are functions too."""
    cls = minigrad.Tensor
    own: list[str] = []
    twins: list[str] = []
    for name in sorted(dir(cls)):
        thing = inspect.getattr_static(cls, name)
        if name.startswith("_") or isinstance(thing, type):
            continue
        if not callable(thing) and not isinstance(thing, (property, staticmethod, classmethod)):
            continue
        if isinstance(thing, property) or not hasattr(minigrad, name):
            own += tensor_member(name, thing)
        else:
            twins += [f".. py:method:: {name}{method_signature(thing)}", "   :no-index-entry:", ""]
            twins += [f"   :py:obj:`minigrad.{name}` of this tensor.", ""]
    lines = [*heading("minigrad.Tensor", "="), ".. py:currentmodule:: minigrad", "", ".. py:class:: Tensor", ""]
    lines += [indent("\n".join(doc(cls)), "   "), ""]
    lines += [*heading("What only a tensor has", "-"), ".. py:currentmodule:: minigrad", ""]
    lines += _in_tensor(own) + heading("Methods that are functions too", "-") + _in_tensor(twins)
    return "\n".join(lines)


def tensor_member(name: str, thing: Any) -> list[str]:
    """Return what the page of the tensor says of one of its attributes."""
    head = [f".. py:method:: {name}{method_signature(thing)}" if callable(thing) else "", "   :no-index-entry:", ""]
    base = name.removesuffix("_")
    if base != name and callable(getattr(minigrad.Tensor, base, None)):
        return [*head, f"   What :py:meth:`~minigrad.Tensor.{base}` gives, written into this tensor.", ""]
    if isinstance(op_of(thing), Op):
        return [*head, indent("\n".join(doc(thing)), "   "), ""]
    return member(name, thing, always=True)


def _in_tensor(lines: Iterable[str]) -> list[str]:
    """Give methods their class, where they do not stand inside it."""
    return [re.sub(r"^\.\. py:(method|property):: ", r".. py:\1:: Tensor.", line) for line in lines]


def documented(rooms: dict[str, list[Name]]) -> Iterator[str]:
    """Yield every name that the pages describe; the tests compare."""
    for text in pages(rooms).values():
        module = ""
        for line in text.splitlines():
            if found := re.match(r"\.\. py:currentmodule:: (\S+)", line):
                module = found[1]
            elif found := re.match(r"\.\. py:(?:class|function|data|method|property):: ([\w.]+)", line):
                yield f"{module}.{found[1]}"

"""Every public name of minigrad: where it is found, and in which file it is written."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import minigrad
from minigrad.ops.op import Op, Variadic

ROOT = Path(minigrad.__file__).resolve().parents[1]

ROOMS = [  # in reading order
    "minigrad",
    "minigrad.nn",
    "minigrad.nn.functional",
    "minigrad.nn.init",
    "minigrad.nn.utils",
    "minigrad.nn.parallel",
    "minigrad.optim",
    "minigrad.optim.lr_scheduler",
    "minigrad.optim.swa_utils",
    "minigrad.utils.data",
    "minigrad.utils.checkpoint",
    "minigrad.autograd",
    "minigrad.autograd.functional",
    "minigrad.func",
    "minigrad.cuda",
    "minigrad.linalg",
    "minigrad.special",
    "minigrad.metrics",
    "minigrad.metrics.functional",
    "minigrad.transforms",
    "minigrad.transforms.functional",
    "minigrad.datasets",
    "minigrad.inspection",
    "minigrad.distributed",
]


@dataclass(frozen=True)
class Name:
    """A public name and what it stands for."""

    room: str
    name: str
    thing: Any

    @property
    def path(self) -> str:
        """Where users find it."""
        return f"{self.room}.{self.name}"

    @property
    def home(self) -> str:
        """The module in which it is written; the room itself for plain values."""
        thing = unwrapped(self.thing)
        home = getattr(thing, "__module__", None) or self.room
        return home if home.startswith("minigrad") else self.room

    @property
    def kind(self) -> str:
        """Return class, function or data."""
        if inspect.isclass(self.thing):
            return "class"
        return "function" if callable(self.thing) else "data"


def unwrapped(thing: Any) -> Any:
    """Return what a decorator, a partial or an op was made from: something with a place in a file."""
    while True:
        if isinstance(thing, (Op, Variadic)):
            thing = thing.forward
        elif isinstance(thing, functools.partial):
            thing = thing.func
        elif isinstance(thing, property):
            thing = thing.fget
        elif isinstance(thing, (staticmethod, classmethod)):
            thing = thing.__func__
        elif hasattr(thing, "__wrapped__"):
            thing = thing.__wrapped__
        else:
            return thing


def names(room: str) -> list[str]:
    """Return the public names of a module: what it says they are, or what it has that came from minigrad."""
    module = importlib.import_module(room)
    if hasattr(module, "__all__"):
        found = list(module.__all__)
    else:
        found = [name for name, thing in vars(module).items() if not name.startswith("_") and _is_ours(thing, room)]
    found += [name for names in vars(module).get("_BY_ROOM", {}).values() for name in names]  # imported when asked for
    return sorted({name for name in found if not isinstance(getattr(module, name), ModuleType)}, key=str.lower)


def _is_ours(thing: Any, room: str) -> bool:
    if isinstance(thing, ModuleType) or type(thing).__module__ == "__future__":
        return False
    if not callable(thing):
        return room == "minigrad"  # pi, float32; elsewhere such names are helpers
    home = getattr(unwrapped(thing), "__module__", None) or ""
    around = sys.modules.get(room.rpartition(".")[0])
    if isinstance(thing, type) and around is not None and thing in vars(around).values():
        return False  # it came from there for the functions' use
    return home.startswith("minigrad") or (room == "minigrad" and home == "numpy")


@functools.cache
def rooms() -> dict[str, list[Name]]:
    """Return the public names of every room that is there."""
    there = {}
    for room in ROOMS:
        try:
            module = importlib.import_module(room)
        except ModuleNotFoundError as error:
            if error.name == room:
                continue
            raise
        there[room] = [Name(room, name, getattr(module, name)) for name in names(room)]
    return there


# --------------------------------------------------------------------------------------------------------------
# Places in files


@functools.cache
def definitions(path: Path) -> dict[str, int]:
    """Return the line of every class and function in a file by its qualified name, decorators included."""

    def visit(node: ast.AST, before: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                yield before + child.name, first
                yield from visit(
                    child, before + child.name + ("." if isinstance(child, ast.ClassDef) else ".<locals>.")
                )
            elif isinstance(child, (ast.If, ast.Try, ast.With)):
                yield from visit(child, before)

    return dict(visit(ast.parse(path.read_text(encoding="utf-8")), ""))


def place(thing: Any) -> tuple[str, int] | None:
    """Return the file of minigrad, relative to the repository, and the line where something is defined."""
    thing = unwrapped(thing)
    name = getattr(thing, "__qualname__", None)
    module = sys.modules.get(getattr(thing, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    if name is None or file is None or not str(module.__name__).startswith("minigrad"):  # type: ignore[union-attr]
        return None
    path = Path(file).resolve()
    line = definitions(path).get(name)
    if line is None and hasattr(thing, "__code__"):
        path, line = Path(thing.__code__.co_filename).resolve(), thing.__code__.co_firstlineno
    return None if line is None else (path.relative_to(ROOT).as_posix(), line)

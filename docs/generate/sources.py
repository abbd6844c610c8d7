"""The sources of minigrad as pages with numbered lines, and links that lead to a line."""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from generate import inventory

FILES = sorted(
    path.relative_to(inventory.ROOT).as_posix()
    for folder in ("minigrad", "tutorials")
    for path in (inventory.ROOT / folder).rglob("*.py")
)


def target(file: str, line: int | None, depth: int) -> str:
    """Return the address of a line of a source page, from a page so many folders deep."""
    return "../" * depth + f"source/{file}.html" + (f"#L-{line}" if line else "")


def resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return where the definition of something in the reference is; those pages are one folder deep."""
    if domain != "py":
        return None
    try:
        thing: Any = importlib.import_module(info["module"])
        for word in info["fullname"].split("."):
            thing = vars(thing)[word] if isinstance(thing, type) and word in vars(thing) else getattr(thing, word)
    except (ImportError, AttributeError, ValueError):
        return None
    found = inventory.place(thing)
    return None if found is None else target(*found, depth=1)


def source_pages(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield a page for every file of minigrad."""
    formatter = HtmlFormatter(linenos="inline", linespans="L", wrapcode=True)
    lexer = PythonLexer()
    for file in FILES:
        code = highlight((inventory.ROOT / file).read_text(encoding="utf-8"), lexer, formatter)
        body = f'<h1 class="source-title">{html.escape(file)}</h1>\n<div class="source">{code}</div>'
        yield f"source/{file}", {"title": file, "body": body, "parents": [], "toc": ""}, "page.html"


def src(
    _name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Link to a source: ``minigrad/tensor.py``, or ``minigrad/tensor.py:Tensor.backward`` for a definition in it."""
    file, _, name = text.partition(":")
    lines = inventory.definitions(inventory.ROOT / file) if file in FILES else None
    if lines is None or (name and name not in lines):
        what = f"no definition {name!r} in {file}" if lines else f"no file {file!r}"
        return [], [inliner.reporter.error(f"src: there is {what}", line=lineno)]  # type: ignore[attr-defined]
    depth = inliner.document.settings.env.docname.count("/")  # type: ignore[attr-defined]
    shown = name or file.removeprefix("minigrad/")
    link = nodes.reference(rawtext, "", refuri=target(file, lines.get(name), depth), internal=True)
    link += nodes.literal(text=shown, classes=["source-link"])
    return [link], []


def lesson(
    _name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Link to a lesson by its number, with its title: ``3``; or with other words: ``how it began <3>``."""
    found = re.fullmatch(r"(?:(.*?) <)?(\d+)>?", text)
    if found is None:
        return [], [inliner.reporter.error(f"lesson: expected a number, got {text!r}", line=lineno)]  # type: ignore[attr-defined]
    scripts = sorted((inventory.ROOT / "tutorials").glob(f"{int(found[2]):02d}_*.py"))
    if not scripts:
        return [nodes.Text(found[1] or f"lesson {found[2]}")], []
    shown = found[1] or scripts[0].read_text(encoding="utf-8").splitlines()[1]
    depth = inliner.document.settings.env.docname.count("/")  # type: ignore[attr-defined]
    link = nodes.reference(rawtext, shown, refuri="../" * depth + f"learn/{scripts[0].stem}.html", internal=True)
    return [link], []


def lessons(
    _name: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Link to several lessons by their numbers alone: ``4, 24``. Their titles show when a number is pointed at."""
    found: list[nodes.Node] = []
    for number in text.split(", "):
        links, messages = lesson("lesson", rawtext, number, lineno, inliner)
        if messages:
            return [], messages
        for link in links:
            if isinstance(link, nodes.reference):
                link = nodes.reference(
                    rawtext, number, refuri=link["refuri"], reftitle=f"Lesson {number}: {link.astext()}", internal=True
                )
            found += [nodes.Text(", "), link]
    return found[1:], []


def setup(app: Any) -> None:
    """Register the roles and the pages."""
    app.add_role("src", src)
    app.add_role("lesson", lesson)
    app.add_role("lessons", lessons)
    app.connect("html-collect-pages", source_pages)

"""Docstrings as reStructuredText: their formulas are plain text, which must not be read as markup."""

from __future__ import annotations

import re

_KEEP = re.compile(r"``.+?``|:[\w:]+:`[^`]+`|`[^`]+`_{0,2}|(?<![\w*])\*\w[^*\s]*\w\*(?![\w*])|\[\d+\]_")


def plain(text: str) -> str:
    """Protect one piece of prose: bars, stars and closing underscores stand for themselves."""
    parts, at = [], 0
    for found in _KEEP.finditer(text):
        parts += [_escaped(text[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*parts, _escaped(text[at:])])


def _escaped(text: str) -> str:
    text = re.sub(r"([|*])", r"\\\1", text)
    return re.sub(r"(?<=\w)_(?!\w)", r"\\_", text)


def prose(text: str) -> str:
    """Protect a docstring; examples, literal blocks and tables stay as they are."""
    lines, verbatim, doctest = [], -1, False
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        if verbatim >= 0 and line.strip() and depth <= verbatim:
            verbatim = -1
        if doctest or verbatim >= 0 or not line.strip() or re.match(r"\s*(\.\. |[=+][-=+ ]+$)", line):
            lines.append(line)
        else:
            bullet = re.match(r"\s*(\* )?", line)
            start = bullet.end() if bullet else 0
            lines.append(line[:start] + plain(line[start:]))
        if verbatim < 0 and not doctest and line.rstrip().endswith("::"):
            verbatim = depth
    return "\n".join(lines)

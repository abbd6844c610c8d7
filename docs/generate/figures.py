"""The figures of the lessons, one below the other, with words for those who do not see them, and films that play."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

FOLDER = "figures"  # where lessons save theirs, below the folder in which they run


def scrape(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Return the figures that are open after a block of a lesson, as reStructuredText, and close them."""
    import matplotlib.pyplot as plt
    from sphinx_gallery.scrapers import figure_rst

    source = Path(block_vars["src_file"])
    under = heading(source.read_text(encoding="utf-8"), block[2])
    films = [source.parent / FOLDER / name for name in re.findall(r"(\w+\.gif)\b", block[1])]
    found = []
    for number, path in zip(plt.get_fignums(), block_vars["image_path_iterator"], strict=False):
        figure = plt.figure(number)
        words = describe(figure, under)
        if films and films[0].exists():  # the figure that is open is the last frame of it
            path = str(Path(path).with_suffix(".gif"))
            shutil.move(films.pop(0), path)  # a later block may name it, but does not show it
            words = f"Film. {words}"
        else:
            figure.savefig(path)
        found.append(figure_rst([path], gallery_conf["src_dir"], words))
    plt.close("all")
    return "".join(found)


def heading(source: str, line: int) -> str:
    """Return the last heading of a lesson above a line; before the first one, its title."""
    text = "\n".join(source.splitlines()[:line])
    found = re.findall(r"^(?:# )?(\S.*)\n(?:# )?(?:-{4,}|={4,})$", text, re.MULTILINE)
    return str(found[-1]) if found else ""


def describe(figure: Any, under: str) -> str:
    """Say what a figure shows: the section it belongs to, its titles, what its axes measure, and its legend."""
    titles, measures, legends = [], [], []
    if figure.get_suptitle():
        titles.append(figure.get_suptitle())
    for axis in figure.axes:
        titles += [axis.get_title(loc=where) for where in ("left", "center", "right")]
        measures.append(" against ".join(word for word in (axis.get_ylabel(), axis.get_xlabel()) if word))
        legend = axis.get_legend()
        legends += [text.get_text() for text in legend.get_texts()] if legend else []
    for legend in figure.legends:
        legends += [text.get_text() for text in legend.get_texts()]
    parts = [under, "; ".join(distinct(titles))]
    if distinct(measures):
        parts.append("Axes: " + "; ".join(distinct(measures)))
    if distinct(legends):
        parts.append("Legend: " + "; ".join(distinct(legends)))
    if not distinct([*titles, *measures]) and len(figure.axes) > 1:
        parts.append(f"{len(figure.axes)} images")
    said = " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in distinct(parts))
    return html.escape(said)  # the gallery writes it into the page as it is


def distinct(words: list[str]) -> list[str]:
    """Return words without what is empty or was said before, each on one line."""
    return list(dict.fromkeys(line for word in words if (line := " ".join(word.replace("$", "").split()))))

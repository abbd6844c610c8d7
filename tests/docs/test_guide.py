"""What the guide says is so: its examples print what they print there, and every row of its tables holds."""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("guide/*.md")])
NUMBERS = (DOCS / "guide" / "numbers.md").read_text(encoding="utf-8")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize(
    "path", [path for path in PAGES if ">>> " in path.read_text(encoding="utf-8")], ids=lambda p: p.stem
)
@pytest.mark.filterwarnings("default", "ignore::RuntimeWarning")
def test_examples(path):
    text = re.sub(r"^```.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, path.name, str(path), 0)
    said = []
    failures, tried = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert tried > 0
    assert failures == 0, "".join(said)


def rows(section, columns):
    """Return the rows of the tables under a heading, without their code marks."""
    body = NUMBERS.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = [re.findall(r" (.*?) \|", line) for line in body.splitlines() if line.startswith("| `")]
    assert found
    assert all(len(row) == columns for row in found)
    return [[cell.strip("`") for cell in row] for row in found]


def numbers(text):
    return [float(word) for word in text.split(", ")]


SLOPES = [(f, at, slope) for f, at, slope, _ in rows("Kinks", 4) + rows("Ties", 4)]
SLOPES += [(f, at, slope) for f, at, _, slope in rows("Far out", 4)]
VALUES = [(f, at, value) for f, at, value, _ in rows("Far out", 4)]


def evaluate(library, functional, expression, at):
    """Return x, and what the expression of a row makes of it, in this library."""
    x = library.tensor(numbers(at), dtype=library.float64, requires_grad=True)
    names = {"x": x, "F": functional, "zeros": library.zeros_like(x), "maximum": library.maximum}
    return x, eval(expression, {"__builtins__": {}, "minimum": library.minimum, **names})


@pytest.mark.parametrize(("expression", "at", "slope"), SLOPES)
def test_slopes(expression, at, slope):
    x, y = evaluate(minigrad, F, expression, at)
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx(numbers(slope), abs=1e-12)


@pytest.mark.parametrize(("expression", "at", "value"), VALUES)
def test_values(expression, at, value):
    _, y = evaluate(minigrad, F, expression, at)
    assert np.ravel(y.detach().numpy()) == pytest.approx(numbers(value), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("expression", "at", "slope"), SLOPES)
def test_slopes_are_those_of_pytorch(expression, at, slope):
    torch = pytest.importorskip("torch")
    x, y = evaluate(torch, torch.nn.functional, expression, at)
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx(numbers(slope), abs=1e-12)

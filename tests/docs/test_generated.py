"""The pages that are read off the code: nothing public is missing, and what they say of ops is so."""

import re
import sys
from pathlib import Path

import pytest

import minigrad
from minigrad.ops.op import Op, registry

pytest.importorskip("numpydoc")
pytest.importorskip("pygments")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generate import figures, inventory, reference, refused, sheets  # noqa: E402
from generate.curves import curve  # noqa: E402
from generate.text import plain, prose  # noqa: E402

SHEETS = sheets.pages()
REFERENCE = set(reference.documented(inventory.rooms()))


@pytest.mark.parametrize("room", inventory.rooms())
def test_every_public_name_is_in_the_reference(room):
    names = [name.path for name in inventory.rooms()[room]]
    assert names
    assert [name for name in names if name not in REFERENCE] == []


def test_every_method_of_a_tensor_is_in_the_reference():
    names = {name for name in dir(minigrad.Tensor) if not name.startswith("_") and hasattr(minigrad.ones(1, 1), name)}
    inner = {"array", "is_view", "node", "result_class"}  # for minigrad's own files
    assert {name for name in names if f"minigrad.Tensor.{name}" not in REFERENCE} == inner


def test_every_room_with_public_names_is_in_the_inventory():
    """A new package or module that says what is public in it must be listed."""
    said = set()
    for path in (ROOT / "minigrad").rglob("__init__.py"):
        room = ".".join(path.relative_to(ROOT).parent.parts)
        if re.search(r"^__all__ = ", path.read_text(encoding="utf-8"), re.MULTILINE):
            said.add(room)
    parts = {"minigrad.metrics.classification", "minigrad.utils"}  # shown by the rooms around or inside them
    assert said - parts <= set(inventory.ROOMS)


def test_every_op_is_on_a_sheet():
    text = "\n".join(SHEETS.values())
    shown = [op.name for op in registry.values() if sheets.has_words(op)]
    assert len(shown) > 200
    assert [name for name in shown if f".. _op-{name}:" not in text] == []


def test_an_op_without_words_is_a_helper():
    assert all(name.startswith("_") for name, op in registry.items() if not sheets.has_words(op))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("add", "Kept for backward: nothing"),
        ("tanh", "Kept for backward: ``y`` (the output)"),
        ("log", "Kept for backward: ``x``"),
        ("cast", "Kept for backward: nothing"),
        ("sum_to_size", "Kept for backward: the shape of ``x``"),
        ("sigmoid", "Kept for backward: ``y`` (the output)"),
        ("silu", "Kept for backward: ``x``; ``y`` (the output), ``s`` for the fast rule"),
        ("mul", "Kept for backward: ``b`` for the gradient of ``a``; ``a`` for the gradient of ``b``"),
    ],
)
def test_what_is_kept(name, words):
    assert sheets.kept(registry[name])[0] == words


def test_an_entry_shows_forward_and_rule():
    entry = "\n".join(sheets.entry(registry["tanh"], "minigrad/ops/elementwise.py"))
    assert "``d = (1 - tanh(x)^2) dx``" in entry
    assert "return xp.tanh(x)" in entry
    assert "tanh.derivative(x=" in entry
    assert "<svg" in entry


def test_every_rule_that_is_written_down_is_shown():
    for path, text in SHEETS.items():
        if path != "sheets/index.rst":
            file = ROOT / "minigrad" / "ops" / (Path(path).stem + ".py")
            written = re.findall(r"^(\w+)\.derivative\(", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert [name for name in written if f"   {name}.derivative(" not in text] == []


def points(svg, kind):
    path = re.search(rf'class="{kind}" d="([^"]*)"', svg)[1]
    return [[tuple(map(float, point.split())) for point in run.split("L")] for run in path.split("M")[1:]]


def test_a_curve_that_bends():
    svg = curve(registry["relu"], "relu")
    (value,), (left, right) = points(svg, "value"), points(svg, "slope")
    assert len(value) == 3  # flat, the kink, up
    assert left[0][1] == left[-1][1] > right[0][1] == right[-1][1]  # the slope jumps, and no line joins the pieces


def test_a_curve_ends_where_the_function_does():
    svg = curve(registry["log"], "log")
    assert min(x for run in points(svg, "slope") for x, _ in run) >= min(
        x for run in points(svg, "value") for x, _ in run
    )


def test_no_curve_of_what_mixes_entries():
    assert [name for name in ("softmax", "cumsum", "flip", "sum", "add") if curve(registry[name], name)] == []


def test_curves_say_in_words_what_they_show():
    plotted = [svg for op in registry.values() if isinstance(op, Op) and op.rules and (svg := curve(op, op.name))]
    assert len(plotted) > 50
    assert all(re.search(r'role="img" aria-label="\w+ \(solid\) and its derivative', svg) for svg in plotted)


def test_refused_names_are_refused():
    rows = list(refused.rows())
    assert len(rows) > 30
    for place, names, why in rows:
        thing = minigrad.ones(1) if place == "minigrad.Tensor" else sys.modules[place]
        for name in names:
            with pytest.raises(AttributeError, match=re.escape(why)):
                getattr(thing, name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("|x| and a * b", r"\|x\| and a \* b"),
        ("``|x|`` stays, |x| does not", r"``|x|`` stays, \|x\| does not"),
        ("clip_grad_ is a name", r"clip_grad\_ is a name"),
        ("*really* x**2", r"*really* x\*\*2"),
        ("see :func:`sum_` and x_1", "see :func:`sum_` and x_1"),
    ],
)
def test_formulas_are_no_markup(text, shown):
    assert plain(text) == shown


def test_examples_stay_as_they_are():
    text = "|x|::\n\n    a |b|\n\n>>> x**2\n|9|\n\n|y|"
    assert prose(text) == "\\|x\\|::\n\n    a |b|\n\n>>> x**2\n|9|\n\n\\|y\\|"


def drawn():
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([0, 1], label="a < b")
    left.set(title='say "yes"', xlabel="step", ylabel="loss")
    left.legend()
    right.set(title="two\nlines", xlabel="step", ylabel="loss")
    return figure


def test_a_figure_is_put_into_words():
    words = "The bend. say &quot;yes&quot;; two lines. Axes: loss against step. Legend: a &lt; b."
    assert figures.describe(drawn(), "The bend") == words


def test_figures_without_a_title_are_counted():
    plt = pytest.importorskip("matplotlib.pyplot")
    assert figures.describe(plt.subplots(2, 3)[0], "What is it?") == "What is it? 6 images."


@pytest.mark.parametrize(("line", "head"), [(4, "A lesson"), (8, "A lesson"), (13, "The first"), (30, "The second")])
def test_the_heading_above_a_line(line, head):
    text = '"""\nA lesson\n========\nProse.\n"""\n\nx = 1\n# %%\n# The first\n# ---------\n# ====  ====\n# a  b\n'
    assert figures.heading(text + "# %%\n# The second\n# ----------\n", line) == head


class Paths:
    """Where the gallery wants a lesson's figures."""

    def __init__(self, folder):
        self.paths = iter(f"{folder}/images/lesson_{k:03d}.png" for k in range(1, 9))

    def __iter__(self):
        return self.paths


def test_a_film_takes_the_place_of_its_last_frame(tmp_path):
    pytest.importorskip("sphinx_gallery")
    pytest.importorskip("matplotlib.pyplot").close("all")
    for name in ("images", "figures"):
        (tmp_path / name).mkdir()
    (tmp_path / "lesson.py").write_text("# A race\n# ------\n", encoding="utf-8")
    (tmp_path / "figures" / "race.gif").write_bytes(b"GIF89a")
    block = {"image_path_iterator": Paths(tmp_path), "src_file": str(tmp_path / "lesson.py")}
    said = []
    for _ in range(2):  # the second block only speaks of it
        drawn()
        said.append(figures.scrape(("code", 'args.out / "race.gif"', 2), block, {"src_dir": str(tmp_path)}))
    assert [path.name for path in sorted((tmp_path / "images").iterdir())] == ["lesson_001.gif", "lesson_002.png"]
    assert "lesson_001.gif" in said[0]
    assert ":alt: Film. A race. say" in said[0]
    assert ":alt: A race. say" in said[1]

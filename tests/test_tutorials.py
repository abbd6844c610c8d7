"""Every tutorial runs by itself, without a warning, and draws its figures."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import strict_cupy

plt = pytest.importorskip("matplotlib.pyplot")

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))


def lesson_names() -> list[str]:
    return [path.stem for path in TUTORIALS]


def has_quick(path: Path) -> bool:
    return "--quick" in path.read_text(encoding="utf-8")


def figures_of(path: Path) -> list[str]:
    """Return the figures that a lesson saves: every "NN_name.png" in its text."""
    text = path.read_text(encoding="utf-8")
    return sorted(set(re.findall(rf"\b{path.stem[:2]}_\w+\.(?:png|gif)", text)))


@pytest.fixture
def tutorial(monkeypatch, capsys, tmp_path):
    """Run a tutorial in this process and return what it printed."""

    def run(name: str, *arguments: str) -> str:
        path = ROOT / "tutorials" / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), "--out", str(tmp_path / "figures"), *arguments])
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out.replace(str(tmp_path), "")

    with plt.rc_context():
        yield run
    plt.close("all")


def check_figures(path, folder):
    drawn = sorted(folder.iterdir())
    assert [figure.name for figure in drawn] == figures_of(path)
    assert drawn
    assert all(figure.stat().st_size > 5000 for figure in drawn)


@pytest.mark.parametrize("path", TUTORIALS, ids=lesson_names())
def test_runs_and_draws(path, tutorial, tmp_path):
    tutorial(path.stem, *["--quick"] * has_quick(path))
    check_figures(path, tmp_path / "figures")


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in TUTORIALS if has_quick(path)], ids=lambda path: path.stem)
def test_runs_in_full(path, tutorial, tmp_path):
    tutorial(path.stem)
    check_figures(path, tmp_path / "figures")


def test_digits_are_learned(tutorial):
    printed = tutorial("08_digits")
    assert float(re.search(r"test: .* accuracy ([\d.]+)%", printed)[1]) >= 97.5
    assert re.search(r"stopped after epoch \d+, back to the state of epoch \d+", printed)


def test_same_seed_same_numbers(tutorial):
    first, second, other = (tutorial("08_digits", "--quick", "--seed", seed) for seed in ("3", "3", "4"))
    assert first == second
    assert first != other


def test_digits_on_a_gpu(tutorial):
    with strict_cupy.installed():
        printed = tutorial("08_digits", "--quick", "--device", "cuda")
    assert float(re.search(r"test: .* accuracy ([\d.]+)%", printed)[1]) > 90


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lesson_names())
def test_runs_on_a_gpu(path, tutorial, tmp_path):
    with strict_cupy.installed():
        tutorial(path.stem, "--device", "cuda", *["--quick"] * has_quick(path))
    check_figures(path, tmp_path / "figures")


def test_the_scalar_engine_is_short():
    text = (ROOT / "tutorials" / "03_backprop_from_nothing.py").read_text(encoding="utf-8")
    engine = text[text.index("class Value") : text.index("# That is the whole engine")]
    assert len([line for line in engine.splitlines() if line and not line.startswith("#")]) < 100


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_form(path):
    """A title, prose in blocks as the gallery reads them, an assertion at the end, then exercises."""
    text = path.read_text(encoding="utf-8")
    title, underline = text.splitlines()[1:3]
    assert text.startswith('"""\n')
    assert underline == "=" * len(title)
    blocks = text.split("\n# %%\n")
    assert len(blocks) > 4
    assert all(block.startswith("# ") for block in blocks[1:])
    assert blocks[-1].startswith("# Exercises\n# -----")
    assert "assert " in blocks[-2]
    assert "plt.show" not in text
    assert 'add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")' in text


def test_runs_from_anywhere_and_draws_beside_itself(tmp_path):
    script = Path(shutil.copy(TUTORIALS[0], tmp_path))
    done = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.stderr == ""
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == figures_of(TUTORIALS[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in TUTORIALS if "\n# portable" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_portable_lessons_run_on_pytorch_with_the_imports_changed(path, tmp_path):
    """What is learned here holds there: the same text in torch, if both draw the same random numbers."""
    pytest.importorskip("torch")
    printed = []
    for library in ("minigrad", "torch"):
        launcher = ROOT / "tests" / "launched" / "portable.py"
        done = subprocess.run(
            [sys.executable, launcher, library, path, "--out", tmp_path, *["--quick"] * has_quick(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    if path.stem != "02_derivatives":  # which shows rounding errors, times and gradcheck's own words
        assert printed[0] == printed[1]

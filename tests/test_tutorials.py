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
FIGURES = {
    "01_gradient_descent": ["01_rates.png", "01_steps.png"],
    "02_backprop_from_nothing": ["02_graph.png"],
    "03_linear_regression": ["03_linear_regression.png"],
    "04_digits": ["04_confusion.png", "04_learning.png", "04_mistakes.png", "04_weights.png"],
}


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


def test_all_tutorials_are_listed_here():
    assert [path.stem for path in TUTORIALS] == list(FIGURES)


def check_figures(name, folder):
    drawn = sorted(folder.iterdir())
    assert [path.name for path in drawn] == FIGURES[name]
    assert all(path.stat().st_size > 5000 for path in drawn)


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "04_digits"])
def test_runs_and_draws(name, tutorial, tmp_path):
    tutorial(name)
    check_figures(name, tmp_path / "figures")


def test_digits_are_learned(tutorial, tmp_path):
    printed = tutorial("04_digits")
    assert float(re.search(r"test: .* accuracy ([\d.]+)%", printed)[1]) >= 97.5
    assert re.search(r"stopped after epoch \d+, back to the state of epoch \d+", printed)
    check_figures("04_digits", tmp_path / "figures")


def test_same_seed_same_numbers(tutorial):
    first, second, other = (tutorial("04_digits", "--quick", "--seed", seed) for seed in ("3", "3", "4"))
    assert first == second
    assert first != other


def test_digits_on_a_gpu(tutorial):
    with strict_cupy.installed():
        printed = tutorial("04_digits", "--quick", "--device", "cuda")
    assert float(re.search(r"test: .* accuracy ([\d.]+)%", printed)[1]) > 90


def test_the_scalar_engine_is_short():
    text = (ROOT / "tutorials" / "02_backprop_from_nothing.py").read_text(encoding="utf-8")
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
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == FIGURES[script.stem]


def test_runs_on_pytorch_with_the_imports_changed(tmp_path):
    """What is learned here holds there: two tutorials with torch in minigrad's place, and the same table."""
    pytest.importorskip("torch")
    printed = {}
    for library in ("minigrad", "torch"):
        for name in ("01_gradient_descent", "03_linear_regression"):
            text = (ROOT / "tutorials" / f"{name}.py").read_text(encoding="utf-8")
            text = re.sub(r"^import minigrad$", f"import {library} as minigrad", text, flags=re.MULTILINE)
            text = re.sub(r"^from minigrad", f"from {library}", text, flags=re.MULTILINE)
            script = tmp_path / f"{name}.py"
            script.write_text(text, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, script],
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
                capture_output=True,
                text=True,
                encoding="utf-8",
            )
            assert done.returncode == 0, done.stderr
            printed[library, name] = done.stdout
    assert printed["minigrad", "01_gradient_descent"] == printed["torch", "01_gradient_descent"]

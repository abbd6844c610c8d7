"""What the project says about itself is true: README, extras, dependencies, make.py."""

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run Python in a fresh process that finds this minigrad."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8"
    )


def sections(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(sections("python"))))
def test_readme_code_prints_what_the_readme_says(number: int, tmp_path: Path) -> None:
    done = run("-W", "error", "-c", sections("python")[number], cwd=tmp_path)
    assert (done.stderr, done.stdout) == ("", sections("text")[number])


def test_every_readme_example_has_its_output() -> None:
    assert len(sections("python")) == len(sections("text")) >= 1


LINE_COUNTS = re.findall(r"^\| \[[^]]+\]\(([^)]+)\) \| (\d+) \|", README, re.MULTILINE)


@pytest.mark.parametrize(("path", "claimed"), LINE_COUNTS)
def test_readme_line_counts(path: str, claimed: str) -> None:
    true = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert abs(true - int(claimed)) <= 0.1 * true, f"README says {claimed} lines, {path} has {true}"


def test_readme_has_a_reading_order() -> None:
    assert len(LINE_COUNTS) >= 10
    assert any(path == "minigrad/autograd/engine.py" for path, _ in LINE_COUNTS)


def test_readme_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_way_of_one_backward_through_the_files() -> None:
    from minigrad import Tensor
    from minigrad.autograd import engine, gradients
    from minigrad.autograd.node import Node
    from minigrad.ops.op import Op

    homes = {"Op": Op, "Tensor": Tensor, "engine": engine, "gradients": gradients, "Node": Node}
    steps = re.findall(rf"`({'|'.join(homes)})\.(\w+)`", README)
    assert len(steps) >= 5
    assert [step for step in steps if not hasattr(homes[step[0]], step[1])] == []


def test_readme_lists_every_tutorial_in_order() -> None:
    listed = re.findall(r"^\d+\. \[[^]]+\]\(tutorials/([^)]+)\)", README, re.MULTILINE)
    assert listed == sorted(path.name for path in (ROOT / "tutorials").glob("[0-9]*.py"))


def test_import_brings_numpy_and_the_standard_library_only() -> None:
    done = run(
        "-c",
        "import sys, numpy, numpy.random\n"
        "before = set(sys.modules)\n"
        "import minigrad, minigrad.nn, minigrad.optim, minigrad.utils.data, minigrad.metrics, minigrad.datasets\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "ours = {'numpy', 'minigrad', '__mp_main__'}\n"  # multiprocessing's second name of __main__
        "print(sorted(new - set(sys.stdlib_module_names) - ours), 'minigrad' in new)",
    )
    assert (done.stderr, done.stdout) == ("", "[] True\n")


def test_numpy_is_the_only_dependency() -> None:
    assert [re.match(r"[\w-]+", d)[0] for d in PROJECT["dependencies"]] == ["numpy"]


def test_extras() -> None:
    assert set(EXTRAS) == {
        "plot", "cuda12", "cuda13", "io", "progress", "graph", "dist", "tune", "docs", "test", "dev", "crosscheck",
    }  # fmt: skip
    heavy = [name for name, wanted in EXTRAS.items() for d in wanted if re.match(r"(torch|scikit-learn)\b", d)]
    assert set(heavy) == {"crosscheck"}


def test_changes_tell_of_this_version() -> None:
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


class TestMake:
    jobs = runpy.run_path(str(ROOT / "make.py"), run_name="make")["JOBS"]

    @pytest.mark.parametrize("job", jobs)
    def test_jobs_ask_for_extras_that_exist(self, job: str) -> None:
        assert set(self.jobs[job][0]) <= set(EXTRAS)

    @pytest.mark.parametrize("job", [*jobs, "install"])
    def test_help_names_every_job(self, job: str) -> None:
        done = run("make.py", "help")
        assert done.returncode == 0
        assert f"python3 make.py {job} " in done.stdout

    def test_unknown_job(self) -> None:
        done = run("make.py", "digit")
        assert done.returncode == 2
        assert "there is no job 'digit'" in done.stdout
        assert "python3 make.py digits" in done.stdout

    def test_commands_in_the_readme_are_jobs(self) -> None:
        assert set(re.findall(r"python3 make\.py (\w+)", README)) <= {*self.jobs, "install"}

"""The page docs/guide/data_parallel.md: its programs print what it says, its simulation and its formulas agree."""

import re
import runpy
from argparse import Namespace

import numpy as np
import pytest
from launched import ROOT, require_mpi, start

PAGE = (ROOT / "docs" / "guide" / "data_parallel.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SCRIPT = runpy.run_path(str(ROOT / "docs" / "figures" / "data_parallel.py"))
CLUSTER = {"latency": 5e-6, "bandwidth": 10e9, "flops": 1e11, "batch": 64, "jitter": 0.0}


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_programs_print_what_the_page_says(number, tmp_path):
    program, output = PROGRAMS[number]
    path = tmp_path / "program.py"
    path.write_text(program, encoding="utf-8")
    n = re.match(r"# mpiexec -n (\d) python -m mpi4py", program)[1]
    require_mpi()
    done = start(n, path)
    assert (done.stderr, done.stdout) == ("", output)
    alone = start(None, path)  # one process, and no mpiexec
    assert alone.stderr == ""


def test_there_are_programs_and_figures():
    assert len(PROGRAMS) == PAGE.count("```python") == 2
    for name in re.findall(r"\(\.\./images/(\w+\.png)\)", PAGE):
        assert (ROOT / "docs" / "images" / name).stat().st_size > 5000


@pytest.mark.parametrize("p", [1, 2, 8, 64, 1024])
@pytest.mark.parametrize("way", ["star", "doubling", "ring"])
@pytest.mark.parametrize("n", [8, 1e7])
def test_simulated_times_are_those_of_the_formulas(p, way, n):
    rounds, formula = SCRIPT["WAYS"][way]
    times = SCRIPT["simulate"](rounds(p, n), np.zeros(p), 5e-6, 1e-10)
    assert len(times) == p
    np.testing.assert_allclose(times.max(), formula(p, n, 5e-6, 1e-10), rtol=1e-9)


def test_a_ring_sends_as_little_as_can_be():
    for p in (2, 3, 100):
        sent = sum(n for _, _, n in SCRIPT["ring"](p, 1000.0))  # by each rank
        assert sent == pytest.approx(2 * (p - 1) / p * 1000)


def test_efficiency():
    step = SCRIPT["step"]

    def of(p, parameters, tensors=1, **changed):
        return step(p, parameters, tensors, Namespace(**{**CLUSTER, **changed}))

    assert of(1, 1e6) == 1
    assert of(1024, 1e4) < of(1024, 1e6) < of(1024, 1e8) < of(2, 1e8) < 1
    assert of(64, 1e6, tensors=20) < of(64, 1e6)
    # the limit of large models: 1 / (1 + 4 beta F / (3 b)), and twice that for p = 2, where half of it is sent
    assert of(1024, 1e10) == pytest.approx(1 / (1 + 4e11 / 1e10 / 3 / 64), rel=2e-3)
    # all wait for the slowest of 1,024, which is about 3.3 standard deviations late
    assert of(1024, 1e8) / of(1024, 1e8, jitter=0.05) == pytest.approx(1 + 0.165 * of(1024, 1e8), rel=0.03)

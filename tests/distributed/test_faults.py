"""When one rank fails the job ends, within seconds, and goes on from its last checkpoint."""

import time

import numpy as np
import pytest
from launched import PROGRAMS, require_mpi, start


@pytest.mark.parametrize("module", [("-m", "mpi4py"), ()], ids=["by mpi4py", "plain"])
def test_an_exception_on_one_rank_ends_the_job(module, tmp_path):
    require_mpi()
    begin = time.perf_counter()
    done = start(2, PROGRAMS, tmp_path, "fails", module=module)
    assert time.perf_counter() - begin < 20
    assert done.returncode != 0
    assert "rank 1 of 2 ends the job:" in done.stderr
    assert "KeyError: 'the wrong turning'" in done.stderr
    assert "programs.py" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("again", [2, 3])
def test_a_killed_rank_ends_the_job_which_resumes_to_the_same_result(again, ranks, tmp_path):
    """Killed in the middle of the third epoch of four; resumed with as many ranks, or with more."""
    require_mpi()
    (undisturbed,) = ranks(None, "checkpointed", tmp_path / "undisturbed.npz")
    begin = time.perf_counter()
    path = tmp_path / "checkpoint.npz"
    done = start(2, PROGRAMS, tmp_path, "checkpointed", path, "dies")
    assert time.perf_counter() - begin < 20
    assert done.returncode != 0
    assert path.exists()
    assert undisturbed["started"] == 0
    for result in ranks(again, "checkpointed", path):
        assert result["started"] == 2
        for name, x in undisturbed["parameters"].items():
            difference = np.abs(result["parameters"][name].numpy() - x.numpy()).max()
            assert difference < 1e-12 * np.abs(x.numpy()).max(), name

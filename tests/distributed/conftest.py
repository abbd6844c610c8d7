"""Runs the programs of ``launched/programs.py`` on several processes."""

import pytest
from launched import PROGRAMS, require_mpi, start

import minigrad
from minigrad import distributed


@pytest.fixture
def ranks(tmp_path):
    """Return a function that runs a program of programs.py and returns what it returned, of each rank."""

    def run(n, program, *arguments, **options):
        if n:
            require_mpi()
        folder = tmp_path / f"{program} on {n}"
        folder.mkdir()
        done = start(n, PROGRAMS, folder, program, *arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return [minigrad.load(folder / f"{rank}.npz") for rank in range(n or 1)]

    return run


@pytest.fixture
def alone():
    """A group of one process."""
    distributed.init_process_group()
    yield
    distributed.destroy_process_group()

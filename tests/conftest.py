"""What holds for all tests: the same random numbers every time, and no windows."""

import os

os.environ["MPLBACKEND"] = "Agg"  # read when matplotlib is first imported, here and in child processes

import pytest
from hypothesis import settings

from minigrad.backend import manual_seed

settings.register_profile("minigrad", deadline=None, derandomize=True)
settings.load_profile("minigrad")


@pytest.fixture(autouse=True)
def seeded() -> None:
    manual_seed(0)

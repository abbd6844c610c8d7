"""What holds for all tests: the same random numbers every time, one thread each, and no windows."""

import os

# Read when the libraries are first imported, here and in child processes. Test processes that run side by side would
# wait for each other's threads: what takes two seconds alone took eighty.
for library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ["MPLBACKEND"] = "Agg"

import pytest
from hypothesis import settings

from minigrad import backend

settings.register_profile("minigrad", deadline=None, derandomize=True)
settings.load_profile("minigrad")


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    # A stand-in's GPU must not outlive the test that pretended to have one.
    monkeypatch.setattr(backend, "_generators", {})
    backend.manual_seed(0)

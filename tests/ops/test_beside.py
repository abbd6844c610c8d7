"""Sorting, indexing and shapes in one-line programs, run beside PyTorch: values, dtypes, argument names, refusals."""

from __future__ import annotations

import types

import beside
import pytest

PROGRAMS = {
    f"{file}: {topic}": programs
    for file in ("shape", "indexing", "sorting")
    for topic, programs in beside.topics(f"{file}.txt").items()
}


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str) -> None:
    torch: types.ModuleType = pytest.importorskip("torch")
    assert not list(beside.differences(PROGRAMS[topic], torch))

"""Programs in PyTorch's own words, run with PyTorch and with minigrad."""

import beside
import pytest

PROGRAMS = beside.topics("optim.txt")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_programs_give_the_same(topic):
    torch = pytest.importorskip("torch")
    assert not list(beside.differences(PROGRAMS[topic], torch))

"""Data sets, samplers, collating and loaders beside PyTorch: values, signatures and refusals."""

import inspect

import beside
import pytest

from minigrad.utils import data

PROGRAMS = beside.topics("data.txt")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic, torch):
    assert not list(beside.differences(PROGRAMS[topic], torch))


@pytest.mark.parametrize("name", data.__all__)
def test_arguments_are_pytorchs(name, torch):
    if not hasattr(torch.utils.data, name) or name in ("Dataset", "IterableDataset", "Sampler"):
        return  # ours alone, or without arguments
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (data, torch.utils.data))
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]
    for argument, a, b in ((p.name, p.default, theirs[p.name].default) for p in ours.values()):
        assert a == b or (argument == "generator" and a is None)  # theirs may be the default generator itself

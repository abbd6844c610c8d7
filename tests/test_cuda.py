"""What is said about GPUs: on the stand-in for CuPy, on a real one where there is one, and where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import strict_cupy

import minigrad
from minigrad import cuda


@pytest.fixture
def gpu() -> Iterator[Any]:
    if cuda.is_available():
        yield None
    else:
        with strict_cupy.installed() as cp:
            yield cp


def test_with_a_gpu(gpu: Any) -> None:
    assert cuda.is_available() and cuda.device_count() >= 1
    assert cuda.current_device() == 0
    assert isinstance(cuda.get_device_name(), str) and cuda.get_device_name(0) == cuda.get_device_name("cuda:0")
    x = minigrad.ones(1000, device="cuda")
    assert x.device == "cuda:0"
    cuda.synchronize()
    assert cuda.memory_reserved() >= cuda.memory_allocated() >= 0
    cuda.empty_cache()
    cuda.set_device(0)
    with cuda.device("cuda:0"):
        assert minigrad.zeros(2, device="cuda").device == "cuda:0"
    with pytest.raises(NotImplementedError, match="CuPy does not note the peak"):
        cuda.max_memory_allocated()


def test_wrong_devices(gpu: Any) -> None:
    with pytest.raises(ValueError, match="expected a GPU, such as 'cuda:0' or 0, got 'cpu'"):
        cuda.synchronize("cpu")
    with pytest.raises(RuntimeError, match="invalid device ordinal"), cuda.device(99):
        pass


@pytest.mark.skipif(cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu() -> None:
    assert not cuda.is_available() and cuda.device_count() == 0
    cuda.manual_seed(0)  # scripts call it whatever the machine
    for call in (cuda.current_device, cuda.synchronize, cuda.memory_allocated, cuda.empty_cache, cuda.get_device_name):
        with pytest.raises(RuntimeError, match="device='cpu'"):
            call()


def test_cuda_without_a_number_is_the_current_gpu(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if gpu is None:
        pytest.skip("needs two GPUs")
    monkeypatch.setattr(gpu.cuda.runtime, "getDevice", lambda: 1)
    assert minigrad.device("cuda") == minigrad.device("cuda:1") == minigrad.device("cuda", 1)
    assert minigrad.device("cuda", 0) == "cuda:0"

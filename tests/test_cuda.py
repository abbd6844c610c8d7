"""What is said about GPUs: on the stand-in for CuPy, on a real one where there is one, and where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import backend, cuda
from minigrad.backend import module_for


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


def test_another_gpu_does_not_get_constants_of_this_one(gpu: Any) -> None:
    def kept() -> int:
        return backend.constants.cache_info().currsize + backend.constant_row.cache_info().currsize

    minigrad.ones(3, device="cuda").relu()
    assert kept()
    with cuda.device(0):
        assert not kept()
        minigrad.ones(3, 5000, device="cuda").relu()
        assert kept()
    assert not kept()
    minigrad.ones(3, device="cuda").relu()
    cuda.set_device(0)
    assert not kept()


def test_the_peak_of_memory(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda._peaks(module_for("cuda")).of.clear()
    with pytest.raises(RuntimeError, match=r"max_memory_allocated: .* call minigrad\.cuda\.reset_peak_memory_stats"):
        cuda.max_memory_allocated()
    cuda.reset_peak_memory_stats()
    start = cuda.memory_allocated()
    assert cuda.max_memory_allocated(0) == start
    if gpu is None:
        x = minigrad.ones(1_000_000, device="cuda")
        del x
        grown = 4_000_000
    else:
        for used, held in ((700, 800), (300, 1000)):  # allocations as CuPy tells of them
            monkeypatch.setattr(strict_cupy._MemoryPool, "used_bytes", lambda self, used=used: used)
            monkeypatch.setattr(strict_cupy._MemoryPool, "total_bytes", lambda self, held=held: held)
            for hook in strict_cupy._memory_hooks().values():
                hook.malloc_preprocess(device_id=0, size=100, mem_size=512)
                hook.malloc_postprocess(device_id=0, size=100, mem_size=512, mem_ptr=1, pmem_id=1)
        monkeypatch.undo()
        grown = 700
    assert cuda.memory_allocated() == start
    assert cuda.max_memory_allocated() >= start + grown
    assert cuda.max_memory_reserved() >= cuda.max_memory_allocated()
    cuda.reset_peak_memory_stats("cuda:0")
    assert cuda.max_memory_allocated("cuda") == start


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


def test_indices_from_the_host_pick_there_and_back(gpu: Any) -> None:
    """Lists, NumPy arrays and tensors that live on the CPU, on the way forward and backward."""
    rows = [0, 0, 2]
    for index in (rows, np.array(rows), minigrad.tensor(rows), (slice(None), [1, 1]), (rows, [1, 1, 0])):
        there, here = (minigrad.arange(6.0, device=device).reshape(3, 2).requires_grad_() for device in ("cuda", "cpu"))
        for x in (there, here):
            (x[index] ** 2).sum().backward()
        assert there.grad.device == "cuda:0"
        assert there.grad.tolist() == here.grad.tolist()

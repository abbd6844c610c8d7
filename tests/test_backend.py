"""Arrays, devices and generators: the CPU as it is, the GPU by its strict stand-in."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import backend
from minigrad.backend import CPU, Device, Generator

without_cupy = pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")


@pytest.fixture
def cp() -> Iterator[types.ModuleType]:
    with strict_cupy.installed() as module:
        yield module


# ----------------------------------------------------------------------------------------------------------------
# Devices


@pytest.mark.parametrize(
    ("given", "text", "kind", "index"),
    [
        (("cpu",), "cpu", "cpu", None),
        (("cuda",), "cuda:0", "cuda", 0),
        (("cuda:1",), "cuda:1", "cuda", 1),
        (("cuda", 2), "cuda:2", "cuda", 2),
        ((Device("cuda:1"),), "cuda:1", "cuda", 1),
    ],
)
def test_devices(given: tuple[Any, ...], text: str, kind: str, index: int | None) -> None:
    device = minigrad.device(*given)
    assert str(device) == text and device.type == kind and device.index == index
    assert device == text and device == Device(text) and hash(device) == hash(Device(text))
    assert eval(repr(device), {"device": minigrad.device}) == device


def test_devices_that_are_none() -> None:
    for name in ("gpu", "cuda:x", "cuda:", "cpu:a", "", "cud"):
        with pytest.raises(RuntimeError, match="expected 'cpu', 'cuda' or 'cuda:0', got"):
            Device(name)
    assert Device("cpu") != Device("cuda") and Device("cpu") != 3 and Device("cuda:0") != Device("cuda:1")


@without_cupy
def test_without_cupy_one_sentence_says_so() -> None:
    for ask in (
        lambda: minigrad.zeros(2, device="cuda"),
        lambda: minigrad.rand(2, device="cuda"),
        lambda: minigrad.zeros(2).cuda(),
        lambda: minigrad.zeros(2).to("cuda:0"),
        lambda: Generator("cuda"),
        lambda: minigrad.nn.Linear(1, 1).to("cuda"),
        lambda: minigrad.cuda.synchronize(),
    ):
        with pytest.raises(RuntimeError, match=r"CuPy is not installed; pip install 'minigrad\[cuda12\]'") as caught:
            ask()
        assert "\n" not in str(caught.value) and caught.value.__cause__ is None
    assert not minigrad.cuda.is_available() and minigrad.cuda.device_count() == 0
    minigrad.cuda.manual_seed(0)
    minigrad.cuda.manual_seed_all(0)  # scripts call these whatever the machine


def test_a_machine_with_cupy_but_no_gpu(cp: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cp.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="CuPy is installed but finds no usable GPU; use device='cpu'"):
        minigrad.zeros(2, device="cuda")
    assert not minigrad.cuda.is_available()


def test_importing_minigrad_imports_numpy_and_nothing_else() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import minigrad; "
        "new = {m.partition('.')[0] for m in set(sys.modules) - before} - {'minigrad'}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'numpy'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ----------------------------------------------------------------------------------------------------------------
# On the GPU


def test_made_on_the_gpu(cp: types.ModuleType) -> None:
    made = [
        minigrad.tensor([1.0, 2.0], device="cuda"),
        minigrad.tensor(np.ones(2), device="cuda:0"),
        minigrad.as_tensor([1.0], device="cuda"),
        minigrad.zeros(2, device="cuda"),
        minigrad.full((2,), 3.0, device=minigrad.device("cuda")),
        minigrad.arange(5, device="cuda"),
        minigrad.arange(0, 1, 0.1, device="cuda"),
        minigrad.linspace(0, 1, 3, device="cuda"),
        minigrad.eye(2, device="cuda"),
        minigrad.rand(2, device="cuda"),
        minigrad.randn(2, device="cuda"),
        minigrad.randint(5, (2,), device="cuda"),
        minigrad.randperm(4, device="cuda"),
        minigrad.normal(0.0, 1.0, (2,), device="cuda"),
        minigrad.bernoulli(minigrad.full((2,), 0.5, device="cuda")),
        minigrad.nn.Linear(2, 2, device="cuda").weight,
    ]
    x = made[0]
    made += [x.new_zeros(2), x.new_tensor([1.0]), x.new_full((2,), 1.0), minigrad.zeros_like(x), minigrad.randn_like(x)]
    made += [x.clone().normal_(), x.clone().uniform_(), x.clone().bernoulli_(0.5), x.to(minigrad.float64), x.detach()]
    for y in made:
        assert isinstance(y.array, cp.ndarray) and y.device == "cuda:0" and y.is_cuda
    assert minigrad.cuda.is_available() and minigrad.cuda.device_count() >= 1


def test_there_and_back(cp: types.ModuleType) -> None:
    x = minigrad.tensor([1.0, 2.0])
    y = x.cuda()
    assert y.to("cuda") is y and y.cuda() is y and x.cpu() is x and y.to(x).device == CPU
    assert y.cpu().tolist() == [1.0, 2.0] and y.to("cpu", minigrad.float64).dtype == "float64"
    assert x.to(y).is_cuda and y.tolist() == [1.0, 2.0] and y[1].item() == 2.0
    assert y.numpy(force=True).tolist() == [1.0, 2.0]


def test_nothing_moves_in_silence(cp: types.ModuleType) -> None:
    x, y = minigrad.zeros(2), minigrad.zeros(2, device="cuda")
    with pytest.raises(TypeError, match=r"numpy: this tensor is on cuda:0; copy it first: tensor.cpu\(\).numpy\(\)"):
        y.numpy()
    with pytest.raises(TypeError, match="copy it first"):
        np.asarray(y)
    for mixed in (lambda: x + y, lambda: y * x, lambda: minigrad.cat([x, y]), lambda: x @ y):
        with pytest.raises(
            RuntimeError, match=r"expected all tensors on one device, got .* on c(pu|uda:0), .* on c(pu|uda:0)\."
        ):
            mixed()
    assert (y + minigrad.tensor(1.0)).tolist() == [1.0, 1.0]  # a single number goes along
    assert (2 * y + 1.0).is_cuda


def test_printing_shows_the_device(cp: types.ModuleType) -> None:
    x = minigrad.tensor([1.0, 2.5], device="cuda", requires_grad=True)
    assert repr(x) == "tensor([1.0000, 2.5000], device='cuda:0', requires_grad=True)"
    assert repr(x * 2) == "tensor([2., 5.], device='cuda:0', grad_fn=<MulBackward0>)"
    assert f"{x.sum():.1f}" == "3.5"


def test_gradients_stay_on_the_gpu_and_nothing_waits(cp: types.ModuleType) -> None:
    x = minigrad.randn(8, 4, device="cuda", requires_grad=True)
    before = cp.syncs
    ((x * 2).relu().sum(1) ** 2).mean().backward()
    assert isinstance(x.grad.array, cp.ndarray) and cp.syncs == before


def test_a_seed_fixes_the_gpu_too(cp: types.ModuleType) -> None:
    minigrad.manual_seed(1)
    first = minigrad.rand(3, device="cuda").tolist()
    minigrad.manual_seed(1)
    assert minigrad.rand(3, device="cuda").tolist() == first
    minigrad.cuda.manual_seed(1)
    assert minigrad.rand(3, device="cuda").tolist() == first
    generator = Generator("cuda").manual_seed(1)
    assert minigrad.rand(3, device="cuda", generator=generator).tolist() == first
    with pytest.raises(RuntimeError, match="only CPU generators can be saved"):
        generator.get_state()
    host = minigrad.randint(1000, (5,), generator=Generator().manual_seed(1)).tolist()
    assert minigrad.randint(1000, (5,), device="cuda", generator=Generator("cuda").manual_seed(1)).tolist() == host


def test_seeding_after_the_gpu_is_gone() -> None:
    with strict_cupy.installed():
        minigrad.rand(2, device="cuda")
        assert "cuda:0" in backend._generators
    minigrad.manual_seed(0)
    minigrad.cuda.manual_seed(0)
    with strict_cupy.installed():
        assert minigrad.rand(2, device="cuda").is_cuda


# ----------------------------------------------------------------------------------------------------------------
# Generators


def test_a_generator_repeats_from_its_seed_and_its_state() -> None:
    a = Generator().manual_seed(7)
    assert a.initial_seed() == 7 and a.device == CPU and repr(a) == "Generator(device='cpu', seed=7)"
    state = a.get_state()
    first = a.normal((3,)).tolist()
    middle = a.get_state()
    second = a.permutation(10).tolist()
    a.set_state(state)
    assert a.normal((3,)).tolist() == first and a.permutation(10).tolist() == second
    a.set_state(middle)
    assert a.permutation(10).tolist() == second and a.initial_seed() == 7


@pytest.mark.parametrize("seed", [0, -1, 2**63, 2**64 + 5])
def test_any_integer_is_a_seed(seed: int) -> None:
    assert minigrad.manual_seed(seed) is backend.default_generator() and minigrad.initial_seed() == seed
    first = minigrad.rand(2).tolist()
    minigrad.manual_seed(seed)
    assert minigrad.rand(2).tolist() == first


def test_seeds_from_the_system_differ() -> None:
    a = Generator()
    assert len({a.seed() for _ in range(10)}) == 10


def test_uniform_stays_within_its_bounds() -> None:
    drawn = Generator().manual_seed(0).uniform((10_000,), -3.0, 5.0)
    assert drawn.dtype == np.float32 and drawn.min() >= -3.0 and drawn.max() < 5.0
    assert abs(drawn.mean() - 1.0) < 5 * (64 / 12 / 10_000) ** 0.5
    with pytest.raises(RuntimeError, match=r"expected dtype float32 or float64, got .*int32"):
        Generator().uniform((2,), dtype=np.int32)


# ----------------------------------------------------------------------------------------------------------------
# Arrays


def test_array_modules(cp: types.ModuleType) -> None:
    host, device = np.zeros(2), cp.zeros(2)
    assert backend.array_module(host) is np and backend.array_module(device) is cp
    assert backend.array_module(np.float32(1)) is np and backend.array_module(3.0) is np
    assert backend.is_array(host) and backend.is_array(device) and not backend.is_array([1.0])
    assert backend.to_numpy(host) is host and backend.to_numpy(device).tolist() == [0.0, 0.0]
    assert backend.to_device(device, "cuda:0") is device and backend.to_device(host, None) is host
    assert backend.device_of(host) == "cpu" and backend.device_of(device) == "cuda:0"


def test_constant_rows_are_kept_and_cannot_be_changed() -> None:
    row = backend.constant_row(np, 0.5, 3, np.dtype("float32"))
    assert row.tolist() == [0.5] * 3 and row is backend.constant_row(np, 0.5, 3, np.dtype("float32"))
    with pytest.raises(ValueError, match="read-only"):
        row[0] = 1.0


PAGES = """
import resource
import {module}
import numpy as np

def step():  # ten arrays of 1.5 MB, as a small network has them, freed together
    arrays = [np.ones(3 << 17, np.float32) for _ in range(10)]

for _ in range(3):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library manages memory in another way")
def test_a_step_finds_the_memory_of_the_last_one() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "LD_PRE"))}
    taken = {}
    for module in ("numpy", "minigrad"):
        command = [sys.executable, "-c", PAGES.format(module=module)]
        done = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
        taken[module] = int(done.stdout)
    if taken["numpy"] < 1000:
        pytest.skip(f"memory is kept at hand here anyway: {taken}")
    assert taken["minigrad"] < 20, taken

"""An update as one kernel: what is written down, that it does what the CPU does, and what is left as it was."""

import ctypes
import re
import shutil
import subprocess

import numpy as np
import pytest
import strict_cupy
from optim.grids import GRIDS

import minigrad
from minigrad import optim
from minigrad.autograd.node import tensor_of
from minigrad.optim import Optimizer, blocks, fusion

SHAPES = [(3, 4), (4,), (), (0, 5), (13, 20)]
BY_PARAMETER = ("Adafactor", "Muon")  # their rules need a parameter in its shape
CASES = [(name, {"lr": 0.05, **options}) for name in GRIDS if name not in BY_PARAMETER for options in GRIDS[name]]
DEFAULTS = [name for name in GRIDS if name not in BY_PARAMETER]
CASES += [(name, {"lr": 0.05, "maximize": True}) for name in DEFAULTS]


@pytest.fixture(autouse=True)
def cp(monkeypatch):
    """The stand-in for CuPy, no kernels yet, and two blocks: 13 x 20 alone, and the rest together."""
    monkeypatch.setattr(blocks, "GPU_GATHERED", 100)
    monkeypatch.setattr(blocks, "CPU_GATHERED", 100)
    fusion.kernel.cache_clear()
    with strict_cupy.installed() as cp:
        yield cp
    fusion.kernel.cache_clear()


def made(make, dtype=np.float64, shapes=SHAPES):
    """Return an optimizer of parameters here, one of the same on the device, and both lists of parameters."""
    rng = np.random.default_rng(0)
    starts = [np.asarray(rng.standard_normal(shape), dtype) for shape in shapes]
    here = [minigrad.tensor(x).requires_grad_() for x in starts]
    there = [tensor_of(strict_cupy.asarray(x)).requires_grad_() for x in starts]
    return make(here), make(there), here, there


def step(host, device, here, there, rng, missing=-1):
    """Take a step along the same gradients; return how many kernels and reads it cost on the device."""
    for k, (p, q) in enumerate(zip(here, there)):
        g = np.asarray(rng.standard_normal(p.shape) + 0.2, p.dtype)
        p.grad = None if k == missing else minigrad.tensor(g)
        q.grad = None if k == missing else tensor_of(strict_cupy.asarray(g))
    host.step()
    before = strict_cupy.launches, strict_cupy.syncs
    device.step()
    return strict_cupy.launches - before[0], strict_cupy.syncs - before[1]


def assert_same(host, device, here, there, rtol, atol=0.0):
    for p, q in zip(here, there):
        np.testing.assert_allclose(q.array.get(), p.array, rtol=rtol, atol=atol)
        assert list(host.state[p]) == list(device.state[q])
        for name, value in host.state[p].items():
            np.testing.assert_allclose(device.state[q][name].cpu().array, value.array, rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_one_kernel_for_each_block_does_what_the_cpu_does(name, options):
    opts = made(lambda params: getattr(optim, name)(params, **options))
    rng = np.random.default_rng(1)
    for k in range(10):
        if k == 5:
            for opt in opts[:2]:
                opt.param_groups[0]["lr"] *= 0.5
        costs = step(*opts, rng, missing=2 if k == 7 else -1)
        assert costs == (len(opts[1]._layouts[id(opts[1].param_groups[0])].blocks), 0)
        assert costs[0] in (2, 3)  # three when parameters have taken different numbers of steps
    assert_same(*opts, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", DEFAULTS)
def test_float32_stays_float32(name):
    opts = made(lambda params: getattr(optim, name)(params, lr=0.01), np.float32)
    rng = np.random.default_rng(1)
    for _ in range(10):
        assert step(*opts, rng) == (2, 0)
    assert all(q.dtype == np.float32 for q in opts[3])
    assert_same(*opts, rtol=1e-6, atol=1e-6)


def test_a_rate_or_a_step_needs_no_other_kernel():
    opts = made(lambda params: optim.Adam(params, lr=0.1, weight_decay=0.1))
    rng = np.random.default_rng(1)
    for k in range(20):
        for opt in opts[:2]:
            opt.param_groups[0]["lr"] = 0.1 / (k + 1)
        step(*opts, rng)
    assert fusion.kernel.cache_info().currsize == 1
    assert_same(*opts, rtol=1e-12)
    for opt in opts[:2]:
        opt.param_groups[0]["maximize"] = True  # another rule, from this step on
    step(*opts, rng)
    assert fusion.kernel.cache_info().currsize == 2
    assert_same(*opts, rtol=1e-12)


def test_radam_has_one_kernel_before_it_rectifies_and_one_after():
    opts = made(lambda params: optim.RAdam(params, lr=0.1))
    rng = np.random.default_rng(1)
    for _ in range(10):
        step(*opts, rng)
    assert fusion.kernel.cache_info().currsize == 2


def test_loaded_state_goes_on():
    opts = made(lambda params: optim.AdamW(params, lr=0.1, amsgrad=True))
    rng = np.random.default_rng(1)
    step(*opts, rng)
    loaded = optim.AdamW(opts[3])
    loaded.load_state_dict(opts[0].state_dict())
    for _ in range(3):
        assert step(opts[0], loaded, *opts[2:], rng) == (2, 0)
    assert_same(opts[0], loaded, *opts[2:], rtol=1e-12)


def test_a_gradient_that_lies_otherwise_in_memory(cp):
    opt = optim.SGD([w := tensor_of(cp.zeros((20, 13))).requires_grad_()], lr=1.0)
    w.grad = tensor_of(cp.asarray(np.arange(260.0).reshape(13, 20)).T)
    opt.step()
    np.testing.assert_array_equal(w.array.get(), -np.arange(260.0).reshape(13, 20).T)


def test_the_cpu_never_comes_here(monkeypatch):
    monkeypatch.setattr("minigrad.optim.optimizer.update_in_one_kernel", None)
    w = minigrad.ones(3, requires_grad=True)
    w.grad = minigrad.ones(3)
    optim.SGD([w], lr=1.0).step()
    assert w.tolist() == [0, 0, 0]


# ----------------------------------------------------------------------------------------------------------------
# What is written down


def written(update):
    """Return the statements that an update becomes, and the numbers in them."""
    program = fusion.Program(np.dtype(np.float32))
    p, g = fusion.Symbol(program, "p"), fusion.Symbol(program, "g")
    b = [fusion.Symbol(program, f"b{k}") for k in range(2)]
    update(fusion.RECORDER, p, g, *b)
    return program.statements, program.numbers


def signs(xp, p, g, a, b):
    p -= 0.5 * xp.sign(g)


def momentum(xp, p, g, a, b):
    a *= 0.9
    a += xp.multiply(g, 1 - 0.9, out=b)
    p -= a / 10


def choices(xp, p, g, a, b):
    a[...] = 1
    b[:] = xp.where(a < g, -a, abs(g))
    p += (2 - b) ** 2 + xp.clip(p, -1, 1)


WRITTEN = [
    (signs, [0.5], ["T t0 = sign(g)", "T t1 = c0 * t0", "p = p - t1"]),
    (momentum, [0.9, 1 - 0.9, 10], ["b0 = b0 * c0", "b1 = g * c1", "b0 = b0 + b1", "T t3 = b0 / c2", "p = p - t3"]),
    (
        choices,
        [1, 2, -1, 1],
        [
            *("b0 = c0", "bool t1 = b0 < g", "T t2 = -b0", "T t3 = abs(g)", "T t4 = where(t1, t2, t3)", "b1 = t4"),
            *("T t6 = c1 - b1", "T t7 = square(t6)", "T t8 = minimum(maximum(p, c2), c3)", "T t9 = t7 + t8"),
            "p = p + t9",
        ],
    ),
]


@pytest.mark.parametrize(("update", "numbers", "statements"), WRITTEN)
def test_statements(update, numbers, statements):
    assert written(update) == (statements, numbers)


REFUSED = {
    "a sum": lambda xp, p, g, a, b: g.sum(),
    "a function of more": lambda xp, p, g, a, b: xp.linalg.norm(g),
    "NumPy's own": lambda xp, p, g, a, b: np.sqrt(g),
    "CuPy's own": lambda xp, p, g, a, b: strict_cupy.sqrt(g),
    "a decision": lambda xp, p, g, a, b: 1 if g > 0 else 0,
    "a decision on the array": lambda xp, p, g, a, b: max(g, 0),
    "between": lambda xp, p, g, a, b: 0 < g < 1,
    "a part": lambda xp, p, g, a, b: g[1:],
    "writing a part": lambda xp, p, g, a, b: p.__setitem__(slice(1, None), g),
    "all elements in turn": lambda xp, p, g, a, b: list(g),
    "a number": lambda xp, p, g, a, b: float(g),
    "writing into the gradient": lambda xp, p, g, a, b: g.__imul__(2),
    "the gradient as out": lambda xp, p, g, a, b: xp.sqrt(p, out=g),
    "an array of elsewhere": lambda xp, p, g, a, b: p + strict_cupy.ones(3),
    "a symbol of another step": lambda xp, p, g, a, b: p + fusion.Symbol(fusion.Program(np.float32), "p"),
    "arithmetic with a comparison": lambda xp, p, g, a, b: (g > 0) * a,
    "writing into a comparison": lambda xp, p, g, a, b: xp.sqrt(a, out=g > 0),
    "choosing by an array": lambda xp, p, g, a, b: xp.where(g, a, b),
    "where it is so": lambda xp, p, g, a, b: xp.where(g > 0),
    "a keyword": lambda xp, p, g, a, b: xp.add(p, g, where=g > 0),
    "a third operand": lambda xp, p, g, a, b: xp.add(p, g, a),
    "another power": lambda xp, p, g, a, b: g**3,
    "the size": lambda xp, p, g, a, b: p.size,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_statement_is_refused(name):
    with pytest.raises((fusion.NotElementwise, AttributeError, TypeError, KeyError)):
        written(REFUSED[name])


# ----------------------------------------------------------------------------------------------------------------
# Other people's optimizers


class Signs(Optimizer):
    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    def update(self, xp, p, g, state, group, scratch):
        p -= group["lr"] * xp.sign(g)


class Normalised(Optimizer):
    """Momentum, and a step of a certain length: the momentum changes before the norm turns out to be no statement."""

    calls = 0

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def buffers(self, group):
        return {"b": 0.0}

    def scalars(self, group):
        return {"step": 0.0}

    def update(self, xp, p, g, state, group, scratch):
        self.calls += 1
        state["b"] += g
        p -= group["lr"] / state["step"] * state["b"] / xp.linalg.norm(state["b"])


class Replaces(Normalised):
    """State is to be changed in place; one that replaces it works as well as on the CPU, not less."""

    def update(self, xp, p, g, state, group, scratch):
        state["b"] = 0.9 * state["b"] + g
        p -= group["lr"] * state["b"]


class Spoils(Normalised):
    """The gradient is not to be changed, and who does is served call by call."""

    def update(self, xp, p, g, state, group, scratch):
        g *= group["lr"]
        p -= g


def test_one_that_knows_nothing_of_kernels_is_one():
    opts = made(lambda params: Signs(params, lr=0.1))
    rng = np.random.default_rng(1)
    for _ in range(3):
        assert step(*opts, rng) == (2, 0)
    assert_same(*opts, rtol=0)


@pytest.mark.parametrize("kind", [Normalised, Replaces, Spoils])
def test_what_is_no_kernel_runs_call_by_call_and_once(kind):
    opts = made(kind, shapes=[(3, 4), (200,)])
    rng = np.random.default_rng(1)
    for _ in range(5):
        step(*opts, rng)
    assert fusion.kernel.cache_info().currsize == 0
    for p, q in zip(*opts[2:]):
        np.testing.assert_allclose(q.array.get(), p.array, rtol=1e-12)
        assert opts[1].state[q]["step"].item() == 5


def test_it_is_tried_once():
    opts = made(Normalised, shapes=[(200,)])
    rng = np.random.default_rng(1)
    for _ in range(5):
        step(*opts, rng)
    assert opts[1].calls == 6


def test_an_error_in_the_rule_is_the_rules_own():
    class Wrong(Signs):
        def update(self, xp, p, g, state, group, scratch):
            p -= group["momentum"] * g

    opts = made(Wrong, shapes=[(3,)])
    opts[3][0].grad = tensor_of(strict_cupy.ones(3))
    with pytest.raises(KeyError, match="momentum"):
        opts[1].step()


# ----------------------------------------------------------------------------------------------------------------
# That it is C


def kernels_of(monkeypatch):
    """Return all different kernels of all optimizers, after a few steps of each."""
    kept = []

    class Kept(strict_cupy.ElementwiseKernel):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            kept.append((args, kwargs, self))

    monkeypatch.setattr(strict_cupy, "ElementwiseKernel", Kept)
    for name, options in CASES:
        opts = made(lambda params, name=name, options=options: getattr(optim, name)(params, **options), shapes=[(5,)])
        for k in range(7):
            step(*opts, np.random.default_rng(k))
    return kept


def c_plus_plus(kept):
    """Write a loop around each kernel for both types, as CuPy does for the threads of a GPU."""
    text = ["#include <cmath>", "#define __device__ static", "using std::sqrt; using std::abs;"]
    for kind in ("float", "double"):
        text += [f"namespace of_{kind} {{ typedef {kind} T;", kept[0][1]["preamble"]]
        for k, ((ins, outs, operation, *_), _, _) in enumerate(kept):
            numbers = [name for name in ins.split(", ") if name != "T g"]
            arrays = ["g", *re.findall(r"T (\w+)", outs)]
            arguments = ", ".join([*(f"T *all_{name}" for name in arrays), *(f"const {name}" for name in numbers)])
            bound = " ".join(f"{'const ' * (name == 'g')}T &{name} = all_{name}[i];" for name in arrays)
            text.append(f'extern "C" void {kind}_{k}(long n, {arguments}) {{')
            text.append(f"    for (long i = 0; i < n; ++i) {{ {bound} {operation}; }}\n}}")
        text.append("}")
    return "\n".join(text)


@pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler")
def test_a_compiler_takes_it_and_it_does_the_same(monkeypatch, tmp_path, cp):
    kept = kernels_of(monkeypatch)
    assert len(kept) > 30
    (tmp_path / "kernels.cpp").write_text(c_plus_plus(kept))
    options = ["-O1", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(["c++", *options, "-o", tmp_path / "kernels.so", tmp_path / "kernels.cpp"], check=True)
    library = ctypes.CDLL(str(tmp_path / "kernels.so"))
    rng = np.random.default_rng(0)
    for kind, dtype, number in (("float", np.float32, ctypes.c_float), ("double", np.float64, ctypes.c_double)):
        for k, (_, _, run) in enumerate(kept):
            numbers = rng.uniform(0.1, 1, run.nin - 1).astype(dtype)
            g, *changed = np.abs(rng.standard_normal((1 + run.nout, 50))).astype(dtype)
            g[::2] *= -1
            g[5], g[6] = 0, np.nan
            on_device = [cp.asarray(x) for x in changed]
            run(cp.asarray(g), *map(float, numbers), *on_device)
            pointers = [ctypes.c_void_p(x.ctypes.data) for x in (g, *changed)]
            getattr(library, f"{kind}_{k}")(ctypes.c_long(50), *pointers, *map(number, numbers))
            for x, y in zip(changed, on_device):
                np.testing.assert_allclose(x, y.get(), rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)

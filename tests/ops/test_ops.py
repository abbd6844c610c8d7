"""Every op, from its row in ``samples``: values, derivatives of both orders, dtypes, memory, GPU, PyTorch."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import ops
from minigrad.autograd import grad, gradcheck, gradgradcheck
from minigrad.autograd.node import tensor_of

from .samples import ROWS, Call, Row

Array = np.ndarray[Any, Any]

every_op = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
with_integers = pytest.mark.parametrize("row", [row for row in ROWS if row.ints], ids=lambda row: row.id)
differentiable = pytest.mark.parametrize("row", [row for row in ROWS if row.gradient], ids=lambda row: row.id)


def calls(row: Row, kinks: bool = False) -> Iterator[Call]:
    """Yield the calls of a row; an error inside the loop says which one it was."""
    for sample in (*row.calls, *(row.kinks if kinks else ())):
        try:
            yield sample
        except GeneratorExit:
            raise
        except BaseException as error:
            error.add_note(f"in {row.op}: {sample}")
            raise


def listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def is_float(x: Any) -> bool:
    return x.dtype.kind == "f"


def tensors(row: Row, sample: Call, dtype: str = "float64", xp: Any = np) -> tuple[list[Any], list[Any]]:
    """Call the op on tensors; return its results and the leaves that require grad."""
    leaves: list[Any] = []

    def make(array: Array) -> Any:
        if not is_float(array):
            return tensor_of(xp.asarray(array))
        x = tensor_of(xp.asarray(array.astype(dtype))).requires_grad_(row.gradient)
        leaves.append(x)
        return x

    args, kwargs = row.filled(sample, make)
    return listed(row.function(*args, **kwargs)), leaves


def incoming(results: list[Any], dtype: str = "float64", xp: Any = np) -> list[Any]:
    """Return a gradient for each differentiable result, never the same number twice."""
    draw = np.random.default_rng(1)
    return [xp.asarray(draw.uniform(0.5, 2.0, y.shape).astype(dtype)) for y in results]


class in_columns:
    """Stands for NumPy in ``tensors``: the arrays it makes are views that lie column by column, with gaps."""

    @staticmethod
    def asarray(array: Array) -> Array:
        wide = np.zeros((*array.shape[::-1], 2), array.dtype)[..., 0].T
        wide[...] = array
        return wide


def gradients(results: list[Any], leaves: list[Any], dtype: str = "float64", xp: Any = np, **options: Any) -> Any:
    outputs = [y for y in results if y.requires_grad]
    arrays = incoming(outputs, dtype, xp)
    if not outputs:
        return [None] * len(leaves)
    return grad(outputs, leaves, [tensor_of(g) for g in arrays], allow_unused=True, **options)


# ----------------------------------------------------------------------------------------------------------------
# The table is complete


def test_every_op_has_samples() -> None:
    sheets = [f for f in vars(ops).values() if getattr(f, "__module__", "").startswith("minigrad.ops.")]
    composed = {f.__name__ for f in sheets if inspect.isfunction(f)}
    helpers = {"op", "get_default_dtype", "result_type", "set_default_dtype", "plain_index"}
    registered = {name for name, f in ops.registry.items() if f.__module__.startswith("minigrad.")}
    missing = (registered | composed) - helpers - {row.op for row in ROWS}
    assert not missing, f"no row in tests/ops/samples for {sorted(missing)}"


def test_every_row_has_calls_and_a_name_of_its_own() -> None:
    assert all(row.calls for row in ROWS)
    assert len({row.id for row in ROWS}) == len(ROWS)


# ----------------------------------------------------------------------------------------------------------------
# Values and dtypes


@every_op
def test_values(row: Row) -> None:
    for sample in calls(row):
        args, kwargs = row.filled(sample, lambda array: array)
        expected = listed(row.reference(*args, **kwargs))
        for dtype, rtol in (("float64", row.rtol), ("float32", 2e-5)):
            results, _ = tensors(row, sample, dtype)
            assert len(results) == len(expected)
            for y, reference in zip(results, expected, strict=True):
                assert type(y) is minigrad.Tensor and type(y.array) is np.ndarray, sample
                assert tuple(y.shape) == np.shape(reference), sample
                np.testing.assert_allclose(y.array, reference, rtol=rtol, atol=rtol, err_msg=repr(sample))


@every_op
def test_float32_stays_float32(row: Row) -> None:
    for sample in calls(row):
        results, leaves = tensors(row, sample, "float32")
        if leaves:
            assert results[0].dtype == row.dtype, sample
        for x, g in zip(leaves, gradients(results, leaves, str(results[0].dtype)), strict=True):
            if g is not None:
                assert g.dtype == "float32" and type(g.array) is np.ndarray and g.shape == x.shape, sample


@with_integers
def test_integers(row: Row) -> None:
    for sample in calls(row):
        floats = []

        def make(array: Array, floats: list[Array] = floats) -> Any:
            if not is_float(array):
                return tensor_of(array)
            floats.append(array)
            whole = np.rint(array).astype(np.int64)
            return tensor_of(np.asarray(np.where(whole == 0, 1, whole)))

        args, kwargs = row.filled(sample, make)
        with np.errstate(all="ignore"):  # 1 lies on the border of some domains
            y = listed(row.function(*args, **kwargs))[0]
        numbers = [x for x in (*sample.args, *sample.kwargs.values()) if isinstance(x, float)]
        if floats and not numbers:
            assert y.dtype == row.ints, sample


@every_op
def test_arrays_compute_what_tensors_record(row: Row) -> None:
    for sample in calls(row):
        args, kwargs = row.filled(sample, lambda array: array)
        if not any(isinstance(x, np.ndarray) for x in [*args, *kwargs.values()]):
            continue  # lists of tensors
        results, _ = tensors(row, sample)
        for y, raw in zip(results, listed(row.function(*args, **kwargs)), strict=True):
            assert isinstance(raw, (np.ndarray, np.generic)), sample
            np.testing.assert_array_equal(raw, y.array, err_msg=repr(sample))


def test_relu_of_large_arrays() -> None:
    """From 4096 entries on it takes another path."""
    x = minigrad.randn(64, 65).requires_grad_()
    y = x.relu()
    np.testing.assert_array_equal(y.array, np.maximum(x.array, 0))
    assert y.dtype == "float32"
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, x.array > 0)
    np.testing.assert_array_equal(minigrad.randn(5000).relu().array >= 0, True)


# ----------------------------------------------------------------------------------------------------------------
# Derivatives


def checked(row: Row, sample: Call, check: Any) -> None:
    results, leaves = tensors(row, sample)
    n_inputs, n_outputs = (sum(x.numel() for x in some if is_float(x)) for some in (leaves, results))
    if not leaves:
        return

    def function(*given: Any) -> Any:
        rest = iter(given)
        args, kwargs = row.filled(sample, lambda array: next(rest) if is_float(array) else tensor_of(array))
        results = listed(row.function(*args, **kwargs))
        return tuple(y for y in results if is_float(y))

    report = check(function, leaves, atol=1e-7, rtol=1e-6)
    assert report.checked == n_inputs * (n_outputs if check is gradcheck else n_inputs + n_outputs), sample
    assert report.wrong == 0, sample


@differentiable
def test_first_derivatives(row: Row) -> None:
    for sample in calls(row):
        checked(row, sample, gradcheck)


@differentiable
def test_second_derivatives(row: Row) -> None:
    for sample in calls(row):
        checked(row, sample, gradgradcheck)


@differentiable
def test_rules_give_the_same_on_arrays_and_on_tensors(row: Row) -> None:
    for sample in calls(row, kinks=True):
        results, leaves = tensors(row, sample)
        on_arrays = gradients(results, leaves, retain_graph=True)
        on_tensors = gradients(results, leaves, create_graph=True)
        for a, b in zip(on_arrays, on_tensors, strict=True):
            assert (a is None) == (b is None), sample
            if a is not None:
                np.testing.assert_allclose(a.array, b.array, rtol=1e-12, atol=1e-14, err_msg=repr(sample))


@differentiable
def test_arrays_in_any_order_in_memory(row: Row) -> None:
    for sample in calls(row):
        results, leaves = tensors(row, sample)
        strided, strided_leaves = tensors(row, sample, xp=in_columns)
        for y, z in zip(results, strided, strict=True):
            np.testing.assert_allclose(y.array, z.array, rtol=1e-12, atol=1e-14, err_msg=repr(sample))
        shares, strided_shares = gradients(results, leaves), gradients(strided, strided_leaves, xp=in_columns)
        for a, b in zip(shares, strided_shares, strict=True):
            assert (a is None) == (b is None), sample
            if a is not None:
                np.testing.assert_allclose(a.array, b.array, rtol=1e-12, atol=1e-14, err_msg=repr(sample))


@differentiable
def test_gradients_have_memory_of_their_own(row: Row) -> None:
    for sample in calls(row):
        results, leaves = tensors(row, sample)
        outputs = [y for y in results if y.requires_grad]
        if not outputs:
            continue
        given = [tensor_of(g) for g in incoming(outputs)]
        before = [x.array.copy() for x in (*leaves, *results, *given)]
        minigrad.autograd.backward(outputs, given)
        others = [x.array for x in (*leaves, *results, *given)]
        for x, then in zip(others, before, strict=True):
            np.testing.assert_array_equal(x, then, err_msg=f"backward changed an array: {sample}")
        for x in leaves:
            if x.grad is not None:
                assert not any(np.shares_memory(x.grad.array, y) for y in others), sample
                assert x.grad.array.flags.writeable, sample
                others.append(x.grad.array)


# ----------------------------------------------------------------------------------------------------------------
# On the GPU: the stand-in always, CuPy where there is one


on_each_gpu = pytest.mark.parametrize("name", ["strict", "cupy"] if minigrad.cuda.is_available() else ["strict"])


@contextlib.contextmanager
def gpu(name: str) -> Iterator[Any]:
    if name == "strict":
        with strict_cupy.installed() as cp:
            yield cp
    else:
        yield importlib.import_module("cupy")


@on_each_gpu
@pytest.mark.parametrize("row", [row for row in ROWS if row.op != "transfer"], ids=lambda row: row.id)
def test_gpu(row: Row, name: str) -> None:
    with gpu(name) as cp:
        for sample in calls(row):
            on_cpu, cpu_leaves = tensors(row, sample)
            expected = gradients(on_cpu, cpu_leaves)
            before = getattr(cp, "syncs", 0)
            results, leaves = tensors(row, sample, xp=cp)
            found = gradients(results, leaves, xp=cp, create_graph=True), gradients(results, leaves, xp=cp)
            read = getattr(cp, "syncs", 0) - before
            assert read == 0 or row.reads, f"{read} reads from the GPU in {sample}"
            for y, on_host in zip(results, on_cpu, strict=True):
                assert isinstance(y.array, cp.ndarray), sample
                np.testing.assert_allclose(cp.asnumpy(y.array), on_host.array, rtol=1e-12, atol=1e-12)
            for shares in found:
                for g, on_host in zip(shares, expected, strict=True):
                    assert (g is None) == (on_host is None), sample
                    if g is not None:
                        assert isinstance(g.array, cp.ndarray), sample
                        np.testing.assert_allclose(cp.asnumpy(g.array), on_host.array, rtol=1e-12, atol=1e-12)


@on_each_gpu
def test_transfer(name: str) -> None:
    with gpu(name) as cp:
        x = minigrad.tensor([1.0, 2.0], requires_grad=True)
        y = x.cuda()
        assert isinstance(y.array, cp.ndarray) and y.device == "cuda:0"
        z = (y * y).cpu()
        assert type(z.array) is np.ndarray
        z.sum().backward()
        assert type(x.grad.array) is np.ndarray
        np.testing.assert_array_equal(x.grad.array, [2.0, 4.0])


# ----------------------------------------------------------------------------------------------------------------
# PyTorch, side by side


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


def in_torch(torch: Any, row: Row) -> Any:
    if callable(row.torch):
        return row.torch
    return functools.reduce(getattr, (row.torch or row.op).split("."), torch)


def torch_tensors(torch: Any, row: Row, sample: Call, dtype: str = "float64") -> tuple[list[Any], list[Any]]:
    leaves: list[Any] = []

    def make(array: Array) -> Any:
        if not is_float(array):
            return torch.from_numpy(array)
        x = torch.from_numpy(array.astype(dtype)).requires_grad_(row.gradient)
        leaves.append(x)
        return x

    args, kwargs = row.filled(sample, make)
    return listed(in_torch(torch, row)(*args, **kwargs)), leaves


def close(ours: Any, theirs: Any, sample: Call) -> None:
    theirs = theirs.detach().numpy(force=True)
    assert ours.dtype == theirs.dtype and tuple(ours.shape) == theirs.shape, f"{sample}: {ours.dtype} {theirs.dtype}"
    np.testing.assert_allclose(ours.array, theirs, rtol=1e-8, atol=1e-11, err_msg=repr(sample))


@every_op
def test_beside_pytorch(row: Row, torch: Any) -> None:
    for sample in calls(row, kinks=True):
        with np.errstate(all="ignore"):
            results, leaves = tensors(row, sample)
        references, torch_leaves = torch_tensors(torch, row, sample)
        for y, reference in zip(results, references, strict=True):
            close(y, reference, sample)
        outputs = [y for y in results if y.requires_grad]
        torch_outputs = [y for y in references if y.requires_grad]
        if not torch_outputs or row.beside == "values":
            continue
        arrays = incoming(outputs)
        given = [torch.from_numpy(g) for g in arrays]
        with np.errstate(all="ignore"):
            ours = grad(outputs, leaves, [tensor_of(g) for g in arrays], create_graph=True, materialize_grads=True)
        theirs = torch.autograd.grad(
            torch_outputs, torch_leaves, given, create_graph=True, allow_unused=True, materialize_grads=True
        )
        for a, b in zip(ours, theirs, strict=True):
            close(a, b, sample)
        if row.beside == "first" or sample in row.kinks:
            continue  # one convention for the slope; what happens to it nearby is nobody's
        arrays = incoming(leaves)
        s = sum((a * tensor_of(h)).sum() for a, h in zip(ours, arrays, strict=True))
        t = sum((b * torch.from_numpy(h)).sum() for b, h in zip(theirs, arrays, strict=True))
        if t.requires_grad:
            ours = grad(s, leaves, materialize_grads=True) if s.requires_grad else [x * 0 for x in leaves]
            theirs = torch.autograd.grad(t, torch_leaves, allow_unused=True, materialize_grads=True)
            for a, b in zip(ours, theirs, strict=True):
                close(a, b, sample)


@with_integers
def test_integer_dtypes_are_those_of_pytorch(row: Row, torch: Any) -> None:
    for sample in calls(row):

        def make(array: Array) -> Array:
            if not is_float(array):
                return array
            whole = np.rint(array).astype(np.int64)
            return np.asarray(np.where(whole == 0, 1, whole))

        ours, options = row.filled(sample, lambda array: tensor_of(make(array)))
        theirs, torch_options = row.filled(sample, lambda array: torch.from_numpy(make(array)))
        with np.errstate(all="ignore"):
            results = listed(row.function(*ours, **options))
        for a, b in zip(results, listed(in_torch(torch, row)(*theirs, **torch_options)), strict=True):
            assert a.dtype == b.numpy().dtype and tuple(a.shape) == tuple(b.shape), sample
            np.testing.assert_allclose(a.array, b.numpy(), rtol=1e-5, err_msg=repr(sample))


# ----------------------------------------------------------------------------------------------------------------
# The table itself: does it notice a wrong rule?

# Their slope is 0, and 1.001 * 0 is 0.
STAIRCASES = {"sign", "floor", "ceil", "round", "trunc", "floor_divide", "heaviside"}
FLAT_ARGUMENTS = {("copysign", "b"), ("nextafter", "b")}


SLOPED = [name for name, f in ops.registry.items() if getattr(f, "rules", None) and name not in STAIRCASES]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("lstm", "gru") else name for name in SLOPED]
)
def test_a_rule_that_is_wrong_by_a_thousandth_is_noticed(name: str) -> None:
    f = ops.registry[name]
    rows = [row for row in ROWS if row.op == name]

    def notice() -> None:
        for row in rows:
            test_first_derivatives(row)
            test_second_derivatives(row)
            test_rules_give_the_same_on_arrays_and_on_tensors(row)

    for argument, rule in list(f.rules.items()):
        if (name, argument) in FLAT_ARGUMENTS:
            continue

        @functools.wraps(rule)  # the op reads the names of its arguments
        def wrong(*args: Any, rule: Any = rule) -> Any:
            return rule(*args) * 1.001

        f.derivative(**{argument: wrong})
        try:
            with pytest.raises((minigrad.autograd.GradcheckError, AssertionError)):
                notice()
        finally:
            f.derivative(**{argument: rule})
    if (raw_rule := f.raw_rule) is not None:

        @functools.wraps(raw_rule)
        def wrong_raw(*args: Any) -> Any:
            return [None if share is None else share * 1.001 for share in raw_rule(*args)]

        f.raw_derivative(wrong_raw)
        try:
            with pytest.raises((minigrad.autograd.GradcheckError, AssertionError)):
                notice()
        finally:
            f.raw_derivative(raw_rule)


def test_an_op_of_the_users_hides_none_of_ours() -> None:
    ours = ops.exp
    theirs = ops.op(lambda xp, x, /: x, name="exp")
    try:
        assert ops.registry["exp"] is ours and theirs in ops.registry.values()
    finally:
        del ops.registry[next(name for name, op in ops.registry.items() if op is theirs)]

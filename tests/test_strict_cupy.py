"""One table of what CuPy does, held against the stand-in always and against CuPy itself where there is a GPU."""

import copy
import importlib.util
import operator
import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import strict_cupy

# What a case may come to: a `device` array of that dtype, shape (0-d included) and value; a `host` value; an error. A
# case that `reads` must wait for the device, one that `stays` must not (asked through cupyx.allow_synchronize).
device, host, raises, reads, stays = "device", "host", "raises", "reads", "stays"
ONE, TWO, F = np.float32(1), np.float64(2), np.float32


class Foreign:
    """A class that wants its own reflected operators, as minigrad's Tensor does."""

    __array_ufunc__ = None

    def __radd__(self, other):
        return "mine"

    __rmul__ = __rmatmul__ = __rpow__ = __gt__ = __radd__


class Priority:
    __array_priority__ = 1000

    def __radd__(self, other):
        return "mine"


class Plain:
    pass


def vec(cp):
    return cp.arange(4, dtype=cp.float32)


def mat(cp):
    return cp.arange(6, dtype=cp.float32).reshape(2, 3)


def zero_d(cp):
    return cp.asarray(3, dtype=cp.float32)


def put(a, key, value):
    a[key] = value
    return a


def changed(a, change):
    change(a)
    return a


def through_view(a, view):
    """Add 10 in place to a view and look at the original."""
    v = view(a)
    v += 10
    return a


def enter_twice(hook):
    with hook, hook:
        pass


WHERE = "__device__ T where(bool b, T x, T y) { return b ? x : y; }"


def kernel(cp, *args, **kwargs):
    return cp.ElementwiseKernel(*args, **kwargs)


# fmt: off
CASES = [
    # Nothing leaves the device unasked.
    ("np.asarray", lambda cp: np.asarray(vec(cp)), raises, TypeError),
    ("np.array of a list", lambda cp: np.array([vec(cp)]), raises, TypeError),
    ("np.array of mixed scalars", lambda cp: np.array([zero_d(cp), 1.0]), raises, TypeError),
    ("np.from_dlpack", lambda cp: np.from_dlpack(vec(cp)), raises, (BufferError, RuntimeError)),
    ("host[:] = device", lambda cp: put(np.zeros(4), slice(None), vec(cp)), raises, TypeError),
    ("host += device", lambda cp: operator.iadd(np.zeros(4), vec(cp)), raises, TypeError),
    ("range(0-d)", lambda cp: range(cp.asarray(3)), raises, TypeError),
    ("list[0-d]", lambda cp: [1, 2, 3][cp.asarray(1)], raises, TypeError),
    ("math on the host", lambda cp: operator.index(cp.asarray(1)), raises, TypeError),
    ("hash", lambda cp: hash(vec(cp)), raises, TypeError),
    ("asnumpy", lambda cp: cp.asnumpy(vec(cp)), host, np.arange(4, dtype=F)),
    ("asnumpy of a host array", lambda cp: cp.asnumpy(np.ones(2)), host, np.ones(2)),
    ("get", lambda cp: mat(cp).T.get(), host, np.arange(6, dtype=F).reshape(2, 3).T),
    ("item", lambda cp: zero_d(cp).item(), host, 3.0),
    ("item of one element", lambda cp: vec(cp)[1:2].item(), host, 1.0),
    ("item of several", lambda cp: vec(cp).item(), raises, ValueError),
    ("item with an index", lambda cp: vec(cp).item(2), raises, TypeError),
    ("tolist", lambda cp: vec(cp).tolist(), host, [0.0, 1.0, 2.0, 3.0]),
    ("float", lambda cp: float(zero_d(cp)), host, 3.0),
    ("int", lambda cp: int(zero_d(cp)), host, 3),
    ("bool of several", lambda cp: bool(vec(cp)), raises, ValueError),
    ("bool of none", lambda cp: bool(vec(cp)[:0]), raises, DeprecationWarning),
    ("format", lambda cp: f"{zero_d(cp):.2f}", host, "3.00"),
    ("pickle", lambda cp: pickle.loads(pickle.dumps(vec(cp))), device, np.arange(4, dtype=F)),
    ("deepcopy", lambda cp: copy.deepcopy(vec(cp)), device, np.arange(4, dtype=F)),

    # Host arrays do not mix in; Python and NumPy scalars do.
    ("device + host", lambda cp: vec(cp) + np.ones(4), raises, TypeError),
    ("host + device", lambda cp: np.ones(4) + vec(cp), raises, TypeError),
    ("device += host", lambda cp: operator.iadd(vec(cp), np.ones(4, F)), raises, TypeError),
    ("device @ host", lambda cp: mat(cp) @ np.ones(3, F), raises, TypeError),
    ("device + host 0-d", lambda cp: vec(cp) + np.array(1.0), raises, TypeError),
    ("device < host 0-d", lambda cp: vec(cp) < np.array(2.0), device, np.arange(4) < 2),
    ("device + list", lambda cp: vec(cp) + [1, 2, 3, 4], raises, TypeError),
    ("ufunc of host", lambda cp: cp.exp(np.ones(3)), raises, TypeError),
    ("ufunc of list", lambda cp: cp.exp([1.0]), raises, TypeError),
    ("maximum with host", lambda cp: cp.maximum(vec(cp), np.ones(4, F)), raises, TypeError),
    ("where with host", lambda cp: cp.where(vec(cp) > 1, vec(cp), np.ones(4, F)), raises, TypeError),
    ("where with host condition", lambda cp: cp.where(np.ones(4, bool), vec(cp), 0.0), raises, TypeError),
    ("where with Python condition", lambda cp: cp.where(True, vec(cp), 0.0), raises, (AttributeError, TypeError)),
    ("where with scalars", lambda cp: cp.where(vec(cp) > 1, ONE, 0), device, np.array([0, 0, 1, 1], F)),
    ("concatenate with host", lambda cp: cp.concatenate([vec(cp), np.ones(4, F)]), raises, TypeError),
    ("matmul with host", lambda cp: cp.matmul(mat(cp), np.ones((3, 1), F)), raises, TypeError),
    ("dot with a number", lambda cp: cp.dot(vec(cp), 2.0), raises, TypeError),
    ("clip with host", lambda cp: cp.clip(vec(cp), np.zeros(4, F), 2), raises, TypeError),
    ("asarray of mixed list", lambda cp: cp.asarray([zero_d(cp), 1.0]), raises, TypeError),
    ("asarray of device scalars", lambda cp: cp.asarray([zero_d(cp), zero_d(cp)]), device, np.array([3, 3], F)),
    ("sum of a list", lambda cp: cp.sum([1.0, 2.0]), raises, (AttributeError, TypeError)),
    ("device + Python float", lambda cp: vec(cp) + 1.5, device, np.arange(4, dtype=F) + F(1.5)),
    ("device + float32", lambda cp: vec(cp) + ONE, device, np.arange(1, 5, dtype=F)),
    ("device + float64 scalar", lambda cp: vec(cp) + TWO, device, np.arange(4) + 2.0),
    ("float64 scalar * device", lambda cp: TWO * vec(cp), device, np.arange(4) * 2.0),
    ("Python float - device", lambda cp: 1.0 - vec(cp), device, 1 - np.arange(4, dtype=F)),
    ("2 ** device", lambda cp: 2 ** vec(cp), device, 2 ** np.arange(4, dtype=F)),
    ("int device + Python float", lambda cp: cp.arange(2) + 0.5, device, np.arange(2) + 0.5),
    ("int8 device + Python int", lambda cp: cp.ones(2, "int8") + 1, device, np.full(2, 2, np.int8)),
    ("0-d float64 * float32", lambda cp: cp.asarray(2.0) * vec(cp), device, np.arange(4) * 2.0),
    ("== None", lambda cp: vec(cp) == None, device, np.zeros(4, bool)),  # noqa: E711
    ("device @ device", lambda cp: mat(cp) @ mat(cp).T, device, np.array([[5, 14], [14, 50]], F)),

    # NumPy's functions find CuPy's, where CuPy has them.
    ("np.exp", lambda cp: np.exp(cp.zeros(2)), device, np.ones(2)),
    ("np.sum", lambda cp: np.sum(mat(cp), axis=0), device, np.array([3, 5, 7], F)),
    ("np.add.at", lambda cp: changed(vec(cp), lambda a: np.add.at(a, cp.asarray([1, 1]), 5)), device,
     np.array([0, 11, 2, 3], F)),
    ("np.add with out", lambda cp: changed(vec(cp), lambda a: np.add(a, 1, out=a)), device, np.arange(1, 5, dtype=F)),
    ("np.linalg.norm", lambda cp: np.linalg.norm(vec(cp)[2:]), device, np.sqrt(F(13))),
    ("np.concatenate with host", lambda cp: np.concatenate([vec(cp), np.ones(4, F)]), raises, TypeError),
    ("np.exp with where", lambda cp: np.exp(vec(cp), where=True), raises, TypeError),
    ("np.spacing", lambda cp: np.spacing(vec(cp)), raises, TypeError),
    ("np.block", lambda cp: np.block([vec(cp), vec(cp)]), raises, TypeError),

    # Other classes may take over the operators.
    ("defers +", lambda cp: vec(cp) + Foreign(), host, "mine"),
    ("defers *", lambda cp: vec(cp) * Foreign(), host, "mine"),
    ("defers @", lambda cp: vec(cp) @ Foreign(), host, "mine"),
    ("defers **", lambda cp: vec(cp) ** Foreign(), host, "mine"),
    ("defers <", lambda cp: vec(cp) < Foreign(), host, "mine"),
    ("defers to priority", lambda cp: vec(cp) + Priority(), host, "mine"),
    ("does not defer +=", lambda cp: operator.iadd(vec(cp), Foreign()), raises, TypeError),
    ("unknown class", lambda cp: vec(cp) + Plain(), raises, TypeError),

    # Missing functions, methods and keywords.
    ("errstate", lambda cp: cp.errstate, raises, AttributeError),
    ("seterr", lambda cp: cp.seterr, raises, AttributeError),
    ("spacing", lambda cp: cp.spacing, raises, AttributeError),
    ("block", lambda cp: cp.block, raises, AttributeError),
    ("insert", lambda cp: cp.insert, raises, AttributeError),
    ("scatter_add", lambda cp: cp.scatter_add, raises, AttributeError),
    ("to_device", lambda cp: vec(cp).to_device, raises, AttributeError),
    ("__array_namespace__", lambda cp: vec(cp).__array_namespace__, raises, AttributeError),
    ("sum where", lambda cp: cp.sum(vec(cp), where=vec(cp) > 1), raises, TypeError),
    ("sum initial", lambda cp: vec(cp).sum(initial=1), raises, TypeError),
    ("max initial", lambda cp: cp.max(vec(cp), initial=0), raises, TypeError),
    ("mean where", lambda cp: vec(cp).mean(where=True), raises, TypeError),
    ("var correction", lambda cp: cp.var(vec(cp), correction=1), raises, TypeError),
    ("clip min", lambda cp: cp.clip(vec(cp), min=1, max=2), raises, TypeError),
    ("method clip min", lambda cp: vec(cp).clip(min=1, max=2), device, np.array([1, 1, 2, 2], F)),
    ("clip with None", lambda cp: cp.clip(vec(cp), 1, None), device, np.array([1, 1, 2, 3], F)),
    ("zeros device", lambda cp: cp.zeros(3, device=0), raises, TypeError),
    ("arange device", lambda cp: cp.arange(3, device=0), raises, TypeError),
    ("asarray device", lambda cp: cp.asarray([1], device=0), raises, TypeError),
    ("ufunc where", lambda cp: cp.exp(vec(cp), where=vec(cp) > 1), raises, TypeError),
    ("einsum out", lambda cp: cp.einsum("i->", vec(cp), out=zero_d(cp)), raises, TypeError),
    ("sort stable", lambda cp: cp.sort(vec(cp), stable=True), raises, TypeError),
    ("reduction axis out of range", lambda cp: vec(cp).sum(axis=1), raises, ValueError),
    ("reshape to the wrong size", lambda cp: vec(cp).reshape(3), raises, ValueError),
    ("maximum.reduce", lambda cp: cp.maximum.reduce(vec(cp)), raises, NotImplementedError),
    ("add.reduce", lambda cp: cp.add.reduce(mat(cp)), device, np.array([3, 5, 7], F)),
    ("exp.at", lambda cp: cp.logaddexp.at(vec(cp), 0, 1), raises, NotImplementedError),
    ("object dtype", lambda cp: vec(cp).astype(object), raises, ValueError),
    ("zeros of a device shape", lambda cp: cp.zeros(cp.asarray(3)), raises, TypeError),

    # The generator.
    *((f"Generator.{name}", lambda cp, name=name: getattr(cp.random.default_rng(0), name), raises, AttributeError)
      for name in ("normal", "permutation", "shuffle", "choice", "permuted")),
    ("random", lambda cp: cp.random.default_rng(0).random((2, 3), dtype=cp.float32) * 0, device, np.zeros((2, 3), F)),
    ("random is in [0, 1)", lambda cp: (abs(cp.random.default_rng(0).random(99) - 0.5) <= 0.5).all(), device, np.True_),
    ("random scalar", lambda cp: cp.random.default_rng(0).random() * 0, device, np.float64(0)),
    ("uniform", lambda cp: cp.random.default_rng(0).uniform(2, 3, 4, dtype="float32") // 1, device, np.full(4, 2, F)),
    ("standard_normal", lambda cp: cp.random.default_rng(0).standard_normal(5, dtype="float32") * 0, device,
     np.zeros(5, F)),
    ("integers", lambda cp: cp.random.default_rng(0).integers(3, 4, size=2), device, np.array([3, 3])),
    ("same seed, same numbers",
     lambda cp: (cp.random.default_rng(1).random(9) == cp.random.default_rng(1).random(9)).all(), device, np.True_),

    # Results stay on the device and stay arrays.
    ("sum", lambda cp: vec(cp).sum(), device, F(6)),
    ("mean", lambda cp: cp.mean(vec(cp)), device, F(1.5)),
    ("max", lambda cp: cp.max(vec(cp)), device, F(3)),
    ("argmax", lambda cp: vec(cp).argmax(), device, np.int64(3)),
    ("all", lambda cp: (vec(cp) >= 0).all(), device, np.True_),
    ("sum of ints", lambda cp: cp.arange(3, dtype="int32").sum(), device, np.int64(3)),
    ("dot", lambda cp: cp.dot(vec(cp), vec(cp)), device, F(14)),
    ("einsum", lambda cp: cp.einsum("ij,ij->", mat(cp), mat(cp)), device, F(55)),
    ("allclose", lambda cp: cp.allclose(vec(cp), vec(cp)), device, np.True_),
    ("array_equal", lambda cp: cp.array_equal(vec(cp), vec(cp) + 1), device, np.False_),
    ("count_nonzero", lambda cp: cp.count_nonzero(vec(cp)), device, np.int64(3)),
    ("0-d * 2", lambda cp: zero_d(cp) * 2, device, F(6)),
    ("-0-d", lambda cp: -zero_d(cp), device, F(-3)),
    ("0-d < 0-d", lambda cp: zero_d(cp) < zero_d(cp), device, np.False_),
    ("exp of 0-d", lambda cp: cp.exp(zero_d(cp) * 0), device, F(1)),
    ("0-d ** 2", lambda cp: zero_d(cp) ** 2, device, F(9)),
    ("element", lambda cp: vec(cp)[2], device, F(2)),
    ("iteration", lambda cp: list(vec(cp))[3], device, F(3)),
    ("log(0) without a warning", lambda cp: cp.log(cp.zeros(1)), device, np.array([-np.inf])),
    ("0 ** -1 without a warning", lambda cp: cp.zeros(1) ** -1, device, np.array([np.inf])),
    ("0 / 0 without a warning", lambda cp: cp.zeros(1) / 0, device, np.array([np.nan])),
    ("shape, ndim, size", lambda cp: (mat(cp).shape, mat(cp).ndim, mat(cp).size), host, ((2, 3), 2, 6)),
    ("nbytes, itemsize, strides", lambda cp: (mat(cp).nbytes, mat(cp).itemsize, mat(cp).T.strides), host,
     (24, 4, (4, 12))),
    ("dtype", lambda cp: vec(cp).dtype, host, np.dtype("float32")),
    ("flags", lambda cp: mat(cp).T.flags.c_contiguous, host, False),
    ("result_type", lambda cp: cp.result_type(vec(cp), 1.0), host, np.dtype("float32")),
    ("T", lambda cp: mat(cp).T, device, np.arange(6, dtype=F).reshape(2, 3).T),
    ("swapaxes", lambda cp: mat(cp).swapaxes(0, 1), device, np.arange(6, dtype=F).reshape(2, 3).T),
    ("keepdims", lambda cp: mat(cp).sum(1, keepdims=True), device, np.array([[3], [12]], F)),
    ("split", lambda cp: cp.split(vec(cp), 2)[1], device, np.array([2, 3], F)),
    ("as_strided", lambda cp: cp.lib.stride_tricks.as_strided(vec(cp), (2, 2), (4, 8)), device,
     np.array([[0, 2], [1, 3]], F)),
    ("sliding_window_view", lambda cp: cp.lib.stride_tricks.sliding_window_view(vec(cp), 3), device,
     np.array([[0, 1, 2], [1, 2, 3]], F)),
    ("ascontiguousarray of host", lambda cp: cp.ascontiguousarray(np.ones(3)), raises, TypeError),
    ("asarray of itself", lambda cp: (lambda a: cp.asarray(a) is a)(vec(cp)), host, True),
    ("astype without a copy", lambda cp: (lambda a: a.astype("float32", copy=False) is a)(vec(cp)), host, True),
    ("base", lambda cp: (cp.zeros(3).base is None, cp.zeros(3)[1:].base is None), host, (True, False)),
    ("base is the very array", lambda cp: (lambda a: (a.T.base is a, a[0].base is a, a.T[0].base is a))(
        cp.ones((2, 3))), host, (True, True, True)),

    # In place means in place.
    ("0-d += 1", lambda cp: changed(zero_d(cp), lambda a: operator.iadd(a, 1)), device, F(4)),
    ("+= 1", lambda cp: changed(vec(cp), lambda a: operator.iadd(a, 1)), device, np.arange(1, 5, dtype=F)),
    ("*= device", lambda cp: changed(vec(cp), lambda a: operator.imul(a, a)), device, np.arange(4, dtype=F) ** 2),
    ("-= float64 device", lambda cp: changed(vec(cp), lambda a: operator.isub(a, cp.ones(4))), device,
     np.arange(-1, 3, dtype=F)),
    ("int += float", lambda cp: operator.iadd(cp.arange(3), 0.5), raises, TypeError),
    ("@= makes a new array", lambda cp: changed(cp.ones((2, 2)), lambda a: operator.imatmul(a, a)), device,
     np.ones((2, 2))),
    ("out=", lambda cp: changed(vec(cp), lambda a: cp.multiply(a, 2, out=a)), device, np.arange(4, dtype=F) * 2),
    ("out= returns out", lambda cp: (lambda a: cp.exp(a, out=a) is a)(vec(cp)), host, True),
    ("out= on the host", lambda cp: cp.exp(vec(cp), out=np.zeros(4, F)), raises, TypeError),
    ("sum out=", lambda cp: changed(zero_d(cp), lambda a: vec(cp).sum(out=a)), device, F(6)),
    ("fill", lambda cp: changed(vec(cp), lambda a: a.fill(2)), device, np.full(4, 2, F)),
    ("fill with host", lambda cp: vec(cp).fill(np.ones(2)), raises, ValueError),
    ("an element is a view", lambda cp: through_view(vec(cp), lambda a: a[1]), device, np.array([0, 11, 2, 3], F)),
    ("a slice is a view", lambda cp: through_view(vec(cp), lambda a: a[2:]), device, np.array([0, 1, 12, 13], F)),
    ("a reshape is a view", lambda cp: through_view(vec(cp), lambda a: a.reshape(2, 2)[1]), device,
     np.array([0, 1, 12, 13], F)),
    ("a diagonal is a view", lambda cp: through_view(mat(cp), lambda a: a.diagonal(1)), device,
     np.array([[0, 11, 2], [3, 4, 15]], F)),
    ("an index array copies", lambda cp: through_view(vec(cp), lambda a: a[cp.asarray([1])]), device,
     np.arange(4, dtype=F)),
    ("add.at adds repeats", lambda cp: changed(vec(cp), lambda a: cp.add.at(a, cp.asarray([0, 0, 3]), ONE)), device,
     np.array([2, 1, 2, 4], F)),
    ("add.at with a slice", lambda cp: changed(mat(cp), lambda a: cp.add.at(a, (slice(None), cp.asarray([0, 0])), 1)),
     device, np.array([[2, 1, 2], [5, 4, 5]], F)),
    ("subtract.at of floats", lambda cp: cp.subtract.at(vec(cp), cp.asarray([0]), 1), raises, TypeError),

    # Indexing.
    ("number out of range", lambda cp: vec(cp)[4], raises, IndexError),
    ("index array out of range wraps", lambda cp: vec(cp)[cp.asarray([4, -5])], device, np.array([0, 3], F)),
    ("list out of range wraps", lambda cp: vec(cp)[[5]], device, np.array([1], F)),
    ("two index arrays wrap", lambda cp: mat(cp)[cp.asarray([2]), cp.asarray([4])], device, np.array([1], F)),
    ("after a slice it wraps", lambda cp: mat(cp)[:, cp.asarray([3])], device, np.array([[0], [3]], F)),
    ("assignment wraps", lambda cp: put(vec(cp), cp.asarray([5]), 9), device, np.array([0, 9, 2, 3], F)),
    ("take wraps", lambda cp: cp.take(vec(cp), cp.asarray([4, 5])), device, np.array([0, 1], F)),
    ("add.at wraps", lambda cp: changed(vec(cp), lambda a: cp.add.at(a, cp.asarray([4]), 1)), device,
     np.array([1, 1, 2, 3], F)),
    ("take_along_axis wraps", lambda cp: cp.take_along_axis(mat(cp), cp.asarray([[3], [4]]), 1), device,
     np.array([[0], [4]], F)),
    ("host index", lambda cp: vec(cp)[np.array([1, 3])], device, np.array([1, 3], F)),
    ("0-d device index", lambda cp: vec(cp)[cp.asarray(2)], device, F(2)),
    ("mask", lambda cp: vec(cp)[vec(cp) > 1], device, np.array([2, 3], F)),
    ("mask of a wrong shape", lambda cp: vec(cp)[cp.ones(3, bool)], raises, IndexError),
    ("float index array", lambda cp: vec(cp)[vec(cp)], raises, IndexError),
    ("too many indices", lambda cp: vec(cp)[0, 0], raises, IndexError),
    ("newaxis", lambda cp: vec(cp)[:2, cp.newaxis], device, np.array([[0], [1]], F)),
    ("a[0] = host array", lambda cp: put(mat(cp), 0, np.ones(3, F)), raises, ValueError),
    ("a[:] = host array", lambda cp: put(vec(cp), slice(None), np.ones(4, F)), raises, ValueError),
    ("a[...] = list", lambda cp: put(vec(cp), ..., [1, 2, 3, 4]), raises, ValueError),
    ("a[:] = host 0-d", lambda cp: put(vec(cp), slice(None), np.array(2.0)), device, np.full(4, 2, F)),
    ("a[:] = float", lambda cp: put(vec(cp), slice(None), 0.5), device, np.full(4, 0.5, F)),
    ("a[0] = device", lambda cp: put(mat(cp), 0, vec(cp)[1:]), device, np.array([[1, 2, 3], [3, 4, 5]], F)),
    ("a[0] = 0-d device", lambda cp: put(vec(cp), 0, zero_d(cp)), device, np.array([3, 1, 2, 3], F)),
    ("a[index array] = host array", lambda cp: put(vec(cp), cp.asarray([0, 1]), np.array([7, 8])), device,
     np.array([7, 8, 2, 3], F)),
    ("a[mask] = float", lambda cp: put(vec(cp), vec(cp) > 1, 0), device, np.array([0, 1, 0, 0], F)),
    ("a[:] of a wrong shape", lambda cp: put(vec(cp), slice(None), vec(cp)[:3]), raises, ValueError),
    ("set", lambda cp: changed(vec(cp), lambda a: a.set(np.ones(4, F))), device, np.ones(4, F)),
    ("set of another dtype", lambda cp: vec(cp).set(np.ones(4)), raises, TypeError),

    # Kernels of one's own.
    ("kernel", lambda cp: kernel(cp, "T x, T c", "T y", "y = x * c")(vec(cp), 2.0), device, np.arange(4, dtype=F) * 2),
    ("kernel broadcasts", lambda cp: kernel(cp, "T x, T z", "T y", "y = x - z")(mat(cp), zero_d(cp)), device,
     np.array([[-3, -2, -1], [0, 1, 2]], F)),
    ("kernel that reads what it writes", lambda cp: changed(vec(cp), lambda a: kernel(cp, "T c", "T y", "y = y + c")(
        0.5, a)), device, np.arange(4, dtype=F) + F(0.5)),
    ("kernel of several statements", lambda cp: kernel(
        cp, "T x", "T y", "T t = x * x; bool b = t > x; y = where(b, t, x)", preamble=WHERE)(vec(cp) / 2), device,
     np.array([0, 0.5, 1, 2.25], F)),
    ("kernel of a fixed type", lambda cp: kernel(cp, "float32 x", "float64 y", "y = x")(vec(cp)), device,
     np.arange(4.0)),
    ("kernel on nothing", lambda cp: kernel(cp, "T x", "T y", "y = x")(vec(cp)[:0]), device, np.zeros(0, F)),
    ("kernel rounds numbers to the type", lambda cp: kernel(cp, "T x, T c", "T y", "y = c")(vec(cp), 0.1), device,
     np.full(4, 0.1, F)),
    ("kernel returns what it was given", lambda cp: (lambda a: kernel(cp, "T x", "T y", "y = x")(vec(cp), a) is a)(
        vec(cp)), host, True),
    ("kernel without a return", lambda cp: kernel(cp, "T x", "T y", "y = x", no_return=True)(vec(cp)), host, None),
    ("kernel of host arrays", lambda cp: kernel(cp, "T x", "T y", "y = x")(np.ones(4, F)), raises, TypeError),
    ("kernel into a number", lambda cp: kernel(cp, "T x", "T y", "y = x")(vec(cp), 2.0), raises,
     (TypeError, AttributeError)),
    ("kernel of two types", lambda cp: kernel(cp, "T x", "T y", "y = x")(vec(cp), cp.ones(4)), raises, TypeError),
    ("kernel into another shape", lambda cp: kernel(cp, "T x", "T y", "y = x")(vec(cp), vec(cp)[:1]), raises,
     ValueError),
    ("kernel of numbers alone", lambda cp: kernel(cp, "T x", "T y", "y = x")(2.0), raises, ValueError),
    ("kernel with too few", lambda cp: kernel(cp, "T x, T z", "T y", "y = x")(vec(cp)), raises, TypeError),
    ("kernel with a keyword", lambda cp: kernel(cp, "T x", "T y", "y = x")(vec(cp), out=vec(cp)), raises, TypeError),
    ("kernel with a parameter i", lambda cp: kernel(cp, "T i", "T y", "y = i"), raises, ValueError),
    ("kernel with a wrong name", lambda cp: kernel(cp, "T x", "T y", "y = x", "a b"), raises, ValueError),
    ("kernel without a type", lambda cp: kernel(cp, "x", "T y", "y = x"), raises, Exception),
    ("kernel of an unknown type", lambda cp: kernel(cp, "thing x", "T y", "y = x"), raises, TypeError),
    ("kernel that writes an input", lambda cp: kernel(cp, "T x", "T y", "x = y")(vec(cp)), raises, Exception),
    ("kernel with an unknown name", lambda cp: kernel(cp, "T x", "T y", "y = z")(vec(cp)), raises, Exception),
    ("kernel with an undeclared name", lambda cp: kernel(cp, "T x", "T y", "t = x; y = t")(vec(cp)), raises, Exception),
    ("kernel that declares twice", lambda cp: kernel(cp, "T x", "T y", "T t = x; T t = x; y = t")(vec(cp)), raises,
     Exception),
    ("kernel without its preamble", lambda cp: kernel(cp, "T x", "T y", "y = where(x > 1, x, x)")(vec(cp)), raises,
     Exception),
    ("kernel stays", lambda cp: kernel(cp, "T x, T c", "T y", "y = x * c")(vec(cp), 2.0), stays, None),

    # What waits for the device, and what does not.
    ("float reads", lambda cp: float(zero_d(cp)), reads, None),
    ("bool reads", lambda cp: bool(zero_d(cp)), reads, None),
    ("if reads", lambda cp: 1 if zero_d(cp) > 1 else 0, reads, None),
    ("item reads", lambda cp: zero_d(cp).item(), reads, None),
    ("get reads", lambda cp: vec(cp).get(), reads, None),
    ("tolist reads", lambda cp: vec(cp).tolist(), reads, None),
    ("print reads", lambda cp: str(vec(cp)), reads, None),
    ("in reads", lambda cp: 2 in vec(cp), reads, None),
    ("Python max reads", lambda cp: max(vec(cp)), reads, None),
    ("pickle reads", lambda cp: pickle.dumps(vec(cp)), reads, None),
    ("nonzero reads", lambda cp: vec(cp).nonzero(), reads, None),
    ("where of one argument reads", lambda cp: cp.where(vec(cp) > 1), reads, None),
    ("a mask reads", lambda cp: vec(cp)[vec(cp) > 1], reads, None),
    ("assigning to a mask reads", lambda cp: put(vec(cp), vec(cp) > 1, 0), reads, None),
    ("unique reads", lambda cp: cp.unique(vec(cp)), reads, None),
    ("bincount reads", lambda cp: cp.bincount(cp.arange(3)), reads, None),
    ("arithmetic stays", lambda cp: (vec(cp) * 2 + zero_d(cp)).sum() / 4, stays, None),
    ("where of three stays", lambda cp: cp.where(vec(cp) > 1, vec(cp), 0), stays, None),
    ("index arrays stay", lambda cp: vec(cp)[cp.asarray([0, 1])], stays, None),
    ("add.at stays", lambda cp: cp.add.at(vec(cp), cp.asarray([0, 1]), 1), stays, None),
    ("setitem stays", lambda cp: put(vec(cp), slice(0, 2), zero_d(cp)), stays, None),
    ("iteration stays", lambda cp: list(vec(cp)), stays, None),
    ("len and shape stay", lambda cp: len(vec(cp)) + vec(cp).size, stays, None),
    ("deepcopy stays", lambda cp: copy.deepcopy(vec(cp)), stays, None),
    ("allclose stays", lambda cp: cp.allclose(vec(cp), vec(cp)), stays, None),
    ("uploading stays", lambda cp: cp.asarray(np.ones(3)), stays, None),

    # Devices.
    ("get_array_module of a device array", lambda cp: cp.get_array_module(1, vec(cp)) is cp, host, True),
    ("get_array_module of a host array", lambda cp: cp.get_array_module(np.ones(1)) is np, host, True),
    ("is_available", lambda cp: (cp.is_available(), cp.cuda.is_available()), host, (True, True)),
    ("device count", lambda cp: cp.cuda.runtime.getDeviceCount() >= 1, host, True),
    ("device of an array", lambda cp: (vec(cp).device.id, vec(cp).device == cp.cuda.Device(0)), host, (0, True)),
    ("with a device", lambda cp: cp.cuda.Device(0).__enter__().id, host, 0),
    ("with a missing device", lambda cp: cp.cuda.Device(99).__enter__(), raises, RuntimeError),
    ("synchronize", lambda cp: cp.cuda.Device(0).synchronize(), host, None),
    ("current device", lambda cp: cp.cuda.runtime.getDevice(), host, 0),
    ("name of a device", lambda cp: type(cp.cuda.runtime.getDeviceProperties(0)["name"]), host, bytes),
    ("memory in use", lambda cp: cp.get_default_memory_pool().used_bytes() >= 0, host, True),
    ("memory held", lambda cp: cp.get_default_memory_pool().total_bytes() >= 0, host, True),
    ("memory given back", lambda cp: cp.get_default_memory_pool().free_all_blocks(), host, None),
    ("entering a memory hook twice", lambda cp: enter_twice(cp.cuda.MemoryHook()), raises, KeyError),
    ("isinstance of a device array", lambda cp: isinstance(vec(cp), cp.ndarray), host, True),
    ("isinstance of a host array", lambda cp: isinstance(np.ones(1), cp.ndarray), host, False),
    ("constants", lambda cp: (cp.pi, cp.inf, cp.newaxis, cp.float32), host, (np.pi, np.inf, None, np.float32)),
    ("priority", lambda cp: cp.ndarray.__array_priority__, host, 100),
]
# fmt: on


def real_cupy() -> ModuleType | None:
    """CuPy, if it is installed and finds a GPU; the import alone does not tell."""
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.cuda.is_available() else None


REAL = real_cupy()
RUNS = [pytest.param("stand-in", *case, id=case[0]) for case in CASES]
if REAL is None:
    RUNS.append(pytest.param("cupy", *[None] * 4, id="cupy", marks=pytest.mark.skip(reason="no CuPy with a GPU")))
else:
    RUNS += [pytest.param("cupy", *case, id=f"cupy: {case[0]}") for case in CASES]


def check(cp: ModuleType, cupyx: ModuleType, function, kind: str, expected) -> None:
    if kind == raises:
        with pytest.raises(expected):
            function(cp)
    elif kind in (reads, stays):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "cupyx.allow_synchronize")
            try:
                with cupyx.allow_synchronize(False):
                    function(cp)
                read = False
            except cupyx.DeviceSynchronized:
                read = True
        assert read == (kind == reads)
    elif kind == host:
        found = function(cp)
        assert not isinstance(found, cp.ndarray)
        assert type(found) is type(expected)
        np.testing.assert_equal(found, expected)
    else:
        found, expected = function(cp), np.asarray(expected)
        assert isinstance(found, cp.ndarray), f"expected a device array, got {type(found)}"
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(cp.asnumpy(found), expected, rtol=1e-6)


@pytest.mark.parametrize(("backend", "name", "function", "kind", "expected"), RUNS)
def test_contract(backend, name, function, kind, expected):
    if backend == "cupy":
        import cupyx

        check(REAL, cupyx, function, kind, expected)
        return
    with strict_cupy.installed() as cp:
        check(cp, sys.modules["cupyx"], function, kind, expected)


def test_case_names_are_unique():
    names = [case[0] for case in CASES]
    assert len(names) == len(set(names))


def test_nothing_is_offered_that_cupy_does_not_have():
    def public(home):
        return {name for name in vars(home) if not name.startswith("_")}

    surface = {home: set(names) for home, names in strict_cupy._api["names"].items()}
    imported = {name for name, value in vars(strict_cupy).items() if getattr(value, "__name__", None) in sys.modules}
    imported |= {"annotations", "Any", "Callable", "Iterator", "Path"}
    own = {"install", "uninstall", "installed", "syncs", "uploads", "launches", "stride_tricks", "cupyx"}
    assert public(strict_cupy) - imported - own <= surface["cupy"]
    for module in (
        strict_cupy.random,
        strict_cupy.linalg,
        strict_cupy.cuda,
        strict_cupy.cupyx,
        strict_cupy.stride_tricks,
    ):
        assert public(module) <= surface[module.__name__]

    class Empty:
        __slots__ = ("_a",)

        def method(self):
            self._a = 1

    plumbing = {*vars(Empty), "__annotations__", "__weakref__", "__getattr__"}
    assert set(vars(strict_cupy.ndarray)) - plumbing <= surface["cupy.ndarray"]
    assert not {"__index__", "__contains__", "__imatmul__"} & set(vars(strict_cupy.ndarray))


def test_names_that_nobody_copied_say_so():
    with pytest.raises(AttributeError, match="no copy of it"):
        strict_cupy.RawKernel  # noqa: B018
    assert not hasattr(strict_cupy, "errstate")


def test_reads_and_uploads_are_counted():
    a = strict_cupy.zeros(4)
    start = strict_cupy.syncs, strict_cupy.uploads
    (a * 2 + 1).sum()
    a[strict_cupy.arange(2)] = 5
    assert (strict_cupy.syncs, strict_cupy.uploads) == start
    float(a.sum()), bool(a[0] > 0), a.get(), a[a > 1]
    assert strict_cupy.syncs == start[0] + 4
    strict_cupy.asarray(np.ones(3)), a[np.array([0])], a[[1, 2]], strict_cupy.array([1, 2])
    assert strict_cupy.uploads == start[1] + 4
    strict_cupy.asarray(2.0), strict_cupy.asarray(a), a[1]
    assert strict_cupy.uploads == start[1] + 4


def test_installing_is_undone():
    before = sys.modules.get("cupy")
    with strict_cupy.installed() as outer, strict_cupy.installed():
        import cupy
        import cupy.cuda
        import cupyx

        assert cupy is outer is strict_cupy
        assert cupyx is strict_cupy.cupyx
    assert sys.modules.get("cupy") is before


def test_the_surface_is_that_of_a_wheel():
    assert Path(strict_cupy.__file__).with_name("api.json").stat().st_size > 10_000
    assert strict_cupy._api["cupy"] == strict_cupy.__version__
    distributions = [n for n in strict_cupy._api["names"]["cupy.random.Generator"] if not n.startswith("_")]
    assert len(distributions) == 18

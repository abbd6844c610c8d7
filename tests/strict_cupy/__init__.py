"""A stand-in for CuPy on machines without a GPU: NumPy inside, CuPy's names and CuPy's refusals outside.

It offers nothing that the real wheel does not (``api.json``, written by ``freeze.py``), refuses what CuPy refuses, and
counts what makes GPU code slow without changing its result: ``syncs``, values read back from the device; ``uploads``,
host arrays copied to it; and ``launches``, calls of ufuncs and of ElementwiseKernels. ``test_strict_cupy.py`` holds it
and the real CuPy to one table.

    with strict_cupy.installed() as cp:        # `import cupy` and `import cupyx` now find the stand-in
        before = cp.syncs
        train_step()
        assert cp.syncs == before

To find the line that reads: ``with cupyx.allow_synchronize(False)`` raises there, here as in CuPy.

It is stricter than CuPy where CuPy quietly takes host arrays (``cupy.sum`` computes on the host, ``cupy.einsum`` copies
them over): a function called with a NumPy array raises. CuPy's names that nobody needed yet raise an AttributeError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import json
import operator
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.ops import approximation
from strict_cupy.elementwise import ElementwiseKernel as ElementwiseKernel

_api = json.loads(Path(__file__).with_name("api.json").read_text())
_surface = {home: frozenset(names) for home, names in _api["names"].items()}
_this = sys.modules[__name__]
_thread = threading.local()
_SCALARS = (bool, int, float, complex, np.generic)

# Functions that must know how many results there are, or print them, and so read the device.
_READING = {
    *("nonzero", "flatnonzero", "argwhere", "compress", "extract", "unique", "unique_all", "unique_counts", "bincount"),
    *("unique_inverse", "unique_values", "median", "tobytes", "tofile", "dump", "dumps", "array_repr", "array_str"),
}
_PYTHON_IN_NUMPY = {"allclose", "array_equal", "array_equiv", "count_nonzero"}  # a bool or int there, 0-d arrays here
_NUMBERS_WELCOME = {"shape", "ndim", "size", "isscalar", "isclose", "allclose", "nan_to_num", "compress", "iterable"}
_KEYWORDS = {"einsum": {"dtype", "optimize"}, "meshgrid": {"indexing", "sparse", "copy"}}  # behind a ``**kwargs``
_NOT_COPIED = {
    *("load", "save", "savez", "savez_compressed", "savetxt", "loadtxt", "genfromtxt", "fromfile", "frombuffer"),
    *("fromiter", "fromstring", "fromfunction", "apply_along_axis", "piecewise", "flat"),
}

__version__ = _api["cupy"]
newaxis, inf, nan, pi, e = None, np.inf, np.nan, np.pi, np.e
syncs = 0  # device -> host reads since the start
uploads = 0  # host arrays copied to the device
launches = 0  # ufuncs and ElementwiseKernels started
_alive: weakref.WeakValueDictionary[int, ndarray] = weakref.WeakValueDictionary()  # by the array inside


class _DeviceSynchronized(RuntimeError):
    """A value was read back inside ``cupyx.allow_synchronize(False)``."""


class _CUDARuntimeError(RuntimeError):
    """What the CUDA runtime answers, here only about devices that do not exist."""


def _sync() -> None:
    global syncs
    if not getattr(_thread, "allowed", True):
        raise _DeviceSynchronized("Device synchronization was detected while disallowed.")
    syncs += 1


def _upload(value: Any, dtype: Any = None, **kwargs: Any) -> np.ndarray:
    """A host value as the device holds it; a single number travels with the kernel call and costs no copy."""
    global uploads
    result = np.array(value, dtype=dtype, **kwargs)  # a device array among host values raises, from its __array__
    uploads += result.ndim > 0
    return result


def _has_device(x: Any) -> bool:
    return any(map(_has_device, x)) if isinstance(x, (list, tuple)) else isinstance(x, ndarray)


def _unwrap(x: Any) -> Any:
    """Replace device arrays by the arrays inside them, in lists and tuples too; refuse host arrays."""
    if isinstance(x, ndarray):
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return type(x)(map(_unwrap, x)) if type(x) in (list, tuple) else x


def _wrap(x: Any, *given: Any) -> Any:
    """Results as device arrays, scalars as 0-d ones; an array that was passed in comes back as the same object."""
    if isinstance(x, (list, tuple)):
        return [_wrap(item) for item in x] if isinstance(x, list) else tuple(_wrap(item) for item in x)
    if not isinstance(x, (np.ndarray, np.generic)):
        return x
    for candidate in given:
        if isinstance(candidate, ndarray) and candidate._a is x:
            return candidate
    if x.dtype.char not in "?bBhHiIlLqQefdFD":
        raise ValueError(f"Unsupported dtype {x.dtype}")
    result = object.__new__(ndarray)
    result._a = np.asarray(x)
    _alive.setdefault(id(result._a), result)
    return result


@functools.cache
def _signature(path: str) -> inspect.Signature | None:
    """CuPy's own parameters, so that keywords which only NumPy has are refused."""
    if (text := _api["signatures"].get(path)) is None:
        return None
    kinds = [inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]
    found = []
    for part in filter(None, text.split(", ")):
        if name := part.strip("*="):
            default = None if part.endswith("=") else inspect.Parameter.empty
            found.append(inspect.Parameter(name, kinds[part.count("*")], default=default))
        if part.startswith("*"):
            kinds[0] = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(found)


def _check(path: str, args: tuple[Any, ...], kwargs: dict[str, Any], is_method: bool) -> None:
    """Refuse what CuPy refuses beyond host arrays: unknown keywords, device values for sizes and axes, bare numbers."""
    name = path.rpartition(".")[2]
    if kwargs.keys() - _KEYWORDS.get(name, kwargs.keys()):
        raise TypeError(f"{name}() did not understand {sorted(kwargs)}")
    if name in ("dot", "matmul", "vdot") and not all(isinstance(x, ndarray) for x in args):
        raise TypeError(f"{name}() takes cupy.ndarray only, got {[type(x) for x in args]}")
    if (signature := _signature(path)) is None:
        return
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None
    for key, value in bound.items():
        if key in ("shape", "axis", "axes", "N", "M", "k", "n") and _has_device(value):
            raise TypeError("'cupy.ndarray' object cannot be interpreted as an integer")
    first, value = next(iter(bound.items()), ("", None))
    if is_method or name in _NUMBERS_WELCOME:
        return
    if first in ("a", "x", "m", "v", "array", "ary", "arr", "condition") and not isinstance(value, ndarray):
        raise TypeError(f"{name}() takes a cupy.ndarray, got {type(value)}")
    if first == "tup" and not isinstance(value, ndarray) and not all(isinstance(x, ndarray) for x in value):
        raise TypeError(f"{name}() takes a sequence of cupy.ndarray, got {[type(x) for x in value]}")


def _function(function: Callable[..., Any], path: str, owner: Any = None) -> Callable[..., Any]:
    """NumPy's function or method, callable as CuPy's is."""
    name = path.rpartition(".")[2]

    def call(*args: Any, **kwargs: Any) -> Any:
        _check(path, args, kwargs, owner is not None)
        if name in _READING or (name == "where" and len(args) == 1):
            _sync()
        with np.errstate(all="ignore"):  # a GPU does not warn about log(0)
            result = function(*_unwrap(args), **{key: _unwrap(value) for key, value in kwargs.items()})
        if name in _PYTHON_IN_NUMPY or isinstance(owner, _Generator):
            result = np.asarray(result)
        return _wrap(result, owner, *args, *kwargs.values())

    call.__name__ = name
    return call


class ufunc:
    """A universal function: no ``where=``, no lists, and only those methods that CuPy has written."""

    def __init__(self, name: str) -> None:
        self._f: np.ufunc = getattr(np, name)
        self._short, self.__name__ = name, f"cupy_{name}"
        self.nin, self.nout, self.nargs = self._f.nin, self._f.nout, self._f.nargs

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: Any = "same_kind") -> Any:
        outs = args[self.nin :] or (out if isinstance(out, tuple) else () if out is None else (out,))
        for x in (*args[: self.nin], *outs):
            if not isinstance(x, (ndarray, *_SCALARS)) and x is not None:
                raise TypeError(f"Unsupported type {type(x)}")
        if not all(x is None or isinstance(x, ndarray) for x in outs):
            raise TypeError("return arrays must be of ArrayType")
        global launches
        launches += 1
        with np.errstate(all="ignore"):
            kwargs = {"out": _unwrap(outs)} if outs else {}
            result = self._f(*_unwrap(args[: self.nin]), dtype=dtype, casting=casting, **kwargs)
        return _wrap(result, *outs) if self.nout == 1 else tuple(_wrap(r, *outs) for r in result)

    def _only(self, method: str, *names: str) -> None:
        if self._short not in names:
            raise NotImplementedError(f"`{self.__name__}.{method}` is not supported yet")

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        self._only("at", "add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor")
        if not isinstance(a, ndarray):
            raise AttributeError(f"{type(a)} has no attribute '_scatter_op'")
        if self._short == "subtract" and a.dtype.char not in "iI":
            raise TypeError("cupy.subtract.at only supports int32, uint32, as data type")
        value = b._a.astype(a.dtype) if isinstance(b, ndarray) else _upload(b, a.dtype)
        self._f.at(a._a, _index(indices, a.shape), value)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        self._only("reduce", "add", "multiply")
        return getattr(array, "sum" if self._short == "add" else "prod")(axis, dtype, out, keepdims)


def _index(key: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The index as NumPy takes it: index arrays wrap around, masks cost a read, everything else gives a view."""
    items = list(key) if isinstance(key, tuple) else [key]
    for i, item in enumerate(items):
        if isinstance(item, ndarray):
            items[i] = item._a
        elif isinstance(item, (np.ndarray, list, tuple, bool, np.bool_)):
            items[i] = _upload(item, np.intp if isinstance(item, (list, tuple)) and not len(item) else None)
    masks = [isinstance(item, np.ndarray) and item.dtype.kind == "b" for item in items]
    width = [
        item.ndim if mask else 0 if item is None or item is Ellipsis else 1
        for item, mask in zip(items, masks, strict=True)
    ]
    axis = 0
    for i, item in enumerate(items):
        if item is Ellipsis:
            axis += len(shape) - sum(width)
        elif isinstance(item, np.ndarray):
            if masks[i]:
                _sync()
            elif item.dtype.kind not in "iu":
                raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {item.dtype})")
            elif axis < len(shape) and shape[axis]:
                items[i] = np.asarray(item % shape[axis])
        axis += width[i]
    if not any(item is Ellipsis or isinstance(item, np.ndarray) for item in items):
        items.append(Ellipsis)  # NumPy would turn one element into a scalar; on the device it is a 0-d view
    return tuple(items)


class ndarray:
    """An array that pretends to live on a GPU."""

    __slots__ = ("__weakref__", "_a")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _a: np.ndarray

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._a = np.empty(shape, dtype)
        _alive.setdefault(id(self._a), self)

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    base = property(lambda self: _wrap(self._a.base, _alive.get(id(self._a.base))))  # the very array that was viewed
    device = property(lambda self: _Device())
    data = property(lambda self: types.SimpleNamespace(ptr=self._a.__array_interface__["data"][0], device=_Device()))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _surface["cupy.ndarray"]:
            raise AttributeError(f"'ndarray' object has no attribute {name!r}")
        if name in _NOT_COPIED or not hasattr(self._a, name):
            raise AttributeError(f"cupy.ndarray.{name} exists, but the stand-in has no copy of it")
        value = getattr(self._a, name)
        return _function(value, f"cupy.ndarray.{name}", self) if callable(value) else _wrap(value, self)

    # Reading: each of these waits for the device and copies to the host.

    def get(self, stream: Any = None, order: Any = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        _sync()
        if out is None:
            return np.array(self._a, order=order)
        out[...] = self._a
        return out

    def item(self) -> Any:
        if self._a.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def __bool__(self) -> bool:
        if self._a.size == 0:
            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        if self._a.size > 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        return bool(self.get())

    tolist = lambda self: self.get().tolist()
    __int__ = lambda self: int(self.get())
    __float__ = lambda self: float(self.get())
    __complex__ = lambda self: complex(self.get())
    __repr__ = lambda self: repr(self.get())
    __str__ = lambda self: str(self.get())
    __format__ = lambda self, spec: format(self.get(), spec)
    __reduce__ = lambda self: (array, (self.get(),))

    # Writing.

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype:
            raise TypeError("Only numpy.ndarray of the same dtype can be set to cupy.ndarray")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        self._a[...] = _upload(arr)

    def fill(self, value: Any) -> None:
        value = value._a if isinstance(value, ndarray) else np.asarray(value, dtype=self.dtype)
        if value.shape != ():
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        self._a[...] = value

    def __setitem__(self, key: Any, value: Any) -> None:
        index = _index(key, self.shape)
        if isinstance(value, ndarray):
            self._a[index] = value._a
        elif any(isinstance(item, np.ndarray) for item in index):
            self._a[index] = _upload(value, self.dtype)
        else:
            _wrap(self._a[index]).fill(value)

    # Staying on the device.

    def __getitem__(self, key: Any) -> ndarray:
        return _wrap(self._a[_index(key, self.shape)])

    def take(self, indices: Any, axis: Any = None, out: Any = None) -> ndarray:
        indices = indices._a if isinstance(indices, ndarray) else _upload(indices, int)
        return _wrap(self._a.take(indices, axis, out=_unwrap(out), mode="wrap"), out)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
        view = self._a.diagonal(offset, axis1, axis2)
        view.flags.writeable = self._a.flags.writeable  # NumPy's is read-only
        return _wrap(view)

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Iterator[ndarray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    __copy__ = lambda self: self.copy()
    __deepcopy__ = lambda self, memo: self.copy()
    __dlpack_device__ = lambda self: (2, 0)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if kwargs.get("dl_device") != (1, 0):
            raise BufferError("the stand-in has no device memory to export")
        return self.get().__dlpack__()

    # Other people's functions.

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        try:
            mine = getattr(_this, function.__name__)
            mine = mine if method == "__call__" else getattr(mine, method)
        except AttributeError:
            return NotImplemented
        if "out" in kwargs:
            (kwargs["out"],) = kwargs["out"]
        if not all(isinstance(x, (ndarray, np.ndarray, *_SCALARS)) for x in inputs):
            return NotImplemented
        if function.__name__ in _COMPARISONS.values():
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        return mine(*inputs, **kwargs)

    def __array_function__(self, function: Any, kinds: Any, args: Any, kwargs: Any) -> Any:
        try:
            home = functools.reduce(getattr, function.__module__.split(".")[1:], _this)
            mine = getattr(home, function.__name__)
        except AttributeError:
            return NotImplemented
        if not all(issubclass(kind, (ndarray, np.ndarray)) for kind in kinds):
            return NotImplemented
        return mine(*args, **kwargs)


_BINARY = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "power", "matmul": "matmul", "divmod": "divmod", "lshift": "left_shift",
    "rshift": "right_shift", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
_COMPARISONS = {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}  # fmt: skip


def _defers(x: Any, y: Any) -> bool:
    if hasattr(y, "__array_ufunc__"):
        return y.__array_ufunc__ is None
    return getattr(x, "__array_priority__", 0) < getattr(y, "__array_priority__", 0)


def _operator(short: str, long: str) -> Callable[[Any, Any], Any]:
    def forward(self: ndarray, other: Any) -> Any:
        if isinstance(other, ndarray):
            return getattr(_this, long)(self, other)
        if _defers(self, other):
            return NotImplemented
        if short in ("eq", "ne") and (other is None or type(other).__eq__ is object.__eq__):
            return _wrap(np.full(self.shape, short == "ne"))
        return getattr(np, long)(self, other)  # comes back through __array_ufunc__

    return forward


def _unary(operation: Callable[[Any], Any]) -> Callable[[ndarray], ndarray]:
    return lambda self: _wrap(operation(self._a))


for _short, _long in (_BINARY | _COMPARISONS).items():
    setattr(ndarray, f"__{_short}__", _operator(_short, _long))
    if _short in _BINARY:
        setattr(ndarray, f"__r{_short}__", lambda self, other, _f=_long: getattr(_this, _f)(other, self))
        if _short not in ("matmul", "divmod"):  # `a @= b` makes a new array in CuPy
            setattr(ndarray, f"__i{_short}__", lambda self, other, _f=_long: getattr(_this, _f)(self, other, self))
for _short in ("neg", "pos", "abs", "invert"):
    setattr(ndarray, f"__{_short}__", _unary(getattr(operator, _short)))


# The module's own functions.


def array(
    obj: Any, dtype: Any = None, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0,
    blocking: bool = False,
) -> ndarray:  # fmt: skip
    if isinstance(obj, ndarray):
        return _wrap(np.array(obj._a, dtype=dtype, copy=copy, order=order, ndmin=ndmin), obj)
    leaves = obj if isinstance(obj, (list, tuple)) else []
    if leaves and all(isinstance(x, ndarray) for x in leaves):
        return _wrap(np.array([x._a for x in leaves], dtype=dtype, order=order, ndmin=ndmin))
    return _wrap(_upload(obj, dtype, order=order, ndmin=ndmin))


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy, order or "K")


asanyarray = asarray


def asnumpy(a: Any, stream: Any = None, order: Any = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    return a.get(stream, order, out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def get_array_module(*args: Any) -> types.ModuleType:
    return _this if any(isinstance(x, ndarray) for x in args) else np


def is_available() -> bool:
    return True


class _MemoryPool:
    """Of a GPU whose memory nobody counts: the names and kinds of what CuPy answers."""

    used_bytes = total_bytes = lambda self: 0
    free_all_blocks = lambda self, stream=None: None


def _memory_hooks() -> dict[str, Any]:
    """Those entered in this thread; there is nothing here to call them."""
    return vars(_thread).setdefault("memory_hooks", {})


class _MemoryHook:
    """Base class of what is called around each allocation, while it is entered."""

    name = "MemoryHook"

    def __enter__(self) -> _MemoryHook:
        if self.name in _memory_hooks():
            raise KeyError(f"memory hook {self.name} already exists")
        _memory_hooks()[self.name] = self
        return self

    def __exit__(self, *error: Any) -> None:
        del _memory_hooks()[self.name]

    alloc_preprocess = alloc_postprocess = malloc_preprocess = malloc_postprocess = lambda self, **what: None
    free_preprocess = free_postprocess = malloc_preprocess


def get_default_memory_pool() -> _MemoryPool:
    return _MemoryPool()


def fuse(*args: Any, **kwargs: Any) -> Any:
    """One kernel out of many in CuPy; here the function itself."""
    return args[0] if args and callable(args[0]) else lambda function: function


def take(a: ndarray, indices: Any, axis: Any = None, out: Any = None) -> ndarray:
    return a.take(indices, axis, out)


def take_along_axis(a: ndarray, indices: ndarray, axis: int | None) -> ndarray:
    if not isinstance(a, ndarray) or not isinstance(indices, ndarray):
        raise TypeError("take_along_axis() takes cupy.ndarray only")
    n = a._a.size if axis is None else a.shape[axis]
    return _wrap(np.take_along_axis(a._a, indices._a % n, axis))


def __getattr__(name: str) -> Any:
    """The rest of CuPy's names, made from NumPy's. Not kept as globals: `sum` and `any` are needed as they are here."""
    if name.startswith("__") or name not in _surface["cupy"]:
        raise AttributeError(f"module 'cupy' has no attribute {name!r}")
    return _made(np, name, f"cupy.{name}")


@functools.cache
def _made(source: Any, name: str, path: str) -> Any:
    value = None if name in _NOT_COPIED else getattr(source, name, None)
    if isinstance(value, np.ufunc) and name in _api["ufuncs"]:
        return ufunc(name)
    if isinstance(value, type) and issubclass(value, (np.generic, np.dtype, np.finfo, np.iinfo, Exception)):
        return value
    if not callable(value) or isinstance(value, type):
        raise AttributeError(f"{path} exists, but the stand-in has no copy of it")
    return _function(value, path)


def _module(name: str, source: Any = None, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    for key in _surface.get(name, ()):
        if source is not None and not key.startswith("_"):
            with contextlib.suppress(AttributeError):
                setattr(module, key, _made(source, key, f"{name}.{key}"))
    vars(module).update(contents)
    return module


class _Generator:
    """The few distributions of CuPy's generator; not ``normal``, ``permutation``, ``shuffle``, ``choice``."""

    def __init__(self, seed: Any = None) -> None:
        self._host = np.random.default_rng(seed._host if isinstance(seed, _Generator) else seed)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _surface["cupy.random.Generator"]:
            raise AttributeError(f"'Generator' object has no attribute {name!r}")
        return _function(getattr(self._host, name), f"cupy.random.Generator.{name}", self)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None, dtype: Any = float) -> ndarray:
        return (high - low) * self.random(size, dtype) + low  # NumPy's has no dtype


@dataclasses.dataclass(frozen=True)
class _Device:
    id: int = 0

    def use(self) -> _Device:
        if self.id != 0:
            raise _CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        return self

    __enter__ = use
    synchronize = lambda self: None
    __exit__ = lambda self, *error: None


@contextlib.contextmanager
def _allow_synchronize(allow: bool) -> Iterator[None]:
    warnings.warn("cupyx.allow_synchronize will be removed in future releases", UserWarning, stacklevel=3)
    before, _thread.allowed = getattr(_thread, "allowed", True), allow
    try:
        yield
    finally:
        _thread.allowed = before


random = _module("cupy.random", Generator=_Generator, default_rng=lambda seed=None: _Generator(seed))
linalg = _module("cupy.linalg", np.linalg)
stride_tricks = _module("cupy.lib.stride_tricks", np.lib.stride_tricks)
lib = _module("cupy.lib", stride_tricks=stride_tricks)
_runtime = _module(
    "cupy.cuda.runtime", getDeviceCount=lambda: 1, getDevice=lambda: 0, deviceSynchronize=lambda: None,
    getDeviceProperties=lambda index: {"name": b"stand-in"},
    CUDARuntimeError=_CUDARuntimeError,
)  # fmt: skip
cuda = _module("cupy.cuda", Device=_Device, MemoryHook=_MemoryHook, is_available=is_available, runtime=_runtime)
_special = _module("cupyx.scipy.special", approximation)  # NumPy has none of these; minigrad has
_scipy = _module("cupyx.scipy", special=_special)
cupyx = _module("cupyx", allow_synchronize=_allow_synchronize, DeviceSynchronized=_DeviceSynchronized, scipy=_scipy)


_MODULES = {m.__name__: m for m in (random, linalg, lib, stride_tricks, cuda, _runtime, cupyx, _scipy, _special)}
_MODULES["cupy"] = _this
_replaced: list[dict[str, Any]] = []


def install() -> types.ModuleType:
    """Let ``import cupy`` find the stand-in, until `uninstall`."""
    _replaced.append({name: sys.modules.get(name) for name in _MODULES})
    sys.modules.update(_MODULES)
    return _this


def uninstall() -> None:
    for name, module in _replaced.pop().items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


@contextlib.contextmanager
def installed() -> Iterator[types.ModuleType]:
    """The stand-in as ``cupy`` inside a with-block, or as the body of a pytest fixture."""
    install()
    try:
        yield _this
    finally:
        uninstall()

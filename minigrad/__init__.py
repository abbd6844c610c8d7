"""minigrad: deep learning from first principles, under PyTorch's names, on NumPy or CuPy arrays."""

import builtins as _builtins
import importlib as _importlib
import math as _math
import typing as _typing

import numpy as _np
from numpy import finfo, iinfo

from minigrad import autograd
from minigrad.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.backend import Device as device
from minigrad.backend import Generator, cuda, initial_seed, manual_seed
from minigrad.creation import (
    arange,
    as_tensor,
    bernoulli,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from minigrad.ops import (
    absolute,
    acos,
    acosh,
    amax,
    amin,
    argmax,
    argmin,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    bmm,
    cat,
    ceil,
    chunk,
    clamp,
    clone,
    cos,
    cosh,
    count_nonzero,
    dot,
    einsum,
    eq,
    exp,
    exp2,
    expm1,
    flatten,
    flip,
    floor,
    floor_divide,
    fmod,
    frac,
    ge,
    get_default_dtype,
    gt,
    hypot,
    index_select,
    isclose,
    isfinite,
    isinf,
    isnan,
    le,
    lerp,
    log,
    log1p,
    log2,
    log10,
    log_softmax,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    logsumexp,
    lt,
    masked_select,
    matmul,
    maximum,
    mean,
    minimum,
    mm,
    movedim,
    mul,
    mv,
    narrow,
    ne,
    neg,
    norm,
    outer,
    permute,
    prod,
    reciprocal,
    relu,
    remainder,
    reshape,
    result_type,
    roll,
    rsqrt,
    set_default_dtype,
    sigmoid,
    sign,
    sin,
    sinh,
    softmax,
    split,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    take_along_dim,
    tan,
    tanh,
    transpose,
    trunc,
    unbind,
    unflatten,
    unsqueeze,
    var,
    where,
)
from minigrad.ops import absolute as abs
from minigrad.ops import all_ as all
from minigrad.ops import any_ as any
from minigrad.ops import cat as concat
from minigrad.ops import cat as concatenate
from minigrad.ops import clamp as clip
from minigrad.ops import div as true_divide
from minigrad.ops import expand as broadcast_to
from minigrad.ops import max_ as max
from minigrad.ops import min_ as min
from minigrad.ops import movedim as moveaxis
from minigrad.ops import mul as multiply
from minigrad.ops import neg as negative
from minigrad.ops import power as pow
from minigrad.ops import round_ as round
from minigrad.ops import sum_ as sum
from minigrad.ops import transpose as swapaxes
from minigrad.printing import printoptions, set_printoptions
from minigrad.tensor import Size, Tensor

__version__ = "0.1.0"

inf, nan, pi, e, newaxis = _math.inf, _math.nan, _math.pi, _math.e, None
float32, float64 = _np.dtype("float32"), _np.dtype("float64")
uint8, int8, int16, int32, int64 = (_np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64"))
float, double, short, long, int, bool = float32, float64, int16, int64, int32, _np.dtype("bool")

# Functions that are methods, called as such: minigrad.add(x, y, alpha=2) is x.add(y, alpha=2).
add, sub, div, addcmul, addcdiv = Tensor.add, Tensor.sub, Tensor.div, Tensor.addcmul, Tensor.addcdiv
subtract, divide = sub, div
gather, masked_fill, equal, allclose = Tensor.gather, Tensor.masked_fill, Tensor.equal, Tensor.allclose
t, ravel, numel, is_floating_point = Tensor.t, Tensor.ravel, Tensor.numel, Tensor.is_floating_point


def is_tensor(obj: object) -> _builtins.bool:
    """Return whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)


_REFUSED = {
    "half precision is slow and inexact on the CPU; use float32": ("float16", "half", "bfloat16"),
    "complex numbers are not supported": ("complex64", "complex128", "cfloat", "cdouble", "complex"),
    "write tensor(data, dtype=...), or zeros(shape)": ("FloatTensor", "DoubleTensor", "LongTensor", "IntTensor"),
    "there is nothing to compile; leave the call out": ("compile", "jit"),
}

_ROOMS = ("datasets", "metrics", "nn", "optim", "utils")

if _typing.TYPE_CHECKING:
    from minigrad import datasets, metrics, nn, optim, utils
    from minigrad.serialization import load, save
else:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        """Open a room of the house when somebody first asks for it; say why something of PyTorch's is not here."""
        if name in _ROOMS:
            return _importlib.import_module(f"minigrad.{name}")
        if name in ("load", "save"):
            return getattr(_importlib.import_module("minigrad.serialization"), name)
        why = next((f": {reason}" for reason, names in _REFUSED.items() if name in names), "")
        raise AttributeError(f"minigrad has no {name!r}{why}")

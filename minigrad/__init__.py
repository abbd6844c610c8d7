"""minigrad: deep learning from first principles, under PyTorch's names, on NumPy or CuPy arrays."""

import math as _math

import numpy as _np

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
    add,
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
    div,
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
    sub,
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
from minigrad.ops import max_ as max
from minigrad.ops import min_ as min
from minigrad.ops import power as pow
from minigrad.ops import round_ as round
from minigrad.ops import sum_ as sum
from minigrad.printing import printoptions, set_printoptions
from minigrad.serialization import load, save
from minigrad.tensor import Size, Tensor

# Last, because they use the names above.
from minigrad import datasets, metrics, nn, optim, utils  # isort: skip

__version__ = "0.1.0"

inf, nan, pi, e = _math.inf, _math.nan, _math.pi, _math.e
float32, float64 = _np.dtype("float32"), _np.dtype("float64")
uint8, int8, int16, int32, int64 = (_np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64"))
float, double, long, int, bool = float32, float64, int64, int32, _np.dtype("bool")

"""minigrad: deep learning from first principles, under PyTorch's names, on NumPy or CuPy arrays."""

import builtins as _builtins
import importlib as _importlib
import math as _math
import typing as _typing

import numpy as _np
from numpy import finfo, iinfo

from minigrad import autograd, cuda
from minigrad.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.backend import Device as device
from minigrad.backend import Generator, initial_seed, manual_seed
from minigrad.creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_dlpack,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    tril_indices,
    triu_indices,
    zeros,
    zeros_like,
)
from minigrad.draws import bernoulli, multinomial, poisson
from minigrad.ops import (
    absolute,
    acos,
    acosh,
    addbmm,
    addmm,
    addmv,
    addr,
    amax,
    amin,
    aminmax,
    argmax,
    argmin,
    argsort,
    argwhere,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    baddbmm,
    bincount,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    block_diag,
    bmm,
    broadcast_shapes,
    broadcast_tensors,
    bucketize,
    cartesian_prod,
    cat,
    cdist,
    ceil,
    celu,
    chain_matmul,
    cholesky,
    cholesky_inverse,
    cholesky_solve,
    chunk,
    clamp,
    clamp_max,
    clamp_min,
    clone,
    column_stack,
    combinations,
    copysign,
    corrcoef,
    cos,
    cosh,
    count_nonzero,
    cov,
    cross,
    cummax,
    cummin,
    cumprod,
    cumsum,
    cumulative_trapezoid,
    deg2rad,
    det,
    diag,
    diag_embed,
    diagflat,
    diagonal,
    diagonal_scatter,
    diff,
    digamma,
    dist,
    dot,
    dsplit,
    dstack,
    einsum,
    eq,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    flatten,
    flip,
    fliplr,
    flipud,
    float_power,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    frac,
    frexp,
    gather,
    gcd,
    ge,
    get_default_dtype,
    gt,
    hardshrink,
    heaviside,
    histc,
    hsplit,
    hstack,
    hypot,
    i0,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_select,
    inner,
    isclose,
    isfinite,
    isin,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    kron,
    kthvalue,
    lcm,
    ldexp,
    le,
    lerp,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    log_softmax,
    logaddexp,
    logaddexp2,
    logcumsumexp,
    logdet,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    logit,
    logsumexp,
    lt,
    masked_fill,
    masked_scatter,
    masked_select,
    matmul,
    matrix_power,
    maximum,
    mean,
    median,
    meshgrid,
    minimum,
    mm,
    mode,
    movedim,
    msort,
    mul,
    mv,
    mvlgamma,
    nan_to_num,
    nanmean,
    nanmedian,
    nanquantile,
    nansum,
    narrow,
    ne,
    neg,
    nextafter,
    nonzero,
    norm,
    outer,
    pdist,
    permute,
    pinverse,
    polygamma,
    positive,
    prod,
    put,
    quantile,
    rad2deg,
    ravel,
    reciprocal,
    relu,
    remainder,
    renorm,
    repeat_interleave,
    reshape,
    result_type,
    roll,
    rot90,
    rsqrt,
    scatter,
    scatter_add,
    scatter_reduce,
    searchsorted,
    select,
    select_scatter,
    selu,
    set_default_dtype,
    sigmoid,
    sign,
    signbit,
    sin,
    sinc,
    sinh,
    slice_scatter,
    slogdet,
    softmax,
    sort,
    split,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    std_mean,
    t,
    take,
    take_along_dim,
    tan,
    tanh,
    tensor_split,
    tensordot,
    threshold,
    tile,
    topk,
    trace,
    transpose,
    trapezoid,
    tril,
    triu,
    trunc,
    unbind,
    unflatten,
    unique,
    unique_consecutive,
    unsqueeze,
    vander,
    var,
    var_mean,
    vsplit,
    vstack,
    where,
    xlogy,
)
from minigrad.ops import absolute as abs
from minigrad.ops import acos as arccos
from minigrad.ops import acosh as arccosh
from minigrad.ops import all_ as all
from minigrad.ops import any_ as any
from minigrad.ops import asin as arcsin
from minigrad.ops import asinh as arcsinh
from minigrad.ops import atan as arctan
from minigrad.ops import atan2 as arctan2
from minigrad.ops import atanh as arctanh
from minigrad.ops import cat as concat
from minigrad.ops import cat as concatenate
from minigrad.ops import clamp as clip
from minigrad.ops import div as true_divide
from minigrad.ops import dot as vdot
from minigrad.ops import expand as broadcast_to
from minigrad.ops import ge as greater_equal
from minigrad.ops import gt as greater
from minigrad.ops import inv as inverse
from minigrad.ops import le as less_equal
from minigrad.ops import lt as less
from minigrad.ops import max_ as max
from minigrad.ops import min_ as min
from minigrad.ops import movedim as moveaxis
from minigrad.ops import mul as multiply
from minigrad.ops import ne as not_equal
from minigrad.ops import neg as negative
from minigrad.ops import outer as ger
from minigrad.ops import power as pow
from minigrad.ops import qr_some as qr
from minigrad.ops import round_ as round
from minigrad.ops import sign as sgn
from minigrad.ops import sum_ as sum
from minigrad.ops import svd_v as svd
from minigrad.ops import transpose as swapaxes
from minigrad.ops import transpose as swapdims
from minigrad.ops import trapezoid as trapz
from minigrad.ops import trunc as fix
from minigrad.ops import vstack as row_stack
from minigrad.printing import printoptions, set_printoptions
from minigrad.sampling import (
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from minigrad.tensor import Size, Tensor

__version__ = "0.1.0"

inf, nan, pi, e, newaxis = _math.inf, _math.nan, _math.pi, _math.e, None
float32, float64 = _np.dtype("float32"), _np.dtype("float64")
uint8, int8, int16, int32, int64 = (_np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64"))
float, double, short, long, int, bool = float32, float64, int16, int64, int32, _np.dtype("bool")

# Functions that are methods, called as such: minigrad.add(x, y, alpha=2) is x.add(y, alpha=2).
add, sub, div, addcmul, addcdiv = Tensor.add, Tensor.sub, Tensor.div, Tensor.addcmul, Tensor.addcdiv
subtract, divide = sub, div
equal, allclose = Tensor.equal, Tensor.allclose
numel, is_floating_point = Tensor.numel, Tensor.is_floating_point


def rsub(input: _typing.Any, other: _typing.Any, *, alpha: _typing.Any = 1) -> _typing.Any:
    """Return other - alpha input."""
    return _typing.cast(Tensor, other - (input if alpha == 1 else input * alpha))


def is_tensor(obj: object) -> _builtins.bool:
    """Return whether ``obj`` is a tensor."""
    return isinstance(obj, Tensor)


_ROOMS = (
    "datasets",
    "distributed",
    "func",
    "inspection",
    "linalg",
    "metrics",
    "nn",
    "optim",
    "special",
    "transforms",
    "utils",
)

_BY_ROOM = {
    "backend": ("get_rng_state", "seed", "set_rng_state"),
    "inspection": ("draw", "explain", "explain_grad", "saved_for_backward", "summary"),
    "nn.functional": (
        *("adaptive_avg_pool1d", "adaptive_max_pool1d", "alpha_dropout", "avg_pool1d", "batch_norm", "bilinear"),
        *("channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        *("cosine_similarity", "dropout", "embedding", "feature_alpha_dropout", "group_norm", "instance_norm"),
        *("layer_norm", "max_pool1d", "max_pool2d", "max_pool3d", "pairwise_distance", "pixel_shuffle"),
        *("pixel_unshuffle", "prelu", "rms_norm", "rrelu"),
    ),
    "serialization": ("load", "save"),
}

if _typing.TYPE_CHECKING:
    from minigrad import datasets, distributed, func, inspection, linalg, metrics, nn, optim, special, transforms, utils
    from minigrad.inspection import draw, explain, explain_grad, saved_for_backward, summary
    from minigrad.serialization import load, save
else:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        """Open a room of the house when somebody first asks for it; say why something of PyTorch's is not here."""
        if name in _ROOMS:
            return _importlib.import_module(f"minigrad.{name}")
        for room, names in _BY_ROOM.items():
            if name in names:
                return getattr(_importlib.import_module(f"minigrad.{room}"), name)
        if name.startswith("_"):
            raise AttributeError(f"minigrad has no {name!r}")
        refusals = _importlib.import_module("minigrad.refusals")
        raise AttributeError(f"minigrad has no {name!r}{refusals.reason(name, refusals.FUNCTIONS)}")

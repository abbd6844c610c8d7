"""The methods of a tensor that compute: a table of names, nearly every line of which says which op a method is.

An op called as a method gets the tensor as its first argument, so ``exp = ops.exp`` is all there is to ``x.exp()``. A
name with an underscore at its end overwrites the tensor with what the op makes of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import draws, ops
from minigrad.filling import Filling
from minigrad.inplace import in_place, kept_in_shape
from minigrad.ops.shape import shape_from


def with_sizes(op: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the method that takes ``f(2, 3)``, ``f((2, 3))`` and ``f(name=(2, 3))``."""

    @functools.wraps(op, assigned=("__doc__", "__name__"), updated=())
    def method(self: Any, *sizes: Any, **named: Any) -> Any:
        return op(self, shape_from(sizes, named.pop(name, None) if named else None), **named)

    return method


class Methods(Filling):
    """What :class:`minigrad.Tensor` can compute, as methods."""

    __slots__ = ()

    # ----------------------------------------------------------------------------------------------------------
    # Elementwise

    floor_divide, remainder, fmod = ops.floor_divide, ops.remainder, ops.fmod
    mul = multiply = ops.mul
    pow = ops.power
    neg = negative = ops.neg
    abs = absolute = ops.absolute
    sign, square, sqrt, rsqrt, reciprocal = ops.sign, ops.square, ops.sqrt, ops.rsqrt, ops.reciprocal
    exp, exp2, expm1 = ops.exp, ops.exp2, ops.expm1
    log, log2, log10, log1p, logaddexp = ops.log, ops.log2, ops.log10, ops.log1p, ops.logaddexp
    sin, cos, tan, asin, acos, atan, atan2 = ops.sin, ops.cos, ops.tan, ops.asin, ops.acos, ops.atan, ops.atan2
    arcsin, arccos, arctan, arctan2 = ops.asin, ops.acos, ops.atan, ops.atan2
    sinh, cosh, tanh, asinh, acosh, atanh = ops.sinh, ops.cosh, ops.tanh, ops.asinh, ops.acosh, ops.atanh
    floor, ceil, trunc, frac, hypot, lerp = ops.floor, ops.ceil, ops.trunc, ops.frac, ops.hypot, ops.lerp
    maximum, minimum = ops.maximum, ops.minimum
    clamp = clip = ops.clamp
    relu, sigmoid, softmax, log_softmax = ops.relu, ops.sigmoid, ops.softmax, ops.log_softmax
    hardshrink = ops.hardshrink
    sgn, fix, positive, float_power = ops.sign, ops.trunc, ops.positive, ops.float_power
    arcsinh, arccosh, arctanh, deg2rad, rad2deg = ops.asinh, ops.acosh, ops.atanh, ops.deg2rad, ops.rad2deg
    fmax, fmin, logaddexp2, heaviside, nan_to_num = ops.fmax, ops.fmin, ops.logaddexp2, ops.heaviside, ops.nan_to_num
    clamp_min, clamp_max = ops.clamp_min, ops.clamp_max
    copysign, signbit, nextafter, ldexp, frexp = ops.copysign, ops.signbit, ops.nextafter, ops.ldexp, ops.frexp
    erf, erfc, erfinv, lgamma, digamma = ops.erf, ops.erfc, ops.erfinv, ops.lgamma, ops.digamma
    mvlgamma, i0, sinc, logit, xlogy = ops.mvlgamma, ops.i0, ops.sinc, ops.logit, ops.xlogy
    gcd, lcm, isposinf, isneginf, isreal = ops.gcd, ops.lcm, ops.isposinf, ops.isneginf, ops.isreal
    bitwise_left_shift = __lshift__ = ops.bitwise_left_shift
    bitwise_right_shift = __rshift__ = ops.bitwise_right_shift

    eq, ne, lt, le, gt, ge = ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    isnan, isinf, isfinite, isclose = ops.isnan, ops.isinf, ops.isfinite, ops.isclose
    logical_and, logical_or = ops.logical_and, ops.logical_or
    logical_xor, logical_not = ops.logical_xor, ops.logical_not
    bitwise_and, bitwise_or = ops.bitwise_and, ops.bitwise_or
    bitwise_xor, bitwise_not = ops.bitwise_xor, ops.bitwise_not
    greater, greater_equal, less, less_equal, not_equal = ops.gt, ops.ge, ops.lt, ops.le, ops.ne

    def add(self, other: Any, *, alpha: float = 1) -> Any:
        """Return self + alpha other."""
        return ops.add(self, other if alpha == 1 else other * alpha)

    def sub(self, other: Any, *, alpha: float = 1) -> Any:
        """Return self - alpha other."""
        return ops.sub(self, other if alpha == 1 else other * alpha)

    def addcmul(self, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
        """Return self + value tensor1 tensor2."""
        return ops.add(self, tensor1 * tensor2 * value)

    def addcdiv(self, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
        """Return self + value tensor1 / tensor2."""
        return ops.add(self, tensor1 / tensor2 * value)

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """Return self / other; with ``rounding_mode`` "floor" or "trunc" rounded down or towards 0."""
        if rounding_mode is None:
            return ops.div(self, other)
        if rounding_mode not in ("floor", "trunc"):
            raise ValueError(f"div: expected rounding_mode None, 'floor' or 'trunc', got {rounding_mode!r}")
        if rounding_mode == "trunc":  # take off what is left over, and there is nothing to round
            return ops.floor_divide(ops.sub(self, ops.fmod(self, other)), other)
        return ops.floor_divide(self, other)

    def round(self, *, decimals: int = 0) -> Any:
        """Return the nearest integers, halves to the even one; or so many decimals."""
        return ops.round_(self, decimals)

    def polygamma(self, n: int) -> Any:
        """Return the n-th derivative of :func:`digamma`."""
        return ops.polygamma(n, self)

    def __rlshift__(self, other: Any) -> Any:
        return ops.bitwise_left_shift(other, self)

    def __rrshift__(self, other: Any) -> Any:
        return ops.bitwise_right_shift(other, self)

    def where(self, condition: Any, other: Any) -> Any:
        """Return self where ``condition`` holds, else ``other``."""
        return ops.where(condition, self, other)

    def equal(self, other: Any) -> Any:
        """Return whether shape and all entries are the same, as a Python bool."""
        return self.shape == other.shape and bool(ops.eq(self, other).all())

    def allclose(self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: Any = False) -> Any:
        """Return whether |self - other| <= atol + rtol |other| everywhere, as a Python bool."""
        return bool(ops.isclose(self, other, rtol, atol, equal_nan).all())

    subtract, divide, true_divide = sub, div, div
    add_, sub_, mul_, div_ = map(in_place, (add, sub, ops.mul, div))
    pow_, remainder_, floor_divide_ = map(in_place, (ops.power, ops.remainder, ops.floor_divide))
    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_
    __ipow__, __imod__, __ifloordiv__ = pow_, remainder_, floor_divide_
    __iand__, __ior__, __ixor__ = map(in_place, (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor))
    __ilshift__, __irshift__ = map(in_place, (ops.bitwise_left_shift, ops.bitwise_right_shift))
    lerp_, addcmul_, addcdiv_ = map(in_place, (ops.lerp, addcmul, addcdiv))
    exp_, log_, sqrt_, abs_, neg_ = map(in_place, (ops.exp, ops.log, ops.sqrt, ops.absolute, ops.neg))
    relu_, sigmoid_, tanh_ = map(in_place, (ops.relu, ops.sigmoid, ops.tanh))
    clamp_, floor_, ceil_, round_ = map(in_place, (ops.clamp, ops.floor, ops.ceil, ops.round_))

    # ----------------------------------------------------------------------------------------------------------
    # Reductions

    sum, mean, prod, var, std, norm = ops.sum_, ops.mean, ops.prod, ops.var, ops.std, ops.norm
    max, min, amax, amin = ops.max_, ops.min_, ops.amax, ops.amin
    argmax, argmin, logsumexp = ops.argmax, ops.argmin, ops.logsumexp
    all, any, count_nonzero = ops.all_, ops.any_, ops.count_nonzero
    nansum, nanmean, aminmax, dist, renorm = ops.nansum, ops.nanmean, ops.aminmax, ops.dist, ops.renorm
    quantile, nanquantile, histc, bincount = ops.quantile, ops.nanquantile, ops.histc, ops.bincount
    cov, corrcoef = ops.cov, ops.corrcoef

    renorm_ = in_place(ops.renorm)

    # ----------------------------------------------------------------------------------------------------------
    # Running along a dimension, sorting

    cumsum, cumprod, logcumsumexp, diff = ops.cumsum, ops.cumprod, ops.logcumsumexp, ops.diff
    cummax, cummin = ops.cummax, ops.cummin
    sort, argsort, msort, topk, kthvalue = ops.sort, ops.argsort, ops.msort, ops.topk, ops.kthvalue
    median, nanmedian, mode = ops.median, ops.nanmedian, ops.mode
    unique, unique_consecutive = ops.unique, ops.unique_consecutive
    bernoulli, multinomial = draws.bernoulli, draws.multinomial

    cumsum_, cumprod_ = map(in_place, (ops.cumsum, ops.cumprod))

    # ----------------------------------------------------------------------------------------------------------
    # Shape

    t, transpose = ops.t, ops.transpose
    swapaxes = swapdims = transpose
    squeeze, unsqueeze, flatten, unflatten = ops.squeeze, ops.unsqueeze, ops.flatten, ops.unflatten
    movedim, narrow, split, chunk, unbind = ops.movedim, ops.narrow, ops.split, ops.chunk, ops.unbind
    moveaxis, roll = ops.movedim, ops.roll
    reshape, permute = with_sizes(ops.reshape, "shape"), with_sizes(ops.permute, "dims")
    expand = broadcast_to = with_sizes(ops.expand, "size")
    flip = with_sizes(ops.flip, "dims")
    tile, repeat = with_sizes(ops.tile, "dims"), with_sizes(ops.repeat, "repeats")
    sum_to_size = with_sizes(ops.sum_to_size, "size")
    repeat_interleave, unfold, ravel, select = ops.repeat_interleave, ops.unfold, ops.ravel, ops.select
    rot90, fliplr, flipud = ops.rot90, ops.fliplr, ops.flipud
    tensor_split, hsplit, vsplit, dsplit = ops.tensor_split, ops.hsplit, ops.vsplit, ops.dsplit
    split_with_sizes = ops.split
    diag, diagonal, diag_embed, diagflat = ops.diag, ops.diagonal, ops.diag_embed, ops.diagflat
    tril, triu = ops.tril, ops.triu

    tril_, triu_ = map(in_place, (ops.tril, ops.triu))
    t_, transpose_, swapaxes_, swapdims_ = map(kept_in_shape, ("t_", "transpose_", "swapaxes_", "swapdims_"))
    squeeze_, unsqueeze_ = map(kept_in_shape, ("squeeze_", "unsqueeze_"))
    resize_, resize_as_ = kept_in_shape("resize_", "reshape"), kept_in_shape("resize_as_", "reshape_as")
    resize, resize_as = kept_in_shape("resize", "reshape"), kept_in_shape("resize_as", "reshape_as")

    def view(self: Any, *shape: Any, size: Any = None) -> Any:
        """Return the entries in another shape, on the same memory, or refuse; ``reshape`` copies where it must."""
        if len(shape) == 1 and isinstance(shape[0], np.dtype):
            raise TypeError(f"view: minigrad does not look at the same bytes as {shape[0]}; to(dtype) converts them")
        out = self.reshape(*shape, shape=size)
        if not out.is_view and self.numel():
            raise RuntimeError(
                f"view: the entries of this tensor of shape {tuple(self.shape)} are not in row-major order in memory, "
                "so no view has that shape; use reshape(), which copies"
            )
        return out

    def view_as(self, other: Any) -> Any:
        """Return a view in the shape of ``other``."""
        return self.view(other.shape)

    def reshape_as(self, other: Any) -> Any:
        """Return the entries in the shape of ``other``."""
        return self.reshape(other.shape)

    def expand_as(self, other: Any) -> Any:
        """Return a view expanded to the shape of ``other``."""
        return self.expand(other.shape)

    @property
    def T(self: Any) -> Any:
        """The dimensions in reverse order: the transpose of a matrix."""
        return ops.permute(self, tuple(range(self.ndim)[::-1]))

    @property
    def mT(self: Any) -> Any:
        """The last two dimensions exchanged: the transpose of each matrix of a batch."""
        if self.ndim < 2:
            raise RuntimeError(f"mT: expected matrices, got shape {tuple(self.shape)}; a vector needs no transpose")
        return self.transpose(-1, -2)

    mH = mT  # without complex numbers there is nothing to conjugate

    @property
    def H(self: Any) -> Any:
        """The transpose of a matrix."""
        if self.ndim not in (0, 2):
            raise RuntimeError(f"H: expected a matrix, got shape {tuple(self.shape)}; use mH for batches of matrices")
        return self.T

    def adjoint(self: Any) -> Any:
        """Return the transpose of each matrix of a batch."""
        return self.mT

    # ----------------------------------------------------------------------------------------------------------
    # Products, linear algebra

    matmul, mm, bmm, mv = ops.matmul, ops.mm, ops.bmm, ops.mv
    dot = vdot = ops.dot
    outer = ger = ops.outer
    addmm, addmv, addr, addbmm, baddbmm = ops.addmm, ops.addmv, ops.addr, ops.addbmm, ops.baddbmm
    inner, kron, cross, trace = ops.inner, ops.kron, ops.cross, ops.trace
    inverse, pinverse, matrix_power = ops.inv, ops.pinverse, ops.matrix_power
    det, logdet, slogdet = ops.det, ops.logdet, ops.slogdet
    cholesky, cholesky_solve, cholesky_inverse = ops.cholesky, ops.cholesky_solve, ops.cholesky_inverse
    qr, svd = ops.qr_some, ops.svd_v

    # ----------------------------------------------------------------------------------------------------------
    # Picking and putting entries

    gather, take_along_dim, take = ops.gather, ops.take_along_dim, ops.take
    nonzero, argwhere = ops.nonzero, ops.argwhere
    scatter, scatter_add, scatter_reduce = ops.scatter, ops.scatter_add, ops.scatter_reduce
    index_select, index_add, index_copy = ops.index_select, ops.index_add, ops.index_copy
    index_fill, index_put, put = ops.index_fill, ops.index_put, ops.put
    masked_select, masked_fill, masked_scatter = ops.masked_select, ops.masked_fill, ops.masked_scatter
    select_scatter, slice_scatter = ops.select_scatter, ops.slice_scatter
    diagonal_scatter = ops.diagonal_scatter

    scatter_, scatter_add_, scatter_reduce_ = map(in_place, (ops.scatter, ops.scatter_add, ops.scatter_reduce))
    index_add_, index_copy_, index_fill_ = map(in_place, (ops.index_add, ops.index_copy, ops.index_fill))
    index_put_, put_ = map(in_place, (ops.index_put, ops.put))
    masked_fill_, masked_scatter_ = map(in_place, (ops.masked_fill, ops.masked_scatter))


# The others that overwrite: x.sin_() is x.sin(), stored in x.
_OVERWRITING = (
    "absolute acos acosh addbmm addmm addmv addr arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh "
    "atan atan2 atanh baddbmm bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift "
    "bitwise_xor clamp_max clamp_min clip copysign cos cosh deg2rad digamma divide eq erf erfc erfinv exp2 expm1 "
    "fix fmod frac gcd ge greater greater_equal gt heaviside hypot i0 lcm ldexp le less less_equal "
    "lgamma log10 log1p log2 logical_and logical_not logical_or logical_xor logit lt multiply mvlgamma nan_to_num "
    "ne negative nextafter not_equal polygamma rad2deg reciprocal rsqrt sgn sign sin sinc sinh square subtract "
    "tan true_divide trunc xlogy"
)
for _name in _OVERWRITING.split():
    setattr(Methods, f"{_name}_", in_place(vars(Methods)[_name]))

"""The methods of a tensor that compute: a table of names, nearly every line of which says which op a method is.

An op called as a method gets the tensor as its first argument, so ``exp = ops.exp`` is all there is to ``x.exp()``. A
name with an underscore at its end overwrites the tensor with what the op makes of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import Generator, default_generator
from minigrad.inplace import filled, in_place, overwrite
from minigrad.ops.shape import shape_from


def with_sizes(op: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the method that takes ``f(2, 3)``, ``f((2, 3))`` and ``f(name=(2, 3))``."""

    @functools.wraps(op, assigned=("__doc__", "__name__"), updated=())
    def method(self: Any, *sizes: Any, **named: Any) -> Any:
        return op(self, shape_from(sizes, named.pop(name, None) if named else None), **named)

    return method


class Methods(TensorBase):
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

    eq, ne, lt, le, gt, ge = ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge
    isnan, isinf, isfinite, isclose = ops.isnan, ops.isinf, ops.isfinite, ops.isclose
    logical_and, logical_or = ops.logical_and, ops.logical_or
    logical_xor, logical_not = ops.logical_xor, ops.logical_not
    bitwise_and, bitwise_or = ops.bitwise_and, ops.bitwise_or
    bitwise_xor, bitwise_not = ops.bitwise_xor, ops.bitwise_not

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

    def where(self, condition: Any, other: Any) -> Any:
        """Return self where ``condition`` holds, else ``other``."""
        return ops.where(condition, self, other)

    def masked_fill(self, mask: Any, value: Any) -> Any:
        """Return self with ``value`` where ``mask`` is True."""
        if mask.dtype != "bool":
            raise RuntimeError(f"masked_fill: expected a mask of bool, got {mask.dtype}; write mask.bool() or x > 0")
        return ops.where(mask, value, self).to(self.dtype)

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
    lerp_, addcmul_, addcdiv_ = map(in_place, (ops.lerp, addcmul, addcdiv))
    exp_, log_, sqrt_, abs_, neg_ = map(in_place, (ops.exp, ops.log, ops.sqrt, ops.absolute, ops.neg))
    relu_, sigmoid_, tanh_ = map(in_place, (ops.relu, ops.sigmoid, ops.tanh))
    clamp_, floor_, ceil_, round_ = map(in_place, (ops.clamp, ops.floor, ops.ceil, ops.round_))
    masked_fill_ = in_place(masked_fill)

    # ----------------------------------------------------------------------------------------------------------
    # Reductions

    sum, mean, prod, var, std, norm = ops.sum_, ops.mean, ops.prod, ops.var, ops.std, ops.norm
    max, min, amax, amin = ops.max_, ops.min_, ops.amax, ops.amin
    argmax, argmin, logsumexp = ops.argmax, ops.argmin, ops.logsumexp
    all, any, count_nonzero = ops.all_, ops.any_, ops.count_nonzero

    # ----------------------------------------------------------------------------------------------------------
    # Shape

    transpose = swapaxes = swapdims = ops.transpose
    squeeze, unsqueeze, flatten, unflatten = ops.squeeze, ops.unsqueeze, ops.flatten, ops.unflatten
    movedim, narrow, split, chunk, unbind = ops.movedim, ops.narrow, ops.split, ops.chunk, ops.unbind
    moveaxis, roll = ops.movedim, ops.roll
    reshape, permute = with_sizes(ops.reshape, "shape"), with_sizes(ops.permute, "dims")
    expand = broadcast_to = with_sizes(ops.expand, "size")
    flip = with_sizes(ops.flip, "dims")

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

    def ravel(self) -> Any:
        """Return all entries in one dimension."""
        return self.reshape(-1)

    def t(self: Any) -> Any:
        """Return the transpose of a matrix."""
        if self.ndim > 2:
            raise RuntimeError(f"t: expected at most 2 dimensions, got {self.ndim}; use transpose(dim0, dim1)")
        return self.transpose(0, 1) if self.ndim == 2 else self

    @property
    def T(self: Any) -> Any:
        """The dimensions in reverse order: the transpose of a matrix."""
        return ops.permute(self, tuple(range(self.ndim)[::-1]))

    @property
    def mT(self: Any) -> Any:
        """The last two dimensions exchanged: the transpose of each matrix of a batch."""
        return self.transpose(-1, -2)

    # ----------------------------------------------------------------------------------------------------------
    # Products, picking

    matmul, mm, bmm, mv, dot, outer = ops.matmul, ops.mm, ops.bmm, ops.mv, ops.dot, ops.outer
    index_select, masked_select, take_along_dim = ops.index_select, ops.masked_select, ops.take_along_dim

    def gather(self, dim: int, index: Any) -> Any:
        """Return the entries that ``index`` names along ``dim``: y[i, j] = x[index[i, j], j] for dim 0."""
        return ops.gather(self, index, dim)

    # ----------------------------------------------------------------------------------------------------------
    # Filling

    def zero_(self) -> Any:
        """Fill with zeros."""
        return self.fill_(0)

    def fill_(self, value: Any) -> Any:
        """Fill with one value."""
        return overwrite(self, "fill_", filled, (value,), {})

    def copy_(self: Any, src: Any, non_blocking: bool = False) -> Any:
        """Fill with the values of ``src``, broadcast and converted."""
        source: Any = src if isinstance(src, TensorBase) else tensor_of(np.asarray(src))
        return overwrite(self, "copy_", filled, (source.to(self.device, self.dtype),), {})

    def uniform_(self: Any, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from [from_, to)."""
        g = generator or default_generator(self.device)
        return self._fill_random("uniform_", g.uniform(self.array.shape, from_, to, self.dtype))

    def normal_(self: Any, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Any:
        """Fill with draws from a normal distribution."""
        g = generator or default_generator(self.device)
        return self._fill_random("normal_", g.normal(self.array.shape, mean, std, self.dtype))

    def bernoulli_(self: Any, p: float = 0.5, *, generator: Generator | None = None) -> Any:
        """Fill with 1 with probability ``p``, else 0."""
        g = generator or default_generator(self.device)
        return self._fill_random("bernoulli_", (g.uniform(self.array.shape) < p).astype(self.dtype))

    def _fill_random(self, name: str, values: Any) -> Any:
        return overwrite(self, name, filled, (tensor_of(values),), {})

"""Op sheet: products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import constant_row
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import movedim, permute, reshape, transpose, unsqueeze

# --------------------------------------------------------------------------------------------------------------
# Matrix product


@op(promote="exact")
def matmul(xp: Any, a: Any, b: Any, /) -> Any:
    """a @ b: y_ij = sum_k a_ik b_kj, batched over leading dims;   da = g @ b^T, db = a^T @ g"""
    try:
        if b.ndim == 2 and a.ndim > 2:  # one large product instead of many small ones
            return (a.reshape(-1, a.shape[-1]) @ b).reshape(*a.shape[:-1], b.shape[-1])
        return a @ b
    except ValueError:
        raise ValueError("the last dimension of a and the last but one of b must be equal, the others fit") from None


def _matmul_a(g: Any, a_shape: Any, b: Any) -> Any:
    if b.ndim == 1:  # y_i = sum_k a_ik b_k
        return unsqueeze(g, -1) * b
    if len(a_shape) == 1:  # y_j = sum_k a_k b_kj
        return matmul(b, unsqueeze(g, -1))[..., 0]
    return matmul(g, transpose(b, -1, -2))


def _matmul_b(g: Any, a: Any, b_shape: Any) -> Any:
    if a.ndim == 1:  # y_j = sum_k a_k b_kj, or one number if b has one dim
        return g * a if len(b_shape) == 1 else unsqueeze(a, -1) * unsqueeze(g, -2)
    if len(b_shape) == 1:
        return matmul(transpose(a, -1, -2), unsqueeze(g, -1))[..., 0]
    if len(b_shape) == 2:  # one b for the whole batch
        return matmul(transpose(rows(a), 0, 1), rows(g))
    return matmul(transpose(a, -1, -2), g)


def rows(x: Any) -> Any:
    """Return ``x`` as a matrix: all dimensions but the last joined into one."""
    return x if x.ndim == 2 else reshape(x, (-1, x.shape[-1]))


matmul.derivative(a=_matmul_a, b=_matmul_b)


def mm(a: Any, b: Any) -> Any:
    """Return the product of two matrices; no broadcasting."""
    return _product("mm", a, b, 2, 2)


def bmm(a: Any, b: Any) -> Any:
    """Return the products of two batches of matrices, (n, i, k) and (n, k, j)."""
    return _product("bmm", a, b, 3, 3)


def mv(a: Any, b: Any) -> Any:
    """Return the product of a matrix and a vector."""
    return _product("mv", a, b, 2, 1)


def dot(a: Any, b: Any) -> Any:
    """Return the sum of the products of two vectors' entries."""
    return _product("dot", a, b, 1, 1)


def _product(name: str, a: Any, b: Any, a_dims: int, b_dims: int) -> Any:
    if a.ndim != a_dims or b.ndim != b_dims:
        raise RuntimeError(
            f"{name}: expected {a_dims}-D and {b_dims}-D tensors, got {tuple(a.shape)} and {tuple(b.shape)}; "
            "matmul takes other ranks"
        )
    return matmul(a, b)


def outer(a: Any, b: Any) -> Any:
    """Return the matrix a_i b_j of two vectors."""
    return unsqueeze(a, -1) * unsqueeze(b, -2)


# --------------------------------------------------------------------------------------------------------------
# The affine map of a layer, as one op: a product and an addition in place


@op(promote="exact")
def linear(xp: Any, x: Any, weight: Any, bias: Any = None, /) -> Any:
    """x W^T + b;   dx = g W, dW = g^T x, db = sum of g over the rows"""
    if weight.ndim != 2:
        raise ValueError(f"linear: expected a weight of shape (out_features, in_features), got {weight.shape}")
    y = (x if x.ndim == 2 else rows(x)).dot(weight.T)
    if bias is not None:
        y += bias
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], -1)


linear.derivative(
    x=lambda g, weight: matmul(g, weight),
    weight=lambda g, x: matmul(transpose(_matrix(g), 0, 1), _matrix(x)),
    bias=lambda g: sum_(_matrix(g), 0),
)


@linear.raw_derivative
def _linear_raw(xp: Any, wanted: Any, g: Any, x: Any, weight: Any) -> Any:
    # The same three lines on arrays, where dot starts sooner than @, and ones.dot(g) is the quickest sum of rows.
    shape = x.shape
    if len(shape) != 2:
        g, x = _matrix(g), _matrix(x)
    dx = g.dot(weight) if wanted[0] else None
    return [
        dx if dx is None or len(shape) == 2 else dx.reshape(shape),
        g.T.dot(x) if wanted[1] else None,
        constant_row(xp, 1, len(g), g.dtype).dot(g) if wanted[2] else None,
    ]


def _matrix(x: Any) -> Any:
    return rows(x) if x.ndim != 1 else unsqueeze(x, 0)


# --------------------------------------------------------------------------------------------------------------
# Einstein summation


@op
def _einsum2(xp: Any, a: Any, b: Any, /, a_axes: str, b_axes: str, out: str) -> Any:
    """sum of a b over the letters that out lacks;   da = sum of g b over the letters that a lacks"""
    return xp.einsum(f"{a_axes},{b_axes}->{out}", a, b, optimize=True)


_einsum2.derivative(
    a=lambda g, b, a_axes, b_axes, out: _einsum2(g, b, out, b_axes, a_axes),
    b=lambda g, a, a_axes, b_axes, out: _einsum2(g, a, out, a_axes, b_axes),
)


def einsum(equation: str, *operands: Any) -> Any:
    """Sum products over the letters that are missing behind the arrow.

    ``"ij,jk->ik"`` is the matrix product, ``"ii"`` the trace, ``"bij,bj->bi"`` a batch of matrix times vector.
    Without an arrow the result has the letters that appear once, in alphabetical order. ``...`` stands for any
    leading dimensions. Operands are joined from left to right.

    >>> import minigrad
    >>> minigrad.einsum("ij,j->i", minigrad.eye(2), minigrad.tensor([3.0, 4.0]))
    tensor([3., 4.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    axes, out = _letters(equation, operands)
    operands, axes = _without_stretched(operands, axes)
    result, have = _reduce(operands[0], axes[0], set(out).union(*axes[1:]))
    for k in range(1, len(operands)):
        needed = set(out).union(*axes[k + 1 :])
        x, letters = _reduce(operands[k], axes[k], needed | set(have))
        result, have = _reduce(result, have, needed | set(letters))
        joined = "".join(dict.fromkeys(c for c in have + letters if c in needed))
        result, have = _einsum2(result, x, have, letters, joined), joined
    return permute(result, tuple(have.index(c) for c in out))


def _letters(equation: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result, with ``...`` spelled out in unused letters."""
    left, arrow, out = equation.replace(" ", "").partition("->")
    axes = left.split(",")
    if len(axes) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(axes)} operands, got {len(operands)}")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if c not in equation]
    longest = ""
    for k, (letters, x) in enumerate(zip(axes, operands, strict=True)):
        if "..." in letters:
            dims = "".join(free[: x.ndim - len(letters) + 3])[::-1]  # aligned at the right, as broadcasting is
            longest = max(longest, dims, key=len)
            axes[k] = letters.replace("...", dims)
        if len(axes[k]) != x.ndim:
            raise RuntimeError(f"einsum: {letters!r} does not fit operand {k} of shape {tuple(x.shape)}")
    if arrow:
        out = out.replace("...", longest)
    else:
        every = "".join(axes)
        out = longest + "".join(sorted(c for c in set(every) - set(longest) if every.count(c) == 1))
    unknown = [c for c in out if c not in "".join(axes)]
    if unknown or len(set(out)) < len(out):
        raise RuntimeError(f"einsum: the result {out!r} of {equation!r} must have letters of the operands, each once")
    return axes, out


def _without_stretched(operands: tuple[Any, ...], axes: list[str]) -> tuple[tuple[Any, ...], list[str]]:
    """Drop a dimension of size 1 from an operand where another has more: it is the same all along that letter."""
    size: dict[str, int] = {}
    for x, letters in zip(operands, axes, strict=True):
        for c, n in zip(letters, x.shape, strict=True):
            if size.setdefault(c, n) != n and 1 not in (n, size[c]):
                raise RuntimeError(f"einsum: {c!r} stands for {size[c]} entries in one place and for {n} in another")
            size[c] = max(size[c], n)
    kept = [
        [d for d, c in enumerate(letters) if x.shape[d] == size[c]] for x, letters in zip(operands, axes, strict=True)
    ]
    return (
        tuple(reshape(x, tuple(x.shape[d] for d in dims)) for x, dims in zip(operands, kept, strict=True)),
        ["".join(letters[d] for d in dims) for letters, dims in zip(axes, kept, strict=True)],
    )


def _reduce(x: Any, letters: str, needed: set[str]) -> tuple[Any, str]:
    """Take the diagonal of letters that an operand has twice, and sum over those nobody else needs."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            i, j = letters.index(c), letters.rindex(c)
            x = movedim(x, (i, j), (0, 1))
            diagonal = np.arange(x.shape[0])
            x, letters = x[diagonal, diagonal], c + letters.replace(c, "")
    alone = [k for k, c in enumerate(letters) if c not in needed]
    if alone:
        x = sum_(x, tuple(alone))
        letters = "".join(c for c in letters if c in needed)
    return x, letters

"""Op sheet: products of vectors, matrices and tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.backend import constant_row
from minigrad.ops.diagonals import diagonal
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import movedim, permute, reshape, roll, transpose, unsqueeze, wrap_dim, wrap_dims

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


def mm(input: Any, mat2: Any) -> Any:
    """Return the product of two matrices; no broadcasting."""
    return _product("mm", input, mat2, 2, 2)


def bmm(input: Any, mat2: Any) -> Any:
    """Return the products of two batches of matrices, (n, i, k) and (n, k, j)."""
    if len(input.shape) == len(mat2.shape) == 3 and input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: expected two batches of one size, got {input.shape[0]} and {mat2.shape[0]} matrices")
    return _product("bmm", input, mat2, 3, 3)


def mv(input: Any, vec: Any) -> Any:
    """Return the product of a matrix and a vector."""
    return _product("mv", input, vec, 2, 1)


def dot(input: Any, tensor: Any) -> Any:
    """Return the sum of the products of two vectors' entries."""
    return _product("dot", input, tensor, 1, 1)


def _product(name: str, a: Any, b: Any, a_dims: int, b_dims: int) -> Any:
    if a.ndim != a_dims or b.ndim != b_dims:
        raise RuntimeError(
            f"{name}: expected {a_dims}-D and {b_dims}-D tensors, got {tuple(a.shape)} and {tuple(b.shape)}; "
            "matmul takes other ranks"
        )
    return matmul(a, b)


def outer(input: Any, vec2: Any) -> Any:
    """Return the matrix a_i b_j of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: expected two vectors, got {tuple(input.shape)} and {tuple(vec2.shape)}")
    return unsqueeze(input, -1) * unsqueeze(vec2, -2)


# --------------------------------------------------------------------------------------------------------------
# A product added to something: beta x + alpha (a @ b)


def _added(name: str, input: Any, product: Any, beta: float, alpha: float) -> Any:
    if input.dtype != product.dtype:
        raise RuntimeError(f"{name}: expected tensors of one dtype, got {input.dtype} and {product.dtype}")
    product = product if alpha == 1 else product * alpha
    try:
        fits = np.broadcast_shapes(input.shape, product.shape) == tuple(product.shape)
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"{name}: the input of shape {tuple(input.shape)} does not broadcast to that of the product, "
            f"{tuple(product.shape)}"
        )
    if beta == 0:  # whatever the input holds, also NaN
        return product
    return product + (input if beta == 1 else input * beta)


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Return beta input + alpha (mat1 @ mat2), of two matrices."""
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Return beta input + alpha (mat @ vec), of a matrix and a vector."""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Return beta input + alpha outer(vec1, vec2), of two vectors."""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Return beta input + alpha (batch1 @ batch2), of two batches of matrices."""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """Return beta input + alpha times the sum over the batch of batch1 @ batch2."""
    return _added("addbmm", input, sum_(bmm(batch1, batch2), 0), beta, alpha)


# --------------------------------------------------------------------------------------------------------------
# Products over other dimensions, and of other kinds


def inner(input: Any, other: Any) -> Any:
    """Return the sums over the last dimension of both, for all pairs of the others: y_ij = sum_k a_ik b_jk."""
    if not input.shape or not other.shape:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: the last dimensions differ: {tuple(input.shape)} and {tuple(other.shape)}")
    y = matmul(rows(input), transpose(rows(other), 0, 1))
    return reshape(y, (*input.shape[:-1], *other.shape[:-1]))


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Return the dot products along ``dim``, sum of x y; the other dimensions broadcast."""
    return sum_(x * y, dim)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """Sum products over pairs of dimensions.

    ``dims`` is a number n, for the last n dimensions of ``a`` with the first n of ``b``, or two lists of dimensions
    that belong together. The result has the other dimensions of ``a``, then those of ``b``.

    >>> import minigrad
    >>> minigrad.tensordot(minigrad.ones(2, 3, 4), minigrad.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    minigrad.Size([2, 5])
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: dims={dims} is too many for {tuple(a.shape)} and {tuple(b.shape)}")
        dims = range(a.ndim - dims, a.ndim), range(dims)
    over_a, over_b = (wrap_dims([d] if isinstance(d, int) else list(d), x.ndim) for d, x in zip(dims, (a, b)))
    if [a.shape[d] for d in over_a] != [b.shape[d] for d in over_b]:
        raise RuntimeError(
            f"tensordot: dims {list(over_a)} of {tuple(a.shape)} and {list(over_b)} of {tuple(b.shape)} have "
            "different sizes"
        )
    kept_a, kept_b = [[d for d in range(x.ndim) if d not in over] for x, over in ((a, over_a), (b, over_b))]
    shape_a, shape_b = [a.shape[d] for d in kept_a], [b.shape[d] for d in kept_b]
    n = math.prod(a.shape[d] for d in over_a)
    left = reshape(permute(a, (*kept_a, *over_a)), (math.prod(shape_a), n))
    right = reshape(permute(b, (*over_b, *kept_b)), (n, math.prod(shape_b)))
    return reshape(matmul(left, right), (*shape_a, *shape_b))


def kron(input: Any, other: Any) -> Any:
    """Return Kronecker's product: ``other`` once for every entry of ``input``, times that entry.

    >>> import minigrad
    >>> minigrad.kron(minigrad.tensor([1, 10]), minigrad.tensor([1, 2, 3]))
    tensor([ 1,  2,  3, 10, 20, 30])
    """
    n = max(input.ndim, other.ndim)
    a, b = ((1,) * (n - x.ndim) + tuple(x.shape) for x in (input, other))
    blocks = reshape(input, tuple(k for size in a for k in (size, 1)))
    blocks = blocks * reshape(other, tuple(k for size in b for k in (1, size)))
    return reshape(blocks, tuple(i * j for i, j in zip(a, b, strict=True)))


def cross(input: Any, other: Any, dim: int | None = None) -> Any:
    """Return the cross product of vectors of length 3 along ``dim``: y_1 = a_2 b_3 - a_3 b_2, and so on around.

    Without ``dim`` the first dimension of size 3 is taken.
    """
    if dim is None:
        dim = next((d for d, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in {tuple(input.shape)}")
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"cross: expected as many dimensions in both, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    dim = wrap_dim(dim, input.ndim)
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"cross: expected length 3 along dim {dim}, got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    return roll(input * roll(other, -1, dim) - roll(input, -1, dim) * other, -1, dim)


def trace(input: Any) -> Any:
    """Return the sum of a matrix's diagonal."""
    if input.ndim != 2:
        raise RuntimeError(
            f"trace: expected a matrix, got shape {tuple(input.shape)}; see diagonal(dim1, dim2).sum(-1)"
        )
    return sum_(diagonal(input))


def multi_dot(tensors: Sequence[Any]) -> Any:
    """Return the product of several matrices, in the order of multiplication that needs the fewest steps.

    The first and the last may be vectors. The order is found by dynamic programming: Cormen et al., "Introduction to
    Algorithms", section 14.2.
    """
    n = len(tensors)
    if n < 2:
        raise RuntimeError(f"multi_dot: expected at least 2 tensors, got {n}")
    if any(x.ndim != 2 and not (x.ndim == 1 and k in (0, n - 1)) for k, x in enumerate(tensors)):
        raise RuntimeError(
            "multi_dot: expected matrices, and at the ends matrices or vectors, got "
            + ", ".join(str(tuple(x.shape)) for x in tensors)
        )
    first, last = tensors[0], tensors[-1]
    matrices = [unsqueeze(first, 0) if first.ndim == 1 else first, *tensors[1:-1]]
    matrices.append(unsqueeze(last, 1) if last.ndim == 1 else last)
    sizes = [matrices[0].shape[0], *(x.shape[1] for x in matrices)]
    cost = {(k, k): 0 for k in range(n)}
    cut = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], cut[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> Any:
        return matrices[i] if i == j else matmul(product(i, cut[i, j]), product(cut[i, j] + 1, j))

    y = product(0, n - 1)
    y = y[0] if first.ndim == 1 else y
    return y[..., 0] if last.ndim == 1 else y


def chain_matmul(*matrices: Any) -> Any:
    """Return the product of several matrices by the older name of :func:`multi_dot`."""
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


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
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(weight))


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

"""Convolution as functions."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.ops.window import Sizes, Window, sizes, window_over
from minigrad.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]

Ints = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`conv2d` of (N, C, L), with a weight (O, C / groups, K)."""
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Slide each kernel over the image, and at each place sum the products of its entries and those under it.

    ``y[n, o, r, c] = bias[o] + sum_jkl weight[o, j, k, l] x[n, j, stride r + dilation k - padding, ...]``

    Parameters
    ----------
    input, weight, bias : Tensor
        (N, C, H, W) or a single (C, H, W); (O, C / groups, height, width); (O,).
    stride, padding, dilation : int or sequence of int
        Step of the kernel, rows of zeros around the image, step between the entries of the kernel; one number, or
        one for each dimension. ``padding="valid"`` is none and ``"same"`` makes the output as large as the input.
    groups : int
        The channels of input and output are cut into as many groups, which have nothing to do with each other;
        ``groups=C`` is a depthwise convolution.

    Raises
    ------
    RuntimeError
        Shapes that do not fit, a kernel larger than the padded image, dtypes that differ.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.arange(9.0).reshape(1, 3, 3)
    >>> minigrad.nn.functional.conv2d(x, minigrad.ones(1, 1, 2, 2))
    tensor([[[ 8., 12.],
             [20., 24.]]])
    """
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints | str = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """:func:`conv2d` of (N, C, D, H, W), with a weight (O, C / groups, depth, height, width)."""
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def convolve(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints | str,
    dilation: Ints,
    groups: int,
) -> Tensor:
    """Convolve over ``dims`` dimensions; ``name`` is what errors call it."""
    _check(name, dims, input, weight, bias, groups)
    c = weight.shape[1] * groups
    if input.shape[-dims - 1] != c:
        raise RuntimeError(f"{name}: {_channels_wanted(dims, c, input)}")
    stride, dilation = sizes(name, "stride", stride, dims), sizes(name, "dilation", dilation, dims)
    kernel = tuple(weight.shape[2:])
    x = input if input.ndim == dims + 2 else ops.unsqueeze(input, 0)
    if isinstance(padding, str):
        around = [d * (k - 1) for k, d in zip(kernel, dilation)]  # rows and columns that the output lacks
        if padding == "same" and max(stride) > 1:
            raise RuntimeError(f"{name}: padding='same' needs stride 1, got {stride}; give padding as numbers")
        if padding not in ("same", "valid"):
            raise RuntimeError(f"{name}: expected padding 'same', 'valid' or numbers, got {padding!r}")
        if padding == "same" and any(n % 2 for n in around):  # the odd one goes behind
            x = ops.constant_pad(x, ((0, 0), (0, 0), *((0, n % 2) for n in around)))
        before = tuple(n // 2 if padding == "same" else 0 for n in around)
    else:
        before = sizes(name, "padding", padding, dims, 0)
    window = window_over(name, tuple(x.shape[2:]), kernel, stride, before, dilation)
    y = ops.conv(x, weight, bias, window, groups)
    return y if input.ndim == dims + 2 else ops.squeeze(y, 0)


def _check(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    groups: int,
    transposed: bool = False,
) -> None:
    """Refuse what is not of the right rank, and groups that do not divide the weight's first dimension."""
    for x, what in ((input, "input"), (weight, "weight")):
        if not isinstance(x, TensorBase):
            raise TypeError(
                f"{name}: expected a Tensor as {what}, got {type(x).__name__}; minigrad.tensor(x) makes one"
            )
    letters = ", ".join("DHW"[-dims:] if dims > 1 else "L")
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{name}: expected input (N, C, {letters}) or a single (C, {letters}), got {tuple(input.shape)}."
            + " A channel dimension is missing: x.unsqueeze(1)" * (input.ndim == dims)
        )
    if weight.ndim != dims + 2 or 0 in weight.shape:
        first = ("C, O" if transposed else "O, C") + " / groups"
        raise RuntimeError(f"{name}: expected a weight ({first}, {letters} of the kernel), got {tuple(weight.shape)}")
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(
            f"{name}: groups={groups} must divide the {weight.shape[0]} {'input' if transposed else 'output'} channels "
            f"of the weight {tuple(weight.shape)}"
        )
    out_channels = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (out_channels,):
        raise RuntimeError(f"{name}: expected a bias of shape ({out_channels},), got {tuple(bias.shape)}")


def _channels_wanted(dims: int, c: int, input: Tensor) -> str:
    letters = ", ".join("DHW"[-dims:] if dims > 1 else "L")
    shape = tuple(input.shape)
    batch = "N, " if input.ndim == dims + 2 else ""
    hint = f"Has the previous layer {shape[-dims - 1]} channels?"
    if shape[-1] == c:
        hint = f"Are the channels last? x.movedim(-1, {input.ndim - dims - 1})"
    elif input.ndim == dims + 1 and c == 1:
        hint = f"A batch (N, {letters}) of one channel needs a dimension for it: x.unsqueeze(1)"
    return f"expected input ({batch}{c}, {letters}), got {shape}. {hint}"


# --------------------------------------------------------------------------------------------------------------
# Transposed convolution


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """:func:`conv_transpose2d` of (N, C, L), with a weight (C, O / groups, K)."""
    return convolve_back("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """Lay down each kernel, times the input's entry, where a convolution would have looked, and sum: its adjoint.

    It maps shapes back as the gradient of :func:`conv2d` does, to ``stride (n - 1) - 2 padding + dilation (k - 1) +
    1 + output_padding``: ``output_padding`` chooses among the sizes that a strided convolution maps to n.

    Parameters
    ----------
    input, weight, bias : Tensor
        (N, C, H, W) or a single (C, H, W); (C, O / groups, height, width); (O,).
    stride, padding, output_padding, groups, dilation
        Those of the convolution that is turned round.

    Raises
    ------
    RuntimeError
        Shapes that do not fit, an ``output_padding`` not smaller than stride or dilation, dtypes that differ.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([[[1.0, 2.0]]])
    >>> minigrad.nn.functional.conv_transpose2d(x, minigrad.ones(1, 1, 2, 2), stride=2)
    tensor([[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]])
    """
    return convolve_back("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """:func:`conv_transpose2d` of (N, C, D, H, W), with a weight (C, O / groups, depth, height, width)."""
    return convolve_back("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def convolve_back(
    name: str,
    dims: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Ints,
    padding: Ints,
    output_padding: Ints,
    groups: int,
    dilation: Ints,
) -> Tensor:
    """Convolve back over ``dims`` dimensions; ``name`` is what errors call it."""
    _check(name, dims, input, weight, bias, groups, transposed=True)
    if input.shape[-dims - 1] != weight.shape[0]:
        raise RuntimeError(f"{name}: {_channels_wanted(dims, weight.shape[0], input)}")
    strides, dilations = sizes(name, "stride", stride, dims), sizes(name, "dilation", dilation, dims)
    before = sizes(name, "padding", padding, dims, 0)
    extra = sizes(name, "output_padding", output_padding, dims, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations)):
        raise RuntimeError(
            f"{name}: expected an output_padding smaller than stride or dilation, got {extra} with stride {strides} "
            f"and dilation {dilations}"
        )
    x = input if input.ndim == dims + 2 else ops.unsqueeze(input, 0)
    kernel, out = tuple(weight.shape[2:]), tuple(x.shape[2:])
    size: Sizes = tuple(
        s * (n - 1) - 2 * p + d * (k - 1) + 1 + e
        for n, k, s, p, d, e in zip(out, kernel, strides, before, dilations, extra)
    )
    if min(size) < 1:
        raise RuntimeError(
            f"{name}: from an input {out} with padding {before} the output would be {size}; use less padding"
        )
    window = Window(size, out, kernel, strides, before, dilations)
    y = ops.conv_transpose(x, weight, bias, window, groups)
    return y if input.ndim == dims + 2 else ops.squeeze(y, 0)

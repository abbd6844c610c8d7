"""Padding, windows as columns, and exchanging channels for pixels, as functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigrad import ops
from minigrad.autograd.node import TensorBase
from minigrad.nn.functional.convolution import Ints
from minigrad.ops.window import Window, sizes, window_over
from minigrad.tensor import Tensor

__all__ = ["channel_shuffle", "fold", "pad", "pixel_shuffle", "pixel_unshuffle", "unfold"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Put a border around a tensor.

    Parameters
    ----------
    pad : sequence of int
        Widths before and behind, from the last dimension backwards: (left, right, top, bottom, ...). A negative
        width cuts off.
    mode : {"constant", "reflect", "replicate", "circular"}
        Fill the border with ``value``; or with the entries next to the edge in reverse, without the edge itself;
        with the edge's entry; with the entries from the other end. All but the first are for the last one, two or
        three dimensions of a tensor with channels and perhaps a batch in front of them.
    value : float, optional
        What ``"constant"`` fills with, 0 if not given.

    Raises
    ------
    RuntimeError
        An odd number of widths, more of them than dimensions, or a border wider than what it repeats.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.arange(3.0).reshape(1, 3)
    >>> minigrad.nn.functional.pad(x, (2, 1), mode="reflect")
    tensor([[2., 1., 0., 1., 2., 1.]])
    """
    if not isinstance(input, TensorBase):
        raise TypeError(f"pad: expected a Tensor, got {type(input).__name__}; minigrad.tensor(x) makes one")
    widths = tuple(pad)
    shape = tuple(input.shape)
    if len(widths) % 2 or len(widths) > 2 * len(shape):
        raise RuntimeError(
            f"pad: expected two widths for each padded dimension, at most {2 * len(shape)} for the input {shape}, got "
            f"{widths}"
        )
    dims = len(widths) // 2
    pads = ((0, 0),) * (len(shape) - dims) + tuple(zip(widths[-2::-2], widths[-1::-2]))
    for n, (before, behind) in zip(shape, pads):
        if n + before + behind < 0:
            raise RuntimeError(f"pad: the widths {widths} cut more than there is off the input {shape}")
    if mode == "constant":
        return ops.constant_pad(input, pads, 0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: expected mode 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value:
        raise RuntimeError(f"pad: mode {mode!r} fills with the input's own entries; value is for mode 'constant'")
    if dims not in (1, 2, 3) or len(shape) not in (dims + 1, dims + 2):
        raise NotImplementedError(
            f"pad: with {len(widths)} widths mode {mode!r} takes inputs of {dims + 1} or {dims + 2} dimensions, got "
            f"{shape}"
        )
    wide = tuple((max(before, 0), max(behind, 0)) for before, behind in pads)
    cut = tuple((min(before, 0), min(behind, 0)) for before, behind in pads)
    if mode == "circular" and cut != ((0, 0),) * len(shape):  # what is cut off does not come in at the other end
        input, cut = ops.constant_pad(input, cut), ((0, 0),) * len(shape)
    for n, around in zip(input.shape, wide):
        most = {"reflect": n - 1, "circular": n, "replicate": math.inf if n else 0}[mode]
        if max(around) > max(most, 0):
            raise RuntimeError(
                f"pad: mode {mode!r} reaches {most} entries of a dimension of {n}, got widths {around} for it (input "
                f"{shape}, pad {widths})"
            )
    y = ops.border_pad(input, wide, mode)
    return ops.constant_pad(y, cut) if any(map(any, cut)) else y


# --------------------------------------------------------------------------------------------------------------
# Windows as columns


def unfold(input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> Tensor:
    """Write the windows of (N, C, H, W) as columns (N, C * height * width, windows): im2col.

    A convolution is a matrix product with them: ``weight.reshape(O, -1) @ unfold(x, ...)``.

    >>> import minigrad
    >>> x = minigrad.arange(9.0).reshape(1, 1, 3, 3)
    >>> minigrad.nn.functional.unfold(x, 2)
    tensor([[[0., 1., 3., 4.],
             [1., 2., 4., 5.],
             [3., 4., 6., 7.],
             [4., 5., 7., 8.]]])
    """
    if len(input.shape) not in (3, 4):
        raise RuntimeError(f"unfold: expected input (N, C, H, W) or a single (C, H, W), got {tuple(input.shape)}")
    x = input if input.ndim == 4 else ops.unsqueeze(input, 0)
    columns = ops.im2col(x, _window("unfold", tuple(x.shape[2:]), kernel_size, dilation, padding, stride))
    return columns if input.ndim == 4 else ops.squeeze(columns, 0)


def fold(
    input: Tensor, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """Add columns up to an image of ``output_size``: the adjoint of :func:`unfold`, not its inverse.

    An entry that lies in several windows becomes the sum of what they have for it.
    """
    if len(input.shape) not in (2, 3):
        raise RuntimeError(f"fold: expected columns (N, C * kernel, windows), got {tuple(input.shape)}")
    window = _window("fold", sizes("fold", "output_size", output_size, 2), kernel_size, dilation, padding, stride)
    columns = input if input.ndim == 3 else ops.unsqueeze(input, 0)
    entries, windows = math.prod(window.kernel), math.prod(window.out)
    if columns.shape[1] % entries or columns.shape[2] != windows:
        raise RuntimeError(
            f"fold: expected columns (N, C * {entries}, {windows}), as a kernel {window.kernel} has {entries} entries "
            f"and {window.out} windows in {window.size}, got {tuple(input.shape)}"
        )
    x = ops.col2im(columns, window)
    return x if input.ndim == 3 else ops.squeeze(x, 0)


def _window(name: str, size: tuple[int, ...], kernel_size: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Window:
    kernel, dilation = sizes(name, "kernel_size", kernel_size, 2), sizes(name, "dilation", dilation, 2)
    return window_over(
        name, size, kernel, sizes(name, "stride", stride, 2), sizes(name, "padding", padding, 2, 0), dilation
    )


# --------------------------------------------------------------------------------------------------------------
# Channels for pixels


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Make of each r * r channels one with r times the height and width: (..., C r r, H, W) to (..., C, H r, W r).

    Shi et al., "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network", 2016.
    """
    shape, r = tuple(input.shape), upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise RuntimeError(
            f"pixel_shuffle: expected input (..., C * {r * r}, H, W) for an upscale_factor of {r}, got {shape}"
        )
    *lead, c, h, w = shape
    x = ops.reshape(input, (math.prod(lead), c // (r * r), r, r, h, w))
    return ops.reshape(ops.permute(x, (0, 1, 4, 2, 5, 3)), (*lead, c // (r * r), h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Undo :func:`pixel_shuffle`: (..., C, H r, W r) to (..., C r r, H, W)."""
    shape, r = tuple(input.shape), downscale_factor
    if len(shape) < 3 or r < 1 or shape[-2] % r or shape[-1] % r:
        raise RuntimeError(
            f"pixel_unshuffle: expected input (..., C, H, W) of height and width divisible by {r}, got {shape}"
        )
    *lead, c, h, w = shape
    x = ops.reshape(input, (math.prod(lead), c, h // r, r, w // r, r))
    return ops.reshape(ops.permute(x, (0, 1, 3, 5, 2, 4)), (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of (N, C, ...) out: the first of each group, the second of each, and so on.

    Behind a grouped convolution it lets the groups of the next one see all of them. Zhang et al., "ShuffleNet", 2018.
    """
    shape = tuple(input.shape)
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise RuntimeError(
            f"channel_shuffle: expected input (N, C, ...) with C divisible by groups={groups}, got {shape}"
        )
    x = ops.reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return ops.reshape(ops.transpose(x, 1, 2), shape)

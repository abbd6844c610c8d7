"""Convolution and transposed convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import empty
from minigrad.nn import init
from minigrad.nn.functional import pad
from minigrad.nn.functional.convolution import convolve, convolve_back
from minigrad.nn.parameter import Parameter
from minigrad.nn.spatial import Ints, Spatial
from minigrad.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Convolution(Spatial):
    """What convolutions and transposed ones share: parameters, their first values, and how they are shown."""

    transposed: bool
    bias: Parameter | None

    def _setup(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints,
        padding: Ints | str,
        dilation: Ints,
        output_padding: Ints,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: DeviceLike,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(stride)
        self.padding: Any = padding if isinstance(padding, str) else self._tuple(padding)
        self.dilation = self._tuple(dilation)
        self.output_padding = self._tuple(output_padding)
        self.groups = groups
        self.padding_mode = padding_mode
        for numbers in (self.kernel_size, self.stride, self.dilation):
            if len(numbers) != self.dims:
                raise ValueError(f"{name}: expected one number or {self.dims} for kernel, stride, ..., got {numbers}")
        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        self.bias = Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # sqrt(5) makes the bound 1 / sqrt(fan_in)
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
            init.uniform_(self.bias, -bound, bound)

    def _run(self, function: Any, input: Tensor, *args: Any) -> Any:
        try:
            return super()._run(function, input, *args)
        except RuntimeError:
            if input.dtype == self.weight.dtype:
                raise
        raise self._other_dtype(input, self.weight)

    def _label(self) -> str:
        return f"{type(self).__name__} {self.in_channels} -> {self.out_channels}"

    def extra_repr(self) -> str:
        zeros = (0,) * self.dims
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        for name, default in (("padding", zeros), ("dilation", (1,) * self.dims), ("output_padding", zeros)):
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode}")
        return ", ".join(shown)


class _Conv(_Convolution):
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints | str = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{name}: expected padding 'same', 'valid' or numbers, got {padding!r}")
        if padding == "same" and any(s != 1 for s in self._tuple(stride)):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}; give padding as numbers")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"{name}: expected padding_mode 'zeros', 'reflect', 'replicate' or 'circular', got {padding_mode!r}"
            )
        self._setup(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor) -> Tensor:
        return self._run(self._convolved, input)  # type: ignore[no-any-return]

    def _convolved(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = pad(input, self._widths(), self.padding_mode), 0
        name, weight = type(self).__name__, self.weight
        return convolve(name, self.dims, input, weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _widths(self) -> list[int]:
        """Return the padding as :func:`pad` takes it, from the last dimension backwards."""
        if self.padding == "valid":
            return [0, 0] * self.dims
        if self.padding == "same":
            around = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation)]
            return [width for n in reversed(around) for width in (n // 2, n - n // 2)]
        return [width for n in reversed(self.padding) for width in (n, n)]


class Conv1d(_Conv):
    """Convolution of (N, C, L): :class:`Conv2d` over one dimension, such as time."""

    dims = 1


class Conv2d(_Conv):
    """Slide ``out_channels`` kernels over an image; each output is the sum of products with what lies under one.

    ``y[o] = bias[o] + sum over input channels c of weight[o, c] * x[c]``, where * slides and does not flip. The same
    few weights look at every place, and what they find moves along with what they found: LeCun et al.,
    "Gradient-based learning applied to document recognition", 1998.

    ``weight`` (out_channels, in_channels / groups, height, width) and ``bias`` (out_channels,) start uniform between
    -k and k, with k = 1 / sqrt(number of weights that an output sums over).

    Parameters
    ----------
    in_channels, out_channels : int
        Input (N, in_channels, H, W) or a single (in_channels, H, W); output (N, out_channels, H', W'), where
        H' = floor((H + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
    kernel_size, stride, padding, dilation : int or sequence of int
        Size and step of the kernel, width of the border around the image, step between the entries of the kernel.
        ``padding="same"`` keeps the size, ``"valid"`` is 0.
    groups : int
        Cut the channels into groups that have nothing to do with each other; ``in_channels`` of them make a
        depthwise convolution.
    bias : bool
        Whether the bias is there; without, ``bias`` is None.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the border is filled with, as in :func:`minigrad.nn.functional.pad`.

    Raises
    ------
    ValueError
        Groups that do not divide the channels, ``"same"`` with a stride.
    RuntimeError
        An input of another rank, number of channels or dtype, or smaller than the kernel.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.Conv2d(3, 16, kernel_size=3, stride=2, padding=1)
    >>> layer(minigrad.randn(8, 3, 32, 32)).shape
    minigrad.Size([8, 16, 16, 16])
    """

    dims = 2


class Conv3d(_Conv):
    """Convolution of (N, C, D, H, W): :class:`Conv2d` over three dimensions, volumes or videos."""

    dims = 3


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(
                f"{type(self).__name__}: expected padding_mode 'zeros', the only one, got {padding_mode!r}"
            )
        self._setup(
            in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Compute the output; ``output_size`` chooses among the sizes that the convolution maps to the input's."""
        return self._run(self._convolved_back, input, output_size)  # type: ignore[no-any-return]

    def _convolved_back(self, input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        name, weight = type(self).__name__, self.weight
        extra = self.output_padding if output_size is None else self._output_padding(input, tuple(output_size))
        return convolve_back(
            name, self.dims, input, weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: tuple[int, ...]) -> tuple[int, ...]:
        wanted = output_size[-self.dims :] if len(output_size) == input.ndim else output_size
        if len(wanted) != self.dims:
            raise ValueError(
                f"output_size: expected {self.dims} numbers, or the whole shape with {input.ndim}, got {output_size}"
            )
        numbers = zip(input.shape[-self.dims :], self.kernel_size, self.stride, self.padding, self.dilation)
        smallest = tuple((n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in numbers)
        extra = tuple(m - n for m, n in zip(wanted, smallest))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            largest = tuple(n + s - 1 for n, s in zip(smallest, self.stride))
            raise ValueError(
                f"output_size: the input {tuple(input.shape)} can become {smallest} to {largest}, got {wanted}"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of (N, C, L): :class:`ConvTranspose2d` over one dimension."""

    dims = 1


class ConvTranspose2d(_ConvTranspose):
    """A convolution turned round: from the shape it maps to back to the shape it maps from.

    Every entry of the input lays down the kernel, times itself, ``stride`` apart in the output, and what overlaps is
    added. That is the map by which gradients go back through :class:`Conv2d`, not its inverse; with a stride it makes
    images larger. Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Parameters
    ----------
    in_channels, out_channels : int
        Input (N, in_channels, H, W) or a single (in_channels, H, W); output (N, out_channels, H', W'), where
        H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + 1 + output_padding.
    kernel_size, stride, padding, groups, bias, dilation
        Those of the convolution that is turned round; ``weight`` is (in_channels, out_channels / groups, ...).
    output_padding : int or sequence of int
        Rows and columns more at the end: a strided convolution maps several sizes to one. Calling the layer with
        ``output_size`` chooses as well.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.ConvTranspose2d(16, 3, kernel_size=4, stride=2, padding=1)
    >>> layer(minigrad.randn(8, 16, 16, 16)).shape
    minigrad.Size([8, 3, 32, 32])
    """

    dims = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of (N, C, D, H, W): :class:`ConvTranspose2d` over three dimensions."""

    dims = 3

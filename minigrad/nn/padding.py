"""Borders around images, windows as columns, and exchanging channels for pixels."""

from __future__ import annotations

from minigrad.nn import functional as F
from minigrad.nn.spatial import Ints, Spatial
from minigrad.tensor import Tensor

__all__ = [
    "ChannelShuffle",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Fold",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Unfold",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Spatial):
    """A border around the last ``dims`` dimensions: of one width, or (left, right, top, bottom, front, back)."""

    mode = "constant"
    value: float | None = None

    def __init__(self, padding: Ints) -> None:
        super().__init__()
        self.padding = self._tuple(padding, 2 * self.dims)

    def forward(self, input: Tensor) -> Tensor:
        return self._run(F.pad, input, self.padding, self.mode, self.value)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: Ints, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of ``value`` around the last dimension: (left, right)."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A border of ``value`` around the last two dimensions: (left, right, top, bottom), or one width.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.ConstantPad2d((1, 0, 0, 1), 7.0)(minigrad.zeros(1, 1, 2))
    tensor([[[7., 0., 0.],
             [7., 7., 7.]]])
    """

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A border of ``value`` around the last three dimensions: (left, right, top, bottom, front, back)."""

    dims = 3


class _ZeroPad(_Pad):
    value = 0.0


class ZeroPad1d(_ZeroPad):
    """A border of zeros around the last dimension: (left, right)."""

    dims = 1


class ZeroPad2d(_ZeroPad):
    """A border of zeros around the last two dimensions: (left, right, top, bottom), or one width."""

    dims = 2


class ZeroPad3d(_ZeroPad):
    """A border of zeros around the last three dimensions: (left, right, top, bottom, front, back)."""

    dims = 3


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """A border that reflects (N, C, L) at its ends, which are not repeated: ``b a | a b c`` but without that a."""

    dims = 1


class ReflectionPad2d(_ReflectionPad):
    """A border that reflects (N, C, H, W) at its edges, which are not repeated.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.ReflectionPad2d((2, 2, 0, 0))(minigrad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2., 1.]]])
    """

    dims = 2


class ReflectionPad3d(_ReflectionPad):
    """A border that reflects (N, C, D, H, W) at its faces, which are not repeated."""

    dims = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """A border that goes on with the first and the last entry of (N, C, L)."""

    dims = 1


class ReplicationPad2d(_ReplicationPad):
    """A border that goes on with the entries at the edges of (N, C, H, W).

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.ReplicationPad2d((2, 2, 0, 0))(minigrad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3., 3.]]])
    """

    dims = 2


class ReplicationPad3d(_ReplicationPad):
    """A border that goes on with the entries at the faces of (N, C, D, H, W)."""

    dims = 3


class _CircularPad(_Pad):
    mode = "circular"


class CircularPad1d(_CircularPad):
    """A border that goes on with the other end of (N, C, L), as if it was a ring."""

    dims = 1


class CircularPad2d(_CircularPad):
    """A border that goes on with the other side of (N, C, H, W), as if it was a torus.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.CircularPad2d((2, 2, 0, 0))(minigrad.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 3., 1., 2., 3., 1., 2.]]])
    """

    dims = 2


class CircularPad3d(_CircularPad):
    """A border that goes on with the other side of (N, C, D, H, W)."""

    dims = 3


# --------------------------------------------------------------------------------------------------------------
# Windows as columns


class Unfold(Spatial):
    """The windows of (N, C, H, W) as columns (N, C * height * width, windows): see ``functional.unfold``."""

    dims = 2

    def __init__(self, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return self._run(  # type: ignore[no-any-return]
            F.unfold, input, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Spatial):
    """Columns summed up to an image of ``output_size``, the adjoint of :class:`Unfold`: see ``functional.fold``.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.Fold((2, 3), 2)(nn.Unfold(2)(minigrad.ones(1, 2, 3)))  # the middle lies in both windows
    tensor([[[1., 2., 1.],
             [1., 2., 1.]]])
    """

    dims = 2

    def __init__(
        self, output_size: Ints, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return self._run(  # type: ignore[no-any-return]
            F.fold, input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


# --------------------------------------------------------------------------------------------------------------
# Channels for pixels


class PixelShuffle(Spatial):
    """(..., C r r, H, W) to (..., C, H r, W r): see :func:`minigrad.nn.functional.pixel_shuffle`."""

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return self._run(F.pixel_shuffle, input, self.upscale_factor)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Spatial):
    """(..., C, H r, W r) to (..., C r r, H, W): undoes :class:`PixelShuffle`."""

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return self._run(F.pixel_unshuffle, input, self.downscale_factor)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Spatial):
    """The channels dealt out, one of each group after the other: see :func:`minigrad.nn.functional.channel_shuffle`."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return self._run(F.channel_shuffle, input, self.groups)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"groups={self.groups}"

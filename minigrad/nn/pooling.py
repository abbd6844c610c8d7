"""Pooling: every window becomes one entry, its largest or its mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.functional.pooling import MaybeInts
from minigrad.nn.module import Module
from minigrad.nn.spatial import Ints, Spatial
from minigrad.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

# --------------------------------------------------------------------------------------------------------------
# The largest


class _MaxPool(Spatial):
    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.dims - 1]
        return self._run(
            function, input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest in each window of (N, C, L): :class:`MaxPool2d` over one dimension."""

    dims = 1


class MaxPool2d(_MaxPool):
    """The largest entry in each window of (N, C, H, W): a smaller image, and small shifts no longer matter.

    The gradient goes to that entry, to the first if several are equal. The stride is the size of the kernel if not
    given, so that windows do not overlap. See :func:`minigrad.nn.functional.max_pool2d` for the arguments.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.MaxPool2d(2)(minigrad.zeros(8, 16, 32, 32)).shape
    minigrad.Size([8, 16, 16, 16])
    """

    dims = 2


class MaxPool3d(_MaxPool):
    """The largest in each window of (N, C, D, H, W): :class:`MaxPool2d` over three dimensions."""

    dims = 3


class _MaxUnpool(Spatial):
    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(kernel_size if stride is None else stride)
        self.padding = self._tuple(padding)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        function = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self.dims - 1]
        return self._run(  # type: ignore[no-any-return]
            function, input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Put what :class:`MaxPool1d` returned back where it was: :class:`MaxUnpool2d` over one dimension."""

    dims = 1


class MaxUnpool2d(_MaxUnpool):
    """Put what :class:`MaxPool2d` returned, with ``return_indices=True``, back where it was; zeros elsewhere.

    >>> import minigrad
    >>> from minigrad import nn
    >>> values, indices = nn.MaxPool2d(2, return_indices=True)(minigrad.tensor([[[1.0, 5.0], [3.0, 2.0]]]))
    >>> nn.MaxUnpool2d(2)(values, indices)
    tensor([[[0., 5.],
             [0., 0.]]])
    """

    dims = 2


class MaxUnpool3d(_MaxUnpool):
    """Put what :class:`MaxPool3d` returned back where it was: :class:`MaxUnpool2d` over three dimensions."""

    dims = 3


class FractionalMaxPool2d(Module):
    """Not in minigrad: refused with a sentence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        F.fractional_max_pool2d()


class FractionalMaxPool3d(Module):
    """Not in minigrad: refused with a sentence."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        F.fractional_max_pool3d()


# --------------------------------------------------------------------------------------------------------------
# The mean


class AvgPool1d(Spatial):
    """The mean of each window of (N, C, L): :class:`AvgPool2d` over one dimension."""

    dims = 1

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = self._tuple(kernel_size)
        self.stride = self._tuple(kernel_size if stride is None else stride)
        self.padding = self._tuple(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return self._run(  # type: ignore[no-any-return]
            F.avg_pool1d, input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Spatial):
    """The mean of each window of (N, C, H, W). See :func:`minigrad.nn.functional.avg_pool2d` for the arguments.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.AvgPool2d(2)(minigrad.tensor([[[1.0, 5.0], [3.0, 2.0]]]))
    tensor([[[2.7500]]])
    """

    dims = 2

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self._run(  # type: ignore[no-any-return]
            F.avg_pool2d if self.dims == 2 else F.avg_pool3d, input, self.kernel_size, self.stride, self.padding,
            self.ceil_mode, self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """The mean of each window of (N, C, D, H, W): :class:`AvgPool2d` over three dimensions."""

    dims = 3


class _LPPool(Spatial):
    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        function = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self.dims - 1]
        return self._run(  # type: ignore[no-any-return]
            function, input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """``(sum of x^p)^(1 / p)`` over each window of (N, C, L)."""

    dims = 1


class LPPool2d(_LPPool):
    """``(sum of x^p)^(1 / p)`` over each window of (N, C, H, W); see :func:`minigrad.nn.functional.lp_pool2d`."""

    dims = 2


class LPPool3d(_LPPool):
    """``(sum of x^p)^(1 / p)`` over each window of (N, C, D, H, W)."""

    dims = 3


# --------------------------------------------------------------------------------------------------------------
# Windows that adapt to the input


class _AdaptiveAvgPool(Spatial):
    def __init__(self, output_size: MaybeInts) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        function = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[self.dims - 1]
        return self._run(function, input, self.output_size)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows that cover (N, C, L) evenly: :class:`AdaptiveAvgPool2d` over one dimension."""

    dims = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows that cover (N, C, H, W) evenly, ``output_size`` of them, however large the image is.

    ``AdaptiveAvgPool2d(1)`` is the mean over the whole image, the last step of most networks before their classifier:
    Lin et al., "Network in network", 2013. None in ``output_size`` keeps a dimension as it is.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.AdaptiveAvgPool2d((5, None))(minigrad.zeros(8, 64, 10, 9)).shape
    minigrad.Size([8, 64, 5, 9])
    """

    dims = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows that cover (N, C, D, H, W) evenly: :class:`AdaptiveAvgPool2d` over three dimensions."""

    dims = 3


class _AdaptiveMaxPool(Spatial):
    def __init__(self, output_size: MaybeInts, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        function = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)[self.dims - 1]
        return self._run(function, input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest in windows that cover (N, C, L) evenly: those of :class:`AdaptiveAvgPool1d`."""

    dims = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest in windows that cover (N, C, H, W) evenly: those of :class:`AdaptiveAvgPool2d`."""

    dims = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest in windows that cover (N, C, D, H, W) evenly: those of :class:`AdaptiveAvgPool3d`."""

    dims = 3

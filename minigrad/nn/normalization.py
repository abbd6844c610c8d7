"""Normalisation layers: batch, instance, layer, group and RMS norm, and local response normalisation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import ones, zeros
from minigrad.nn.functional import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.promotion import INT64
from minigrad.tensor import Tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "LocalResponseNorm",
    "RMSNorm",
]


class _Norm(Module):
    """What all share that have a weight, 1 at first, and a bias, 0 at first, of one shape."""

    weight: Parameter | None
    bias: Parameter | None

    def _make_affine(self, shape: Any, weight: bool, bias: bool, device: DeviceLike, dtype: Any) -> None:
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if weight else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if weight and bias else None

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0."""
        for parameter, start in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                parameter.data.fill_(start)

    def _check_tensor(self, input: Any) -> None:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        if self.weight is not None and input.array.dtype != self.weight.array.dtype:
            raise self._other_dtype(input, self.weight)


# --------------------------------------------------------------------------------------------------------------
# Each channel: batch norm and instance norm


class _ChannelNorm(_Norm):
    """Normalisation of the channels of (N, C, ...), with running statistics; a subclass says which shapes it takes."""

    shapes: dict[int, str]  # number of dimensions -> how the shape is written

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: DeviceLike,
        dtype: Any,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        n, kind = num_features, {"device": device, "dtype": dtype}
        self._make_affine(n, affine, bias, device, dtype)
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(n, **kind) if tracked else None)
        self.register_buffer("running_var", ones(n, **kind) if tracked else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype=INT64, device=device) if tracked else None)

    def reset_running_stats(self) -> None:
        """Forget what was averaged over batches: mean 0, variance 1."""
        for buffer, start in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer.fill_(start)

    def reset_parameters(self) -> None:
        """Set weight to 1 and bias to 0, and forget the running statistics."""
        self.reset_running_stats()
        super().reset_parameters()

    def _refused(self, shape: tuple[int, ...], at: int = 1) -> Exception:
        """Say what is wrong with a shape whose dimension ``at`` should have been the channels."""
        n, kind = self.num_features, type(self).__name__
        wanted = " or ".join(self.shapes.values()).replace("C", str(n))
        if len(shape) not in self.shapes:
            hint = "The first dimension is the batch: x.unsqueeze(0) makes a batch of one."
            hint *= len(shape) == min(self.shapes) - 1
            if not hint and len(shape) in (2, 3, 4, 5):
                fitting = kind[:-2] + f"{max(len(shape) - 2, 1)}d"
                hint = f"For {len(shape)} dimensions there is {fitting}." * (fitting != kind)
            return self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}".rstrip(), ValueError)
        if len(shape) > 2 and shape[-1] == n:
            hint = "Are the channels last? They belong in dim 1: x.movedim(-1, 1)."
        else:
            hint = f"Has the previous layer {shape[at]} channels? Then it is {kind}({shape[at]})."
        return self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}")

    def _label(self) -> str:
        return f"{type(self).__name__} {self.num_features}"

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def _check_input(self, input: Any) -> None:
        x = input.array if isinstance(input, Tensor) else None
        if x is None or x.ndim not in self.shapes or x.shape[1] != self.num_features:
            raise self._not_a_tensor(input) if x is None else self._refused(tuple(x.shape))
        if self.weight is not None and x.dtype != self.weight.array.dtype:
            raise self._other_dtype(input, self.weight)

    def _next_momentum(self) -> Any:
        """Count the batch, and return its weight in the running statistics."""
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.array += 1
            if self.momentum is None:  # all batches alike; as an array, because a number would wait for the GPU
                return 1.0 / self.num_batches_tracked.array
        return 0.0 if self.momentum is None else self.momentum

    def forward(self, input: Tensor) -> Tensor:
        self._check_input(input)
        of_batch = self.training or self.running_mean is None  # which statistics normalise
        if of_batch and input.array.size == self.num_features:
            raise self.input_error(
                f"expected more than one value per channel in training, got input {tuple(input.shape)}: the variance "
                "of a single value is 0.\n  Use larger batches (drop_last=True in the DataLoader drops an odd last "
                "one), or model.eval() if this is evaluation.",
                ValueError,
            )
        mean, var = self.running_mean, self.running_var
        if self.training and not self.track_running_stats:
            mean = var = None
        return batch_norm(input, mean, var, self.weight, self.bias, of_batch, self._next_momentum(), self.eps)


class BatchNorm1d(_BatchNorm):
    """Bring each channel to mean 0 and variance 1 over the batch, then scale it by a weight and shift it by a bias.

    ``y = weight (x - mean) / sqrt(var + eps) + bias``

    In training, mean and var are the batch's own, var the *biased* one (squares divided by n). They also move the
    running statistics, ``running += momentum (batch - running)``, where ``running_var`` takes the *unbiased*
    variance (divided by n - 1). In evaluation the running statistics take their place, so that a sample's output
    does not depend on its neighbours. Ioffe and Szegedy, "Batch normalization", 2015.

    Parameters
    ----------
    num_features : int
        C of the input (N, C) or (N, C, L). The output has the input's shape.
    eps : float
        Keeps the division safe where a channel is constant.
    momentum : float or None
        Weight of the newest batch in the running statistics; None weighs all batches alike.
    affine : bool
        Whether there are ``weight`` (1 at first) and ``bias`` (0 at first). ``bias=False`` leaves out the latter.
    track_running_stats : bool
        Without, evaluation uses the batch's statistics too.

    Raises
    ------
    ValueError
        The input has another number of dimensions, or one value per channel in training.
    RuntimeError
        The input has another number of channels, or another dtype.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.BatchNorm1d(1)
    >>> layer(minigrad.tensor([[1.0], [3.0]])).detach()
    tensor([[-1.0000],
            [ 1.0000]])
    >>> layer.running_mean, layer.running_var  # 0.9 * 0 + 0.1 * 2, and 0.9 * 1 + 0.1 * 2
    (tensor([0.2000]), tensor([1.1000]))
    """

    shapes = {2: "(N, C)", 3: "(N, C, L)"}  # noqa: RUF012


class BatchNorm2d(_BatchNorm):
    """:class:`BatchNorm1d` for images, (N, C, H, W): each channel has one mean and one variance for all its pixels.

    >>> import minigrad
    >>> minigrad.nn.BatchNorm2d(3)(minigrad.randn(2, 3, 4, 4)).shape
    minigrad.Size([2, 3, 4, 4])
    """

    shapes = {4: "(N, C, H, W)"}  # noqa: RUF012


class BatchNorm3d(_BatchNorm):
    """:class:`BatchNorm1d` for volumes or films, (N, C, D, H, W)."""

    shapes = {5: "(N, C, D, H, W)"}  # noqa: RUF012


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: DeviceLike = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_tensor(input)
        shape = tuple(input.shape)
        batched = max(self.shapes)
        at = 1 if len(shape) == batched else 0
        if len(shape) not in self.shapes:
            raise self._refused(shape)
        if shape[at] != self.num_features:
            if self.affine or self.running_mean is not None:
                raise self._refused(shape, at)
            warnings.warn(
                f"{self._label()}: the input {shape} has {shape[at]} channels and not {self.num_features}; without "
                "affine=True nothing depends on the number, but one of the two is not what it should be",
                stacklevel=2,
            )
        of_input = self.training or not self.track_running_stats
        if of_input and math.prod(shape[at + 1 :]) == 1:
            raise self.input_error(
                f"expected more than one value per channel of a sample, got input {shape}: the variance of a single "
                "value is 0.",
                ValueError,
            )
        x = input if at else input.unsqueeze(0)
        momentum = 0.0 if self.momentum is None else self.momentum
        y = instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, of_input, momentum, self.eps)
        return y if at else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Bring each channel of each sample to mean 0 and variance 1; the batch plays no part.

    The formula is that of :class:`BatchNorm1d`, with the mean and the (biased) variance of each sample's channel. That
    takes away an image's contrast, which is why it is used to transfer style. Ulyanov, Vedaldi and Lempitsky,
    "Instance normalization", 2016.

    Parameters
    ----------
    num_features : int
        C of the input (N, C, L) or (C, L).
    eps, momentum
        As for :class:`BatchNorm1d`.
    affine : bool
        Whether there are ``weight`` and ``bias``; here they are off unless asked for.
    track_running_stats : bool
        Whether evaluation uses an average over what training has seen; off unless asked for.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.InstanceNorm1d(1)(minigrad.tensor([[[1.0, 3.0]], [[0.0, 9.0]]]))
    tensor([[[-1.0000,  1.0000]],
    <BLANKLINE>
            [[-1.0000,  1.0000]]])
    """

    shapes = {2: "(C, L)", 3: "(N, C, L)"}  # noqa: RUF012


class InstanceNorm2d(_InstanceNorm):
    """:class:`InstanceNorm1d` for images, (N, C, H, W) or (C, H, W)."""

    shapes = {3: "(C, H, W)", 4: "(N, C, H, W)"}  # noqa: RUF012


class InstanceNorm3d(_InstanceNorm):
    """:class:`InstanceNorm1d` for volumes, (N, C, D, H, W) or (C, D, H, W)."""

    shapes = {4: "(C, D, H, W)", 5: "(N, C, D, H, W)"}  # noqa: RUF012


class GroupNorm(_Norm):
    """Bring groups of channels of each sample to mean 0 and variance 1; then a weight and a bias for each channel.

    Does not depend on the batch, so it works where batches are small. With one group it is layer norm over all of a
    sample, with ``num_channels`` groups instance norm. Wu and He, "Group normalization", 2018.

    Parameters
    ----------
    num_groups : int
        A divisor of ``num_channels``.
    num_channels : int
        C of the input (N, C, ...).
    eps : float
        Keeps the division safe where a group is constant.
    affine : bool
        Whether there are ``weight`` and ``bias``.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.GroupNorm(2, 6)(minigrad.randn(4, 6, 5)).shape
    minigrad.Size([4, 6, 5])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: {num_channels} channels cannot be divided into {num_groups} groups of one size"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._make_affine(num_channels, affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        self._check_tensor(input)
        shape = tuple(input.shape)
        if len(shape) < 2 or shape[1] != self.num_channels:
            hint = ""
            if len(shape) > 2 and shape[-1] == self.num_channels:
                hint = "\n  Are the channels last? They belong in dim 1: x.movedim(-1, 1)."
            raise self.input_error(f"expected input (N, {self.num_channels}, ...), got {shape}.{hint}")
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def _label(self) -> str:
        return f"GroupNorm {self.num_groups}, {self.num_channels}"

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


# --------------------------------------------------------------------------------------------------------------
# The last dimensions


class _LastDimsNorm(_Norm):
    def _make(self, normalized_shape: int | Sequence[int]) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        if not shape:
            raise ValueError(f"{type(self).__name__}: expected normalized_shape with at least one dimension, got ()")
        self.normalized_shape = shape

    def _check(self, input: Any) -> None:
        self._check_tensor(input)
        shape, wanted = input.array.shape, self.normalized_shape
        if shape[-len(wanted) :] != wanted:
            hint = ""
            if len(wanted) == 1 and wanted[0] in shape:
                hint = f"\n  Dim {shape.index(wanted[0])} has that size: x.movedim({shape.index(wanted[0])}, -1)."
            ends = ", ".join(map(str, wanted))
            raise self.input_error(f"expected input (..., {ends}), got {tuple(shape)}.{hint}")

    def _label(self) -> str:
        return f"{type(self).__name__} {', '.join(map(str, self.normalized_shape))}"


class LayerNorm(_LastDimsNorm):
    """Bring the last dimensions of each sample to mean 0 and variance 1, then scale and shift each entry.

    ``y = weight (x - mean) / sqrt(var + eps) + bias``, var being the biased variance. It does the same in training and
    in evaluation, and to a sample whatever stands beside it. Ba, Kiros and Hinton, "Layer normalization", 2016.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The last dimensions of the input, and the shape of ``weight`` and ``bias``.
    eps : float
        Keeps the division safe where all entries are equal.
    elementwise_affine : bool
        Whether there are ``weight`` (1 at first) and ``bias`` (0 at first). ``bias=False`` leaves out the latter.

    Raises
    ------
    RuntimeError
        The input ends in other dimensions, or has another dtype.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.LayerNorm(2)(minigrad.tensor([[1.0, 3.0], [10.0, 50.0]])).detach()
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._make(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._make_affine(self.normalized_shape, elementwise_affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_LastDimsNorm):
    """Divide the last dimensions by their root mean square, then scale each entry.

    ``y = weight x / sqrt(mean(x^2) + eps)``: layer norm that leaves out the mean, and works as well. Zhang and
    Sennrich, "Root mean square layer normalization", 2019.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The last dimensions of the input, and the shape of ``weight``.
    eps : float or None
        None takes the machine epsilon of the input's dtype.
    elementwise_affine : bool
        Whether there is ``weight``, 1 at first.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.RMSNorm(2)(minigrad.tensor([1.0, 7.0])).detach()
    tensor([0.2000, 1.4000])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._make(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = Parameter(ones(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None

    def reset_parameters(self) -> None:
        """Set weight to 1."""
        if self.weight is not None:
            self.weight.data.fill_(1.0)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        return rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """Divide each entry of (N, C, ...) by (k + alpha s)^beta, s the mean square of ``size`` channels around it.

    Channels compete: a strong one holds its neighbours down. Krizhevsky, Sutskever and Hinton, "ImageNet
    classification with deep convolutional neural networks", 2012.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        if input.ndim < 3:
            raise self.input_error(f"expected input (N, C, ...) of at least 3 dimensions, got {tuple(input.shape)}.")
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

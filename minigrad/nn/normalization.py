"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import ones, zeros
from minigrad.nn.functional import batch_norm
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.promotion import INT64
from minigrad.tensor import Tensor

__all__ = ["BatchNorm1d"]


class _BatchNorm(Module):
    """Batch normalisation of (N, C, ...); a subclass says which shapes it takes."""

    shapes: dict[int, str]  # number of dimensions -> how the shape is written

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

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
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        n, kind = num_features, {"device": device, "dtype": dtype}
        self.weight = Parameter(ones(n, **kind)) if affine else None
        self.bias = Parameter(zeros(n, **kind)) if affine and bias else None
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
        for parameter, start in ((self.weight, 1.0), (self.bias, 0.0)):
            if parameter is not None:
                parameter.data.fill_(start)

    def forward(self, input: Tensor) -> Tensor:
        x = input.array if isinstance(input, Tensor) else None
        if x is None or x.ndim not in self.shapes or x.shape[1] != self.num_features:
            raise self._refused(input)
        if self.weight is not None and x.dtype != self.weight.array.dtype:
            raise self._other_dtype(input, self.weight)
        of_batch = self.training or self.running_mean is None  # which statistics normalise
        if of_batch and x.size == self.num_features:
            raise self.input_error(
                f"expected more than one value per channel in training, got input {tuple(x.shape)}: the variance of a "
                "single value is 0.\n  Use larger batches (drop_last=True in the DataLoader drops an odd last one), or "
                "model.eval() if this is evaluation.",
                ValueError,
            )
        mean, var, momentum = self.running_mean, self.running_var, self.momentum
        if self.training and not self.track_running_stats:
            mean = var = None
        elif self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.array += 1
            if momentum is None:  # weigh all batches alike; as an array, because a number would wait for the GPU
                momentum = 1.0 / self.num_batches_tracked.array
        momentum = 0.0 if momentum is None else momentum
        return batch_norm(input, mean, var, self.weight, self.bias, of_batch, momentum, self.eps)

    def _refused(self, input: Any) -> Exception:
        if not isinstance(input, Tensor):
            return self._not_a_tensor(input)
        shape, n = tuple(input.shape), self.num_features
        wanted = " or ".join(self.shapes.values()).replace("C", str(n))
        if len(shape) not in self.shapes:
            hint = "The first dimension is the batch: x.unsqueeze(0) makes a batch of one." * (len(shape) == 1)
            return self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}".rstrip(), ValueError)
        if len(shape) > 2 and shape[-1] == n:
            hint = "Are the channels last? They belong in dim 1: x.movedim(-1, 1)."
        else:
            hint = f"Has the previous layer {shape[1]} channels? Then it is {type(self).__name__}({shape[1]})."
        return self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}")

    def _label(self) -> str:
        return f"{type(self).__name__} {self.num_features}"

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


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

"""Batch norm over the batch of all ranks, and the differentiable sum over ranks that it is made of."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from minigrad import ops
from minigrad.autograd.function import Function
from minigrad.autograd.grad_mode import no_grad
from minigrad.backend import DeviceLike
from minigrad.creation import full
from minigrad.distributed.group import all_reduce, get_world_size, is_initialized, messages
from minigrad.nn.module import Module, own_modules
from minigrad.nn.normalization import _BatchNorm
from minigrad.ops.normalization import channel_affine, channels, per_channel
from minigrad.tensor import Tensor


class SumOverRanks(Function):
    """The sum of a tensor over all ranks; on the way back, the sum of the gradients over all ranks.

    Every rank's loss depends on every rank's x through the sum, and what is wanted is the gradient of all losses
    together: ``y = sum_r x_r``, so ``d(sum_s loss_s) / dx_r = sum_s d loss_s / dy``. The backward is the forward
    again, and so on for any order. All ranks have to walk back through it.

    >>> import minigrad
    >>> from minigrad import distributed
    >>> distributed.init_process_group()
    >>> distributed.SumOverRanks.apply(minigrad.tensor([1.0, 2.0]))
    tensor([1., 2.])
    >>> distributed.destroy_process_group()
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return the sum."""
        total: Tensor = x.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """Return the sum of the gradients."""
        return SumOverRanks.apply(g)  # type: ignore[no-any-return]


def sync_batch_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalise each channel of (N, C, ...) over the batches of all ranks; return y, the mean, the variance and n.

    Two sums over ranks, each one message: of the entries and of how many there are, then of the squares of what
    differs from the mean. Batch norm's derivative follows from those of the sums, and sends two messages as well.
    """
    dims = channels(x.ndim)
    count = full((1,), x.numel() // x.shape[1], dtype=x.dtype, device=x.device)
    sums = SumOverRanks.apply(ops.cat([ops.sum_(x, dims), count]))
    n = sums[-1].detach()
    mean = sums[:-1] / n
    centred = x - per_channel(mean, x.ndim)
    var = SumOverRanks.apply(ops.sum_(ops.square(centred), dims)) / n
    scale = ops.rsqrt(var + eps)
    return channel_affine(centred, scale if weight is None else scale * weight, bias), mean, var, n


class SyncBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance are those of the batches of all ranks together.

    :class:`~minigrad.nn.BatchNorm1d` looks at the share of its own rank, which may be too small for a good estimate,
    and which makes the result depend on how many ranks there are. Here output, gradients and running statistics are
    those of one process with the whole batch. In evaluation, and without other ranks, it is ordinary batch norm.

    Parameters
    ----------
    num_features : int
        C of the input (N, C), (N, C, L), (N, C, H, W) or (N, C, D, H, W).
    eps, momentum, affine, track_running_stats
        As for :class:`~minigrad.nn.BatchNorm1d`.
    process_group : None
        There is one group, of all ranks.

    Notes
    -----
    The gradients of weight and bias are those of this rank's share, like those of all other parameters, until
    :class:`DistributedDataParallel` or :func:`average_gradients` averages them.
    """

    shapes = {2: "(N, C)", 3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}  # noqa: RUF012

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: None = None,
        device: DeviceLike = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        if process_group is not None:
            messages("SyncBatchNorm", process_group)

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and is_initialized() and get_world_size() > 1):
            return super().forward(input)
        self._check_input(input)
        momentum = self._next_momentum()
        y, mean, var, n = sync_batch_norm(input, self.weight, self.bias, self.eps)
        if isinstance(n.array, np.ndarray) and n.array < 2:  # on a GPU it would have to be waited for
            raise self.input_error(f"expected more than one value per channel on all ranks together, got {n.item():g}")
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            with no_grad():
                for running, batch in ((self.running_mean, mean), (self.running_var, var * (n / (n - 1)))):
                    running.array += momentum * (batch.array - running.array)
                    running.writes().add("SyncBatchNorm()")
        return y

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: None = None) -> Module:
        """Replace every batch norm within ``module`` by one over all ranks, and return the module.

        Parameters and buffers stay the same objects. If ``module`` is itself a batch norm, the new one is returned.

        >>> from minigrad import nn
        >>> nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8)))[1]
        SyncBatchNorm(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        """
        if isinstance(module, _BatchNorm) and not isinstance(module, cls):
            return cls._like(module, process_group)
        for name, child in own_modules(module):
            converted = cls.convert_sync_batchnorm(child, process_group)
            if converted is not child:
                setattr(module, name, converted)
        return module

    @classmethod
    def _like(cls, layer: _BatchNorm, process_group: None) -> Self:
        settings = (layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        converted = cls(*settings, process_group)
        converted.weight, converted.bias = layer.weight, layer.bias
        converted.running_mean, converted.running_var = layer.running_mean, layer.running_var
        converted.num_batches_tracked = layer.num_batches_tracked
        converted.training = layer.training
        return converted

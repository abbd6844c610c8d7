"""Activations as modules, for use in ``Sequential``; each is the function of its name in ``nn.functional``."""

from __future__ import annotations

from minigrad import ops
from minigrad.nn.functional import leaky_relu, log_softmax, sigmoid, softmax, tanh
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = ["LeakyReLU", "LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class ReLU(Module):
    """max(x, 0); its derivative at 0 is 0. With ``inplace=True`` the input itself is overwritten.

    >>> import minigrad
    >>> minigrad.nn.ReLU()(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return input.relu_() if self.inplace else ops.relu(input)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x for x > 0, else ``negative_slope`` x, so that a gradient comes through on both sides (Maas et al., 2013)."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return leaky_relu(input, self.negative_slope, inplace=self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + ", inplace=True" * self.inplace


class Sigmoid(Module):
    """1 / (1 + e^-x), between 0 and 1."""

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return sigmoid(input)  # type: ignore[no-any-return]


class Tanh(Module):
    """(e^x - e^-x) / (e^x + e^-x), between -1 and 1."""

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return tanh(input)  # type: ignore[no-any-return]


class Softmax(Module):
    """e^x_i / sum_j e^x_j along ``dim``: numbers between 0 and 1 that sum to 1.

    Not in front of :class:`CrossEntropyLoss`, which takes the scores themselves.

    >>> import minigrad
    >>> minigrad.nn.Softmax(dim=1)(minigrad.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of softmax along ``dim``, computed without leaving the range of floats; goes with NLLLoss."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"

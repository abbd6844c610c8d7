"""Linear: the layer that multiplies by a matrix; Bilinear, which has two inputs; Identity, which does nothing."""

from __future__ import annotations

import math
from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import empty
from minigrad.nn import init
from minigrad.nn.functional import bilinear
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops import linear
from minigrad.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Return the input: a placeholder where a network may have a layer or not. Arguments are ignored.

    >>> from minigrad import nn
    >>> nn.Identity(54, unused=True)
    Identity()
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """y = x W^T + b, for each row x of the last dimension.

    ``weight`` (out_features, in_features) and ``bias`` (out_features,) start uniform between -k and k, with
    k = 1 / sqrt(in_features): the outputs of a layer then vary about as much as its inputs do.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last dimension, before and after. Input (..., in_features), output (..., out_features).
    bias : bool
        Whether b is there; without, ``bias`` is None.

    Raises
    ------
    RuntimeError
        The input's last dimension is not ``in_features``, or its dtype is not that of the weight.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.Linear(20, 30)
    >>> layer(minigrad.randn(128, 20)).shape
    minigrad.Size([128, 30])
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: DeviceLike = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))  # sqrt(5) makes the bound 1 / sqrt(in_features)
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        try:
            return linear(input, self.weight, self.bias)  # type: ignore[no-any-return]
        except (RuntimeError, IndexError):
            refused = self._refused(input)
            if refused is None:
                raise
        raise refused  # out here, so that the reader sees one error and not two

    def _refused(self, input: Tensor) -> Exception | None:
        """Say what is wrong with an input that ``linear`` refused; None if it fits."""
        shape, wanted = tuple(input.shape), self.weight.shape[1]
        if shape[-1:] == (wanted,):
            return None if input.dtype == self.weight.dtype else self._other_dtype(input, self.weight)
        if len(shape) > 2 and math.prod(shape[1:]) == wanted:
            hint = "Flatten it first: nn.Flatten() in front of this layer, or x.flatten(1)."
        elif len(shape) == 2 and shape[0] == wanted:
            hint = "Is it transposed? Rows are samples: x.T has the right shape."
        elif not shape:
            hint = "A single number needs a dimension: x.reshape(1, 1) is one sample with one feature."
        else:
            hint = f"Did you mean to flatten first, or is the previous layer {shape[-1]} wide?"
        return self.input_error(f"expected input (..., {wanted}), got {shape}.\n  {hint}")

    def _label(self) -> str:
        return f"Linear {self.in_features} -> {self.out_features}"

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k: every product of an entry of x1 and one of x2 has a weight, for each output k.

    ``weight`` (out_features, in1_features, in2_features) and ``bias`` (out_features,) start uniform between -k and k,
    with k = 1 / sqrt(in1_features).

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Inputs (..., in1_features) and (..., in2_features), equal in front; output (..., out_features).
    bias : bool
        Whether b is there; without, ``bias`` is None.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.Bilinear(20, 30, 40)(minigrad.randn(128, 20), minigrad.randn(128, 30)).shape
    minigrad.Size([128, 40])
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features < 1:
            raise ValueError(f"Bilinear: expected in1_features > 0, got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(empty(out_features, in1_features, in2_features, device=device, dtype=dtype))
        self.bias = Parameter(empty(out_features, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        wanted = (self.in1_features, self.in2_features)
        for x in (input1, input2):
            if not isinstance(x, Tensor):
                raise self._not_a_tensor(x)
            if x.dtype != self.weight.dtype:
                raise self._other_dtype(x, self.weight)
        a, b = tuple(input1.shape), tuple(input2.shape)
        if (a[-1:], b[-1:]) != (wanted[:1], wanted[1:]) or a[:-1] != b[:-1]:
            raise self.input_error(
                f"expected inputs (..., {wanted[0]}) and (..., {wanted[1]}) that are equal in front, got {a} and {b}."
            )
        return bilinear(input1, input2, self.weight, self.bias)

    def _label(self) -> str:
        return f"Bilinear {self.in1_features}, {self.in2_features} -> {self.out_features}"

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )

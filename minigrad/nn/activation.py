"""Activations as modules, for use in ``Sequential``; each is the function of its name in ``nn.functional``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad import ops
from minigrad.backend import DeviceLike
from minigrad.creation import full
from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """A function of the input, and of options that are attributes."""

    function: Callable[..., Any]  # what a subclass computes,
    options: tuple[str, ...] = ()  # and the names of its options, in the function's order

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return self.function(input, *[getattr(self, name) for name in self.options])  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        values = {name: getattr(self, name) for name in self.options}
        return ", ".join(f"{name}={value!r}" for name, value in values.items() if name != "inplace" or value)


class _InPlace(_Activation):
    """An activation that can overwrite its input."""

    options = ("inplace",)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class _OfLambda(_Activation):
    """An activation that makes nothing of what lies between -lambd and lambd."""

    options = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class _OfDim(_Activation):
    """An activation along one dimension."""

    options = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


# --------------------------------------------------------------------------------------------------------------
# Piecewise linear


class ReLU(_InPlace):
    """max(x, 0); its derivative at 0 is 0. With ``inplace=True`` the input itself is overwritten.

    >>> import minigrad
    >>> minigrad.nn.ReLU()(minigrad.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return input.relu_() if self.inplace else ops.relu(input)  # type: ignore[no-any-return]


class ReLU6(_InPlace):
    """min(max(x, 0), 6)."""

    function = staticmethod(F.relu6)


class LeakyReLU(_Activation):
    """x for x > 0, else ``negative_slope`` x, so that a gradient comes through on both sides (Maas et al., 2013)."""

    function, options = staticmethod(F.leaky_relu), ("negative_slope", "inplace")

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace


class PReLU(_Activation):
    """x for x > 0, else w x, where w is learned (He et al., "Delving deep into rectifiers", 2015).

    Parameters
    ----------
    num_parameters : int
        1 for one slope, or the number of channels (dim 1 of the input) for one slope each.
    init : float
        What they start from. Weight decay would draw them towards 0, that is towards a ReLU.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.PReLU()(minigrad.tensor([-1.0, 2.0])).detach()
    tensor([-0.2500,  2.0000])
    """

    function, options = staticmethod(F.prelu), ("weight",)

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: DeviceLike = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), init, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Set the slopes to ``init``."""
        self.weight.data.fill_(self.init)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(_Activation):
    """x for x > 0, else a x, with a drawn between ``lower`` and ``upper`` for each entry in training.

    In evaluation a is their mean. Xu et al., 2015.
    """

    function, options = staticmethod(F.rrelu), ("lower", "upper", "inplace")

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(_Activation):
    """x held between ``min_val`` and ``max_val``; the derivative at both is 0."""

    function, options = staticmethod(F.hardtanh), ("min_val", "max_val", "inplace")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: None = None,
        max_value: None = None,
    ) -> None:
        super().__init__()
        if min_value is not None or max_value is not None:
            raise TypeError("Hardtanh: min_value and max_value are gone; use min_val= and max_val=")
        if not max_val > min_val:
            raise ValueError(f"Hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace


class Hardsigmoid(_InPlace):
    """x / 6 + 1/2 held between 0 and 1."""

    function = staticmethod(F.hardsigmoid)

    def extra_repr(self) -> str:
        return ""


class Hardswish(_InPlace):
    """x hardsigmoid(x) (Howard et al., "Searching for MobileNetV3", 2019)."""

    function = staticmethod(F.hardswish)

    def extra_repr(self) -> str:
        return ""


class Hardshrink(_OfLambda):
    """x where abs(x) > ``lambd``, else 0."""

    function = staticmethod(F.hardshrink)


class Softshrink(_OfLambda):
    """x drawn ``lambd`` towards 0, and 0 if it would cross it: the step that makes weights sparse in lasso.

    >>> import minigrad
    >>> minigrad.nn.Softshrink(0.5)(minigrad.tensor([-2.0, 0.25, 1.0]))
    tensor([-1.5000,  0.0000,  0.5000])
    """

    function = staticmethod(F.softshrink)


class Threshold(_Activation):
    """x where it is larger than ``threshold``, else ``value``."""

    function, options = staticmethod(F.threshold), ("threshold", "value", "inplace")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace


# --------------------------------------------------------------------------------------------------------------
# Smooth


class Sigmoid(_Activation):
    """1 / (1 + e^-x), between 0 and 1."""

    function = staticmethod(ops.sigmoid)


class LogSigmoid(_Activation):
    """The logarithm of sigmoid, exact also where the sigmoid itself rounds to 0."""

    function = staticmethod(ops.logsigmoid)


class Tanh(_Activation):
    """(e^x - e^-x) / (e^x + e^-x), between -1 and 1."""

    function = staticmethod(ops.tanh)


class Tanhshrink(_Activation):
    """x - tanh(x)."""

    function = staticmethod(ops.tanhshrink)


class Softsign(_Activation):
    """x / (1 + abs(x)), between -1 and 1."""

    function = staticmethod(ops.softsign)


class Softplus(_Activation):
    """log(1 + e^(beta x)) / beta, a ReLU without a kink; beyond beta x > ``threshold`` it is x itself."""

    function, options = staticmethod(F.softplus), ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold


class ELU(_Activation):
    """x for x > 0, else ``alpha`` (e^x - 1) (Clevert et al., 2016)."""

    function, options = staticmethod(F.elu), ("alpha", "inplace")

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class CELU(ELU):
    """x for x > 0, else ``alpha`` (e^(x / alpha) - 1): an ELU without a kink for any alpha (Barron, 2017)."""

    function = staticmethod(F.celu)


class SELU(_InPlace):
    """An ELU that keeps mean 0 and variance 1 from layer to layer, with weights from ``nn.init`` of gain 1.

    Klambauer et al., "Self-normalizing neural networks", 2017.
    """

    function = staticmethod(F.selu)


class GELU(_Activation):
    """x P(X < x) for a normal X, the activation of transformers; ``approximate="tanh"`` for GPT-2's form of it.

    >>> import minigrad
    >>> minigrad.nn.GELU()(minigrad.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """

    function, options = staticmethod(F.gelu), ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: expected approximate 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate


class SiLU(_InPlace):
    """x sigmoid(x), also called swish."""

    function = staticmethod(F.silu)


class Mish(_InPlace):
    """x tanh(softplus(x)) (Misra, 2019)."""

    function = staticmethod(F.mish)


class GLU(_Activation):
    """a sigmoid(b), where a and b are the halves of the input along ``dim`` (Dauphin et al., 2017).

    >>> import minigrad
    >>> minigrad.nn.GLU()(minigrad.tensor([4.0, 0.0]))
    tensor([2.])
    """

    function, options = staticmethod(F.glu), ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


# --------------------------------------------------------------------------------------------------------------
# Softmax


class Softmax(_OfDim):
    """e^x_i / sum_j e^x_j along ``dim``: numbers between 0 and 1 that sum to 1.

    Not in front of :class:`CrossEntropyLoss`, which takes the scores themselves.

    >>> import minigrad
    >>> minigrad.nn.Softmax(dim=1)(minigrad.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """

    function = staticmethod(F.softmax)


class LogSoftmax(_OfDim):
    """The logarithm of softmax along ``dim``, computed without leaving the range of floats; goes with NLLLoss."""

    function = staticmethod(F.log_softmax)


class Softmin(_OfDim):
    """The softmax of -x: the smallest score gets the largest probability."""

    function = staticmethod(F.softmin)


class Softmax2d(_Activation):
    """Softmax over the channels of (N, C, H, W) or (C, H, W): at each place, probabilities of C classes."""

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        if input.ndim not in (3, 4):
            raise self.input_error(f"expected input (N, C, H, W) or (C, H, W), got {tuple(input.shape)}.", ValueError)
        return ops.softmax(input, -3)  # type: ignore[no-any-return]

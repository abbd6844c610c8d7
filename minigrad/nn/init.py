"""First values of parameters. Every function fills its tensor in place, unseen by autograd, and returns it.

For a weight of shape (out, in, ...) ``fan_in`` is the number of inputs that each output sums over, in times the size
of the kernel, and ``fan_out`` the number of outputs that each input goes to. With weights of variance
gain^2 / fan_in the outputs of a layer vary as its inputs do; with gain^2 / fan_out that holds for the gradients on
their way back.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.backend import Generator, array_module, default_generator, device_of
from minigrad.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _filled(name: str, tensor: Tensor, values: Any) -> Tensor:
    tensor.array[...] = values
    tensor.writes().add(f"init.{name}()")
    return tensor


def _generator(tensor: Tensor, generator: Generator | None) -> Generator:
    return default_generator(device_of(tensor.array)) if generator is None else generator


# --------------------------------------------------------------------------------------------------------------
# Fixed values


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _filled("constant_", tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _filled("ones_", tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _filled("zeros_", tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with 1 on the diagonal and 0 elsewhere, so that a square linear layer passes its input on."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a tensor with 2 dimensions, got shape {tuple(tensor.shape)}")
    return _filled("eye_", tensor, array_module(tensor.array).eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight (out, in, ...) so that it passes its input on: output channel k is input channel k.

    Each kernel is 1 in its middle for one input channel and 0 elsewhere; output channels beyond the inputs' number are
    0. With ``groups`` that holds in each group of output channels.
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_: expected a convolution's weight of 3, 4 or 5 dimensions, got shape {shape}")
    if groups < 1 or shape[0] % groups:
        raise ValueError(f"dirac_: {shape[0]} output channels cannot be divided into {groups} groups of one size")
    xp, height = array_module(tensor.array), shape[0] // groups
    channel = xp.arange(min(height, shape[1]))
    out = (xp.arange(groups)[:, None] * height + channel).reshape(-1)
    values = xp.zeros(shape, tensor.dtype)
    values[(out, xp.broadcast_to(channel, (groups, len(channel))).reshape(-1), *(n // 2 for n in shape[2:]))] = 1
    return _filled("dirac_", tensor, values)


# --------------------------------------------------------------------------------------------------------------
# Random values


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the uniform distribution on [a, b)."""
    if a > b:
        raise RuntimeError(f"uniform_: expected a <= b, got a={a} and b={b}")
    draw = _generator(tensor, generator).uniform(tensor.array.shape, a, b, tensor.dtype)
    return _filled("uniform_", tensor, draw)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution."""
    if std < 0:
        raise RuntimeError(f"normal_: expected std >= 0, got {std}")
    draw = _generator(tensor, generator).normal(tensor.array.shape, mean, std, tensor.dtype)
    return _filled("normal_", tensor, draw)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution, and draw anew what falls outside [a, b].

    Raises
    ------
    ValueError
        Less than 1 % of the distribution lies between a and b, which are values, not multiples of ``std``.
    """
    share = 0.5 * (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2))))
    if share < 0.01:
        raise ValueError(
            f"trunc_normal_: only {share:.1g} of the normal distribution of mean {mean} and std {std} lies between "
            f"a={a} and b={b}; expected at least 0.01"
        )
    generator = _generator(tensor, generator)
    x = generator.normal(tensor.array.shape, mean, std, tensor.dtype)
    while (outside := (x < a) | (x > b)).any():
        x[outside] = generator.normal((int(outside.sum()),), mean, std, tensor.dtype)
    return _filled("trunc_normal_", tensor, x)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which weights must grow to make up for what an activation takes away.

    1 for linear layers and the sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + a^2)) for leaky_relu with
    negative slope a (``param``, 0.01 if not given), 3/4 for selu.

    >>> calculate_gain("relu")
    1.4142135623730951
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    gains |= {f"conv{transposed}{d}d": 1.0 for transposed in ("", "_transpose") for d in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: unknown nonlinearity {nonlinearity!r}; expected leaky_relu, {', '.join(gains)}"
        )
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from [-k, k), k = gain sqrt(6 / (fan_in + fan_out)).

    A compromise between outputs and gradients, for tanh and sigmoid: Glorot and Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", 2010.
    """
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution of std gain sqrt(2 / (fan_in + fan_out)); see :func:`xavier_uniform_`."""
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from [-k, k), k = gain sqrt(3 / fan), with the gain of ``nonlinearity`` (``a`` is the negative slope).

    For ReLU and its relatives: He et al., "Delving deep into rectifiers", 2015. ``mode`` says which fan counts.
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution of std gain / sqrt(fan); see :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with gain times a random matrix of orthonormal rows, or columns if there are fewer of them.

    A tensor of more dimensions is taken as the matrix of its first dimension against all others. Saxe et al.,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013.
    """
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(f"orthogonal_: expected a tensor with at least 2 dimensions, got shape {shape}")
    if not tensor.numel():
        return tensor
    rows, columns = shape[0], tensor.numel() // shape[0]
    draw = _generator(tensor, generator).normal((max(rows, columns), min(rows, columns)), dtype=tensor.dtype)
    xp = array_module(draw)
    q, r = xp.linalg.qr(draw)
    q *= xp.sign(xp.diagonal(r))  # QR leaves the signs to convention; with these all rotations are equally likely
    return _filled("orthogonal_", tensor, gain * (q.T if rows < columns else q).reshape(shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Draw a matrix from the normal distribution, and set a share ``sparsity`` of each column, rounded up, to 0.

    Martens, "Deep learning via Hessian-free optimization", 2010.
    """
    shape = tuple(tensor.shape)
    if len(shape) != 2:
        raise ValueError(f"sparse_: expected a tensor with 2 dimensions, got shape {shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: expected a sparsity between 0 and 1, got {sparsity}")
    generator = _generator(tensor, generator)
    values = generator.normal(shape, 0.0, std, tensor.dtype)
    order = generator.uniform(shape).argsort(axis=0)  # in each column, all rows in random order
    values[order[: math.ceil(sparsity * shape[0])], array_module(values).arange(shape[1])] = 0
    return _filled("sparse_", tensor, values)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out). Private in PyTorch too, and yet in everybody's layers."""
    return _fans("_calculate_fan_in_and_fan_out", tensor)


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(
            f"{name}: expected a weight of at least 2 dimensions, (out, in, ...), got shape {shape}; for a bias use "
            "zeros_ or uniform_"
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


def _xavier_std(name: str, tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / max(sum(_fans(name, tensor)), 1))


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = _fans(name, tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan_in if mode == "fan_in" else fan_out, 1))

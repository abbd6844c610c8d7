"""Parameters that are computed from others in front of every forward: weight norm and spectral norm."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from minigrad import ops
from minigrad.autograd.grad_mode import no_grad
from minigrad.creation import empty
from minigrad.nn.functional import normalize
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]

T = TypeVar("T", bound=Module)


class _Computed:
    """A forward pre-hook that sets the attribute ``name`` to a tensor made of other parameters."""

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Module) -> Tensor:
        raise NotImplementedError

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))


def _parameter(caller: str, module: Module, name: str) -> Parameter:
    """Return the parameter to be replaced; refuse what is none, and one that is computed already."""
    for hook in module._hooks or []:
        if isinstance(hook.function, _Computed) and hook.function.name == name:
            raise RuntimeError(f"{caller}: {type(module).__name__}.{name} is computed already, by a norm of this kind")
    found = module.__dict__.get(name)
    if not isinstance(found, Parameter):
        raise ValueError(f"{caller}: {type(module).__name__} has no parameter {name!r}")
    return found


def _install(module: Module, hook: _Computed) -> None:
    setattr(module, hook.name, hook.compute(module))
    module.register_forward_pre_hook(hook)


def _removed(caller: str, kind: type[_Computed], module: T, name: str, parts: tuple[str, ...]) -> T:
    """Make the attribute a parameter again, of the value it has now."""
    for hook in module._hooks or []:
        if isinstance(hook.function, kind) and hook.function.name == name:
            with no_grad():
                weight = Parameter(hook.function.compute(module).detach())
            module._hooks.remove(hook)  # type: ignore[union-attr]
            for part in (name, *(f"{name}_{part}" for part in parts)):
                delattr(module, part)
            module.register_parameter(name, weight)
            return module
    raise ValueError(f"{caller}: {type(module).__name__}.{name} is an ordinary attribute; there is nothing to remove")


# --------------------------------------------------------------------------------------------------------------
# Length and direction


class _WeightNorm(_Computed):
    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def length(self, v: Tensor) -> Tensor:
        others = None if self.dim is None else [d for d in range(v.ndim) if d != self.dim % v.ndim]
        length: Tensor = ops.vector_norm(v, others, others is not None)
        return length

    def compute(self, module: Module) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / self.length(v))  # type: ignore[no-any-return]


def weight_norm(module: T, name: str = "weight", dim: int | None = 0) -> T:
    """Train the length and the direction of a weight by themselves: ``w = g v / |v|``.

    The parameter ``name`` gives way to ``name_g``, one length for each entry of ``dim`` (or one in all, for None), and
    ``name_v``, of the weight's shape. Salimans and Kingma, "Weight normalization", 2016.

    >>> from minigrad import nn
    >>> layer = nn.utils.weight_norm(nn.Linear(20, 40))
    >>> {name: tuple(x.shape) for name, x in layer.named_parameters()}
    {'bias': (40,), 'weight_g': (40, 1), 'weight_v': (40, 20)}
    """
    weight = _parameter("weight_norm", module, name)
    hook = _WeightNorm(name, dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(hook.length(weight.detach())))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    _install(module, hook)
    return module


def remove_weight_norm(module: T, name: str = "weight") -> T:
    """Undo :func:`weight_norm`: the weight is one parameter again."""
    return _removed("remove_weight_norm", _WeightNorm, module, name, ("g", "v"))


# --------------------------------------------------------------------------------------------------------------
# The largest singular value


class _SpectralNorm(_Computed):
    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        self.dim = dim

    def matrix(self, weight: Tensor) -> Tensor:
        weight = ops.movedim(weight, self.dim, 0)
        return weight.reshape(weight.shape[0], math.prod(weight.shape[1:]))  # type: ignore[no-any-return]

    def compute(self, module: Module) -> Tensor:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(weight)
        if module.training:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(normalize(matrix.T @ u, dim=0, eps=self.eps))
                    u.copy_(normalize(matrix @ v, dim=0, eps=self.eps))
            u, v = u.clone(), v.clone()  # the next forward writes into them, perhaps in front of this one's backward
        return weight / (u @ (matrix @ v))  # type: ignore[no-any-return]


def spectral_norm(
    module: T, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> T:
    """Divide a weight by its largest singular value, so that the layer stretches no vector: ``w = W / s(W)``.

    The weight is taken as a matrix, ``dim`` against all others (0, or 1 for transposed convolutions). Its largest
    singular value is u^T W v, where u and v, two buffers, come nearer to the singular vectors by power iteration in
    every forward in training. Miyato et al., "Spectral normalization for generative adversarial networks", 2018.

    >>> from minigrad import nn
    >>> list(nn.utils.spectral_norm(nn.Linear(20, 40)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: expected n_power_iterations > 0, got {n_power_iterations}")
    weight = _parameter("spectral_norm", module, name)
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook = _SpectralNorm(name, n_power_iterations, eps, dim)
    rows, columns = hook.matrix(weight.detach()).shape
    kind = {"dtype": weight.dtype, "device": weight.device}
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    for part, n in (("u", rows), ("v", columns)):
        module.register_buffer(f"{name}_{part}", normalize(empty(n, **kind).normal_(), dim=0, eps=eps))
    _install(module, hook)
    return module


def remove_spectral_norm(module: T, name: str = "weight") -> T:
    """Undo :func:`spectral_norm`: the weight is one parameter again, of the value it has now."""
    training = module.training
    module.training = False  # the value it has now, not that of the next iteration
    try:
        return _removed("remove_spectral_norm", _SpectralNorm, module, name, ("orig", "u", "v"))
    finally:
        module.training = training

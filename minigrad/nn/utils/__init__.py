"""What is done to gradients between steps, or to a model as a whole, under ``torch.nn.utils``'s names."""

from typing import Any as _Any

from minigrad.nn.utils import rnn
from minigrad.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from minigrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from minigrad.nn.utils.fusion import (
    fuse_conv_bn_eval,
    fuse_conv_bn_weights,
    fuse_linear_bn_eval,
    fuse_linear_bn_weights,
)
from minigrad.nn.utils.reparametrize import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "parameters_to_vector",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]

_REFUSED = {
    "clip_grad_norm": "it is clip_grad_norm_, with the underscore",
    "parametrize": "compute the parameter in forward(); weight_norm and spectral_norm are here",
    "parametrizations": "weight_norm and spectral_norm are here, in minigrad.nn.utils",
    "prune": "multiply the weight by a mask in forward(), the mask being a buffer",
    "skip_init": "there are no tensors without values; make the module, and load_state_dict() replaces its values",
    "stateless": "use minigrad.func.functional_call",
    "memory_format": "arrays are (N, C, H, W), and no other order is kept track of",
}


def __getattr__(name: str) -> _Any:
    """Say why something of PyTorch's is not here."""
    why = f": {_REFUSED[name]}" if name in _REFUSED else ""
    raise AttributeError(f"minigrad.nn.utils has no {name!r}{why}")

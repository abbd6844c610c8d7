"""What PyTorch has and minigrad has not: the sentence that is said when somebody asks for it."""

from __future__ import annotations

from typing import Any, NoReturn

_COMPLEX = "complex numbers are not supported"
_SPARSE = "sparse tensors are not supported; a dense one, or embedding() for picking rows, does the same"
_QUANTISED = "quantised arithmetic is not supported"
_HALF = "half precision is slow and inexact on the CPU; use float32"
_STORAGE = "tensors are NumPy or CuPy arrays: look at x.array, its strides and its base"
_LOOP = "write it with tensor operations, which are recorded; a Python loop over entries is not"

FUNCTIONS = {
    _HALF: "float16 half bfloat16 autocast set_autocast_enabled is_autocast_enabled set_float32_matmul_precision",
    _COMPLEX: "complex64 complex128 cfloat cdouble complex real imag angle polar conj conj_physical resolve_conj "
    "view_as_real view_as_complex eig stft istft",
    _SPARSE: "sparse_coo_tensor sparse_csr_tensor sparse_csc_tensor sparse_bsr_tensor sparse_compressed_tensor smm "
    "hspmm sspaddmm sparse",
    _QUANTISED: "quantize_per_tensor quantize_per_channel fake_quantize_per_tensor_affine dequantize quantization",
    "write tensor(data, dtype=...), or zeros(shape)": "FloatTensor DoubleTensor LongTensor IntTensor ByteTensor "
    "BoolTensor ShortTensor CharTensor HalfTensor set_default_tensor_type",
    "there is nothing to compile; leave the call out": "compile jit fx export",
    "pass device= where tensors are made, or call model.to(device)": "set_default_device get_default_device",
    "the CPU is deterministic; seed with manual_seed": "use_deterministic_algorithms "
    "are_deterministic_algorithms_enabled",
    "it is minigrad.func.grad, vjp, jacrev and so on; vmap is not supported": "vmap",
    "views are made by indexing, reshape, unfold and diagonal, which cannot leave the memory": "as_strided "
    "as_strided_scatter empty_strided",
    "it is nn.LSTM, nn.GRU, nn.RNN and their cells here": "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell "
    "rnn_tanh_cell rnn_relu_cell",
    "use linalg.solve, or linalg.inv": "lu lu_solve lu_unpack triangular_solve geqrf ormqr orgqr",
    "it left PyTorch too: use linalg": "symeig solve lstsq matrix_rank",
    "use scatter_reduce": "index_reduce segment_reduce",
    "use special functions of SciPy, or write an op": "igamma igammac",
    "there is no matrix exponential; linalg.eigh gives it for symmetric matrices: V exp(w) V^T": "matrix_exp",
    "use histc": "histogram histogramdd",
    "threads are set by the environment, before NumPy is imported: OPENBLAS_NUM_THREADS=2": "set_num_threads "
    "get_num_threads set_num_interop_threads",
}

METHODS = {
    _HALF: "bfloat16",
    _COMPLEX: "real imag angle conj conj_physical cfloat cdouble chalf stft istft eig",
    _SPARSE: "to_sparse to_dense to_sparse_coo to_sparse_csr coalesce indices values sparse_mask",
    _QUANTISED: "dequantize int_repr q_scale q_zero_point qscheme",
    _STORAGE: "storage untyped_storage storage_offset data_ptr set_ share_memory_ is_shared as_strided as_strided_",
    _LOOP: "apply_ map_ map2_",
    "register_hook() sees the same gradient, before it is added; an optimizer's step hooks come after": "register_post_"
    "accumulate_grad_hook",
    "there is no pinned memory; leave the call out": "pin_memory is_pinned",
    "use scatter_reduce": "index_reduce index_reduce_",
    "use linalg.solve, or linalg.inv": "lu lu_solve solve triangular_solve geqrf ormqr orgqr",
    "it left PyTorch too: use linalg": "symeig lstsq",
    "use histc": "histogram",
    "there is no matrix exponential; linalg.eigh gives it for symmetric matrices: V exp(w) V^T": "matrix_exp",
    "use nn.functional.prelu": "prelu",
}


def reason(name: str, table: dict[str, str]) -> str:
    """Return ": why" if the table has the name, else ""."""
    return next((f": {why}" for why, names in table.items() if name in names.split()), "")


class Refused:
    """Stands where PyTorch's tensors have a method, and says why it is not here.

    A ``__getattr__`` would do the same with less, but with one Python takes the slow way to *every* attribute.
    """

    def __init__(self, message: str, name: str) -> None:
        self.message, self.name = message, name

    def __get__(self, instance: Any, owner: type) -> NoReturn:
        raise AttributeError(self.message, name=self.name, obj=instance)


def refuse_methods(cls: type) -> None:
    """Put the refusals of methods into the class of tensors."""
    for why, names in METHODS.items():
        for name in names.split():
            setattr(cls, name, Refused(f"{cls.__name__} has no attribute {name!r}: {why}", name))

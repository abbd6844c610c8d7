"""Embeddings: a table with one trained vector for each number that may come in."""

from __future__ import annotations

from typing import Any, Self

from minigrad.backend import DeviceLike
from minigrad.creation import empty
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    def _make(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        freeze: bool,
        device: DeviceLike,
        dtype: Any,
    ) -> None:
        name = type(self).__name__
        if sparse:
            raise NotImplementedError(f"{name}: sparse gradients are not supported; leave out sparse=True")
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ValueError(
                f"{name}: expected a padding_idx from {-num_embeddings} to {num_embeddings - 1}, got {padding_idx}"
            )
        if weight is not None and tuple(weight.shape) != (num_embeddings, embedding_dim):
            raise ValueError(
                f"{name}: expected a weight of shape ({num_embeddings}, {embedding_dim}), got {tuple(weight.shape)}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        table = empty(num_embeddings, embedding_dim, device=device, dtype=dtype) if weight is None else weight
        self.weight = Parameter(table, requires_grad=not freeze)
        if weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all vectors anew from the standard normal distribution; that of ``padding_idx`` is zeros."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0.0

    def _label(self) -> str:
        return f"{type(self).__name__} {self.num_embeddings} x {self.embedding_dim}"


class Embedding(_Table):
    """Return the vector of each index: (...) integers to (..., embedding_dim).

    The vectors are the rows of ``weight`` (num_embeddings, embedding_dim), drawn from the standard normal distribution
    and trained like any other parameter. Words, pixels' classes or users become points between which distances mean
    something. Bengio et al., "A neural probabilistic language model", 2003.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many vectors, of how many entries. Indices go from 0 to num_embeddings - 1.
    padding_idx : int, optional
        An index that stands for nothing: its vector starts as zeros and is not trained.
    max_norm : float, optional
        Vectors longer than this are shortened when they are used, in place.
    norm_type : float
        The p of the p-norm for ``max_norm``.
    scale_grad_by_freq : bool
        Divide a vector's gradient by how often it was used in the batch.
    sparse : bool
        Not supported: gradients are whole tables.

    Raises
    ------
    IndexError
        An index is out of range; the message names it.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> words = nn.Embedding(1000, 16)
    >>> words(minigrad.tensor([[1, 5, 5], [7, 0, 2]])).shape
    minigrad.Size([2, 3, 16])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._make(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            _freeze,
            device,
            dtype,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """Make one of given vectors, the rows of ``embeddings``; they are trained only with ``freeze=False``.

        >>> import minigrad
        >>> minigrad.nn.Embedding.from_pretrained(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))(minigrad.tensor(1))
        tensor([3., 4.])
        """
        _check_vectors(cls.__name__, embeddings)
        rows, columns = embeddings.shape
        return cls(
            rows,
            columns,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        try:
            return F.embedding(
                input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
            )
        except (IndexError, RuntimeError) as error:
            refused = self.input_error(str(error).removeprefix("embedding: "), type(error))
        raise refused

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        for name, default in (("padding_idx", None), ("max_norm", None), ("norm_type", 2.0)):
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text + ", scale_grad_by_freq=True" * self.scale_grad_by_freq


def _check_vectors(name: str, embeddings: Tensor) -> None:
    if not isinstance(embeddings, Tensor) or embeddings.ndim != 2:
        got = f"shape {tuple(embeddings.shape)}" if isinstance(embeddings, Tensor) else type(embeddings).__name__
        raise ValueError(f"{name}.from_pretrained: expected a tensor (num_embeddings, embedding_dim), got {got}")


class EmbeddingBag(_Table):
    """Return the mean, the sum or the largest entries of the vectors of each bag of indices: (bags, embedding_dim).

    Quicker than :class:`Embedding` and a reduction to read, and it takes bags of different sizes.

    Parameters
    ----------
    num_embeddings, embedding_dim, max_norm, norm_type, scale_grad_by_freq, sparse, padding_idx
        As for :class:`Embedding`; ``padding_idx`` is left out of the bags.
    mode : {"mean", "sum", "max"}
    include_last_offset : bool
        Whether the offsets end with where the last bag ends.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> bags = nn.EmbeddingBag(10, 3, mode="sum")
    >>> bags(minigrad.tensor([1, 2, 4, 5]), offsets=minigrad.tensor([0, 3])).shape  # of 1, 2 and 4, and of 5
    minigrad.Size([2, 3])
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in ("mean", "sum", "max"):
            raise ValueError(f"EmbeddingBag: expected mode 'mean', 'sum' or 'max', got {mode!r}")
        self.mode = mode
        self.include_last_offset = include_last_offset
        self._make(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            False,
            device,
            dtype,
        )

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Make one of given vectors, the rows of ``embeddings``; they are trained only with ``freeze=False``."""
        _check_vectors(cls.__name__, embeddings)
        rows, columns = embeddings.shape
        made = cls(
            rows,
            columns,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            embeddings,
            include_last_offset,
            padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        try:
            return F.embedding_bag(
                input,
                self.weight,
                offsets,
                self.max_norm,
                self.norm_type,
                self.scale_grad_by_freq,
                self.mode,
                False,
                per_sample_weights,
                self.include_last_offset,
                self.padding_idx,
            )
        except (IndexError, RuntimeError, ValueError) as error:
            refused = self.input_error(str(error).removeprefix("embedding_bag: "), type(error))
        raise refused

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        text += ", scale_grad_by_freq=True" * self.scale_grad_by_freq + f", mode={self.mode!r}"
        return text if self.padding_idx is None else text + f", padding_idx={self.padding_idx}"

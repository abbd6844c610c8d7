"""Sequences of different lengths as one tensor, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["pad_sequence", "unpad_sequence"]


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Stack sequences (length, ...) into one tensor (longest, batch, ...), the shorter ones filled up.

    With ``batch_first`` it is (batch, longest, ...). ``padding_side="left"`` fills up in front.

    >>> import minigrad
    >>> short, long = minigrad.tensor([1, 2]), minigrad.tensor([3, 4, 5])
    >>> pad_sequence([short, long], batch_first=True)
    tensor([[1, 2, 0],
            [3, 4, 5]])
    """
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: expected padding_side 'left' or 'right', got {padding_side!r}")
    listed = list(sequences)
    if not listed:
        raise RuntimeError("pad_sequence: expected at least one sequence, got an empty list")
    for k, x in enumerate(listed):
        if not isinstance(x, Tensor) or x.ndim == 0 or x.shape[1:] != listed[0].shape[1:]:
            got = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise RuntimeError(
                f"pad_sequence: expected tensors (length, ...) that differ in the first dimension only; sequence {k} "
                f"is of {got}, and the first one of {tuple(listed[0].shape)}"
            )
    longest = max(len(x) for x in listed)
    padded = [_padded(x, longest - len(x), padding_value, padding_side == "left") for x in listed]
    return ops.stack(padded, 0 if batch_first else 1)  # type: ignore[no-any-return]


def _padded(x: Tensor, n: int, value: float, in_front: bool) -> Tensor:
    if not n:
        return x
    filling = x.new_full((n, *x.shape[1:]), value)
    return ops.cat([filling, x] if in_front else [x, filling])  # type: ignore[no-any-return]


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """Return the sequences of :func:`pad_sequence`, padded on the right, without their padding.

    >>> import minigrad
    >>> padded = minigrad.tensor([[1, 2, 0], [3, 4, 5]])
    >>> [x.tolist() for x in unpad_sequence(padded, minigrad.tensor([2, 3]), batch_first=True)]
    [[1, 2], [3, 4, 5]]
    """
    by_sequence = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    sizes = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
    if len(sizes) != len(by_sequence):
        raise RuntimeError(
            f"unpad_sequence: expected {len(by_sequence)} lengths, one for each sequence, got {len(sizes)}"
        )
    return [x[:n] for x, n in zip(by_sequence, sizes, strict=True)]


_PACKED = ("PackedSequence", "pack_padded_sequence", "pad_packed_sequence", "pack_sequence", "unpack_sequence")


def __getattr__(name: str) -> Any:
    """Say why something of PyTorch's is not here."""
    why = ": packed sequences are not supported; pad_sequence() and a mask do the same" if name in _PACKED else ""
    raise AttributeError(f"minigrad.nn.utils.rnn has no {name!r}{why}")

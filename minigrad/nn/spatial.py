"""What layers for sequences, images and volumes have in common: they differ in the number of dimensions alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.nn.module import Module
from minigrad.tensor import Tensor

Ints = int | Sequence[int]


class Spatial(Module):
    """A layer over the last ``dims`` dimensions."""

    dims: int

    def _run(self, function: Callable[..., Any], input: Tensor, *args: Any) -> Any:
        """Return ``function(input, *args)``; what it says is wrong with the input is said by this layer."""
        if not isinstance(input, Tensor):
            raise self._not_a_tensor(input)
        try:
            return function(input, *args)
        except (RuntimeError, ValueError, NotImplementedError) as error:
            refused = self.input_error(str(error).partition(": ")[2].replace(". ", ".\n  "), type(error))
        raise refused  # out here, so that the reader sees one error and not two

    def _tuple(self, value: Any, n: int | None = None) -> Any:
        """Return one number as a tuple of ``n``, one for each dimension if not told; a sequence as a tuple."""
        return tuple(value) if isinstance(value, Sequence) else (value,) * (n or self.dims)

"""Parameter: a tensor that a module owns and an optimizer trains."""

from __future__ import annotations

from typing import Any

from minigrad.tensor import Tensor


class Parameter(Tensor):
    """A tensor to be trained: set as an attribute of a Module, it is one of that module's parameters.

    Parameters
    ----------
    data : Tensor, optional
        The first value. Its memory is shared, its history is not. Default: a tensor without entries.
    requires_grad : bool
        Whether ``backward`` computes its gradient. Switched off, it is frozen, but still saved and moved.

    Raises
    ------
    TypeError
        ``data`` is not a Tensor.
    RuntimeError
        A gradient is wanted of integers.

    Examples
    --------
    >>> import minigrad
    >>> minigrad.nn.Parameter(minigrad.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter: expected a Tensor, got {type(data).__name__}; wrap it first: "
                "Parameter(minigrad.tensor(...))"
            )
        self.array = data.array
        self._writes = data.writes()
        self.requires_grad = requires_grad

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        copied = super().__deepcopy__(memo)
        copied._grad = None  # a copied model is trained from its own first backward on
        return copied

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

"""Collating: from a list of samples to one batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module, is_array
from minigrad.creation import as_tensor, tensor
from minigrad.ops.shape import stack
from minigrad.tensor import Tensor

# How samples of a type of one's own become a batch: ``default_collate_fn_map[Graph] = merge_graphs``. The function is
# called as ``merge_graphs(samples, collate_fn_map=map)``; a subclass is collated as its base class is.
default_collate_fn_map: dict[type | tuple[type, ...], Callable[..., Any]] = {}

_NUMBERS = {int: np.dtype(np.int64), float: np.dtype(np.float64), bool: np.dtype(np.bool_)}
_shape = lambda x: tuple(x.shape)


def default_collate(batch: Sequence[Any]) -> Any:
    """Make one batch of a list of samples: what the samples hold gets a new dimension 0 in front.

    ==============================  =====================================================
    samples                         batch
    ==============================  =====================================================
    tensors, arrays                 a tensor, stacked; the shapes must agree
    Python floats                   a float64 tensor, as in PyTorch
    integers, bools, NumPy scalars  a tensor of that dtype
    strings, bytes                  a list or tuple of them
    dicts                           a dict of the same kind: each key collated
    tuples, lists                   a list: each position collated
    named tuples                    the same named tuple: each field collated
    ==============================  =====================================================

    Other types are collated as ``default_collate_fn_map`` of this module says, which is empty at first.

    Parameters
    ----------
    batch : sequence
        The samples, at least one, all built alike.

    Raises
    ------
    RuntimeError
        If samples differ in shape, length or keys; the message says which, and where in the sample.
    TypeError
        If samples hold anything else, such as None.

    Examples
    --------
    >>> default_collate([(1, {"x": 0.5}), (2, {"x": 1.5})])
    [tensor([1, 2]), {'x': tensor([0.5000, 1.5000], dtype=minigrad.float64)}]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(
    batch: Sequence[Any], *, collate_fn_map: Mapping[type | tuple[type, ...], Callable[..., Any]] | None = None
) -> Any:
    """Collate as :func:`default_collate` does, but samples of the types in ``collate_fn_map`` by the functions there.

    >>> join = lambda samples, *, collate_fn_map=None: " ".join(samples)
    >>> collate([("a", 1), ("b", 2)], collate_fn_map={str: join})
    ['a b', tensor([1, 2])]
    """
    batch = list(batch)
    if not batch:
        raise ValueError("default_collate: expected at least one sample, got none")
    return _collate(batch, "", collate_fn_map or {})


def default_convert(data: Any) -> Any:
    """Turn the arrays inside one sample into tensors and leave the rest: what a DataLoader without batches does.

    >>> import numpy as np
    >>> default_convert({"x": np.arange(3), "name": "three"})
    {'x': tensor([0, 1, 2]), 'name': 'three'}
    """
    if isinstance(data, Tensor):
        return data
    if (is_array(data) or isinstance(data, np.generic)) and data.dtype.kind in "biuf":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _sequence_like(data, [default_convert(value) for value in data])
    return data


def _collate(batch: Sequence[Any], where: str, functions: Mapping[Any, Callable[..., Any]]) -> Any:
    """Collate what all samples hold at ``where``, such as ``['x'][1]``."""
    first = batch[0]
    kind = type(first)
    if functions and (function := functions.get(kind) or next(_for_bases(first, functions), None)) is not None:
        return function(batch, collate_fn_map=functions)
    if kind in _NUMBERS and len(set(map(type, batch))) == 1:
        try:
            return tensor_of(np.array(batch, _NUMBERS[kind]))
        except OverflowError:
            raise ValueError(f"default_collate: an integer at batch[...]{where} does not fit int64") from None
    if isinstance(first, Tensor):
        _require_alike(batch, where, "type", lambda x: isinstance(x, Tensor), _type_name)
        _require_alike(batch, where, "shape", lambda x: x.array.shape == first.array.shape, _shape)
        if any(x.requires_grad or x.array.dtype != first.array.dtype for x in batch):
            return stack(batch)
        return as_tensor(array_module(first.array).stack([x.array for x in batch]))  # no history: one copy will do
    if is_array(first) and first.dtype.kind in "biuf":
        _require_alike(batch, where, "type", is_array, _type_name)
        _require_alike(batch, where, "shape", lambda x: x.shape == first.shape, _shape)
        if any(x.dtype != first.dtype for x in batch):
            return stack([as_tensor(x) for x in batch])  # which joins dtypes as PyTorch does
        return as_tensor(array_module(first).stack(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, (int, float, np.number, np.bool_)):
        _require_alike(batch, where, "type", lambda x: isinstance(x, (int, float, np.number, np.bool_)), _type_name)
        if isinstance(first, np.generic):
            return as_tensor(np.asarray(batch))
        return tensor(batch, dtype=np.float64 if isinstance(first, float) else None)
    if isinstance(first, Mapping):
        keys = list(first)
        _require_alike(batch, where, "keys", lambda x: all(key in x for key in keys), list)
        return _mapping_like(
            first, {key: _collate([x[key] for x in batch], f"{where}[{key!r}]", functions) for key in keys}
        )
    if isinstance(first, Sequence):
        _require_alike(batch, where, "length", lambda x: len(x) == len(first), len)
        columns = zip(*batch, strict=True)
        return _sequence_like(first, [_collate(column, f"{where}[{k}]", functions) for k, column in enumerate(columns)])
    raise TypeError(
        "default_collate: expected samples made of tensors, arrays, numbers, strings, dicts, tuples and lists, got "
        f"{_name(first)} at sample{where}; return something else from the dataset, or pass collate_fn="
    )


def _for_bases(sample: Any, functions: Mapping[Any, Callable[..., Any]]) -> Iterator[Callable[..., Any]]:
    return (function for kind, function in functions.items() if isinstance(sample, kind))


def _type_name(x: Any) -> str:
    return type(x).__name__


def _require_alike(
    batch: Sequence[Any], where: str, what: str, fits: Callable[[Any], bool], show: Callable[[Any], Any]
) -> None:
    for k, sample in enumerate(batch):
        if not fits(sample):
            raise RuntimeError(
                f"default_collate: expected the same {what} in all samples, got {show(batch[0])} at "
                f"batch[0]{where} and {show(sample)} at batch[{k}]{where}; make them alike in the dataset, or pass "
                "collate_fn= to the DataLoader"
            )


def _name(x: Any) -> str:
    return f"an array of dtype {x.dtype}" if is_array(x) else "None" if x is None else f"a {type(x).__name__}"


def _mapping_like(example: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Return ``items`` as the kind of mapping that ``example`` is, or a dict where that cannot be made."""
    if type(example) is dict:
        return items
    try:
        if not isinstance(example, MutableMapping):
            return type(example)(items)  # type: ignore[call-arg]
        clone = copy.copy(example)  # and not type(example)(items): a defaultdict has more to it than its items
        clone.update(items)
    except TypeError:
        return items
    return clone


def _sequence_like(example: Sequence[Any], items: list[Any]) -> Any:
    """Return ``items`` as a named tuple if ``example`` is one, else as they are: PyTorch makes lists of tuples too."""
    return type(example)(*items) if hasattr(example, "_fields") else items

"""save and load: nested dicts and lists of tensors in an ``.npz`` file, without pickle.

Loading a pickle runs whatever program its author put there. Here a file holds arrays and one piece of JSON that says
how they nest, so loading one can only ever give data, and plain NumPy can read it. The JSON, for
``{"weight": w, "betas": (0.9, 0.99), 3: None}``::

    {"dict": [["weight", {"tensor": "array 0"}], ["betas", {"tuple": [0.9, 0.99]}], [3, null]]}

Lists, strings, numbers, True, False and None stand for themselves; everything else is an object of one key that names
its kind, or two.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any, TypeAlias

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import CPU, Device, DeviceLike, device_of, is_array, module_for, to_device, to_numpy
from minigrad.tensor import Tensor

File: TypeAlias = str | os.PathLike[str] | IO[bytes]

_ENTRY = "minigrad"  # the name of the JSON among the arrays
_VERSION = 1


class LoadError(RuntimeError):
    """A file that :func:`load` cannot read; the message says why."""


def save(obj: Any, f: File) -> None:
    """Save tensors, and dicts, lists and tuples of them, so that :func:`load` gives them back exactly.

    What can be saved: tensors, NumPy and CuPy arrays and scalars, dtypes, numbers, strings, bools, None, and dicts,
    ordered dicts, lists and tuples of all these; thus the ``state_dict()`` of models, optimizers and schedulers,
    several in one dict if you like. The history of a tensor is not saved, only its value and ``requires_grad``.

    Parameters
    ----------
    obj : object
        What to save.
    f : str, path or binary file
        Where to; a path is used as it is given, ``.npz`` is the usual ending. The file appears under its name only
        when it is complete: whoever breaks off the program keeps the previous one.

    Raises
    ------
    TypeError
        If something in ``obj`` cannot be saved, with the way to it; nothing is written then.

    Examples
    --------
    >>> import io, minigrad
    >>> file = io.BytesIO()
    >>> save({"model": {"weight": minigrad.tensor([1.0, 2.0])}, "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> load(file)
    {'model': {'weight': tensor([1., 2.])}, 'epoch': 3}
    """
    arrays: dict[str, Any] = {}
    text = json.dumps({"version": _VERSION, "content": _encode(obj, "obj", arrays, ())})
    arrays[_ENTRY] = np.frombuffer(text.encode(), dtype=np.uint8)
    if not isinstance(f, (str, os.PathLike)):
        np.savez(f, **arrays)
        return
    target = os.path.realpath(f)  # through a symbolic link, not instead of it
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"save: there is no folder {folder}")
    unfinished = os.path.join(folder, f".{name}.{os.urandom(4).hex()}")
    try:
        with open(unfinished, "xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, target)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)


def load(f: File, map_location: DeviceLike = None, *, weights_only: bool = True) -> Any:
    """Load what :func:`save` saved.

    Parameters
    ----------
    f : str, path or binary file
        Where from.
    map_location : Device or str, optional
        Where all tensors go; by default each to the device it was saved from.
    weights_only : bool
        Accepted for PyTorch's sake. It is always True: nothing in the file is ever executed.

    Raises
    ------
    LoadError
        If the file is damaged, or is of another kind: a PyTorch checkpoint, a pickle, somebody else's ``.npz``; or
        if it holds tensors of a GPU and there is none. It is a RuntimeError.
    """
    if not weights_only:
        raise ValueError("load: weights_only=False would run code from the file, which minigrad never does")
    if map_location is not None and not isinstance(map_location, (str, Device)):
        raise TypeError(f"load: expected map_location to be a device such as 'cpu', got {map_location!r}")
    module_for(map_location)  # complains if there is no such device here
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load(file, os.fspath(f), map_location)
    return _load(f, str(getattr(f, "name", "the file")), map_location)


def _load(file: IO[bytes], name: str, map_location: DeviceLike) -> Any:
    start = file.read(8)
    file.seek(-len(start), os.SEEK_CUR)
    if not start.startswith(b"PK"):  # what every zip archive starts with
        kind = "is empty" if not start else "is a pickle" if start[0] == 0x80 else "is none"
        raise LoadError(
            f"load: expected a file written by minigrad.save, but {name} {kind}. minigrad does not read pickles; "
            "load a PyTorch checkpoint in PyTorch, and save its tensors with numpy.savez"
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            if any(key.endswith("data.pkl") for key in archive.files):
                raise LoadError(
                    f"load: {name} is a PyTorch checkpoint, which holds a pickle, and minigrad does not read pickles. "
                    "In PyTorch: numpy.savez('weights.npz', **{k: v.numpy() for k, v in state_dict.items()}); then "
                    "here: numpy.load('weights.npz')"
                )
            if _ENTRY not in archive.files:
                raise LoadError(
                    f"load: {name} is an .npz file, but not one written by minigrad.save; read it with numpy.load"
                )
            header = json.loads(archive[_ENTRY].tobytes())
            if header["version"] > _VERSION:
                raise LoadError(f"load: {name} was written by a newer minigrad; pip install -U minigrad")
            return _decode(header["content"], archive.__getitem__, map_location)
    except LoadError:
        raise
    except Exception as error:  # what a broken archive makes zipfile, json and numpy raise is hard to enumerate
        raise LoadError(f"load: {name} is damaged or was cut short ({type(error).__name__}: {error})") from error


# --------------------------------------------------------------------------------------------------------------
# Between objects and JSON


def _encode(x: Any, where: str, arrays: dict[str, Any], above: tuple[int, ...]) -> Any:
    """Return ``x`` as JSON knows it, and put its arrays into ``arrays``.

    ``where`` is the way to ``x``, such as ``obj['model']``; ``above`` the ids of what contains it. Types are compared
    exactly: a subclass of dict would come back as a dict, which nobody asked for.
    """
    kind = type(x)
    if x is None or kind in (bool, int, float, str):
        return x
    if isinstance(x, Tensor):
        form = {"tensor": _store(x.array, where, arrays)}
        if device_of(x.array) != CPU:
            form["device"] = str(device_of(x.array))
        return form | {"requires_grad": True} if x.requires_grad else form
    if is_array(x) and (kind is np.ndarray or not isinstance(x, np.ndarray)):  # a masked array would lose its mask
        return {"array": _store(x, where, arrays)}
    if isinstance(x, np.generic):
        return {"scalar": _store(np.asarray(x), where, arrays)}
    if isinstance(x, np.dtype) and x.kind in "biuf":
        return {"dtype": x.str}
    if kind in (dict, OrderedDict, list, tuple):
        if id(x) in above:
            raise TypeError(f"save: {where} contains itself")
        above = (*above, id(x))
        if kind in (list, tuple):
            items = [_encode(item, f"{where}[{k}]", arrays, above) for k, item in enumerate(x)]
            return items if kind is list else {"tuple": items}
        keys = [_encode(key, f"the key {key!r} of {where}", arrays, above) for key in x]
        items = [_encode(item, f"{where}[{key!r}]", arrays, above) for key, item in x.items()]
        return {kind.__name__: [list(pair) for pair in zip(keys, items, strict=True)]}
    hint = f"save its values: {where}.state_dict()" if hasattr(x, "state_dict") else "take it out, or convert it first"
    raise TypeError(
        "save: expected tensors, arrays, numbers, strings, bools, None, and dicts, lists and tuples of these, but "
        f"{where} is a {kind.__name__}; {hint}"
    )


def _store(array: Any, where: str, arrays: dict[str, Any]) -> str:
    array = to_numpy(array)
    if array.dtype.hasobject:
        raise TypeError(f"save: {where} is an array of Python objects, which only a pickle can hold")
    name = f"array {len(arrays)}"
    arrays[name] = array
    return name


def _decode(form: Any, read: Callable[[str], Any], device: DeviceLike) -> Any:
    """Return what :func:`_encode` was given."""
    if isinstance(form, list):
        return [_decode(item, read, device) for item in form]
    if not isinstance(form, dict):
        return form
    kind, content = next(iter(form.items()))
    if kind == "tensor":
        try:
            tensor: Tensor = tensor_of(to_device(read(content), device or form.get("device")))
        except RuntimeError as error:
            if "device" not in form:
                raise
            raise LoadError(
                f"load: a tensor was saved from {form['device']}, but {error}; or map_location='cpu'"
            ) from error
        return tensor.requires_grad_() if form.get("requires_grad") else tensor
    if kind == "array":
        return read(content)
    if kind == "scalar":
        return read(content)[()]
    if kind == "dtype":
        return np.dtype(content)
    if kind == "tuple":
        return tuple(_decode(item, read, device) for item in content)
    make = {"dict": dict, "OrderedDict": OrderedDict}[kind]
    return make((_decode(key, read, device), _decode(item, read, device)) for key, item in content)

"""save and load: nested dicts and lists of tensors in an ``.npz`` or ``.safetensors`` file, without pickle.

Loading a pickle runs whatever program its author put there. Here a file holds arrays and one piece of JSON that says
how they nest, so loading one can only ever give data. An array is called by the way to it, ``model.0.weight``, and
plain NumPy or safetensors, thus PyTorch too, can read it. The JSON, for
``{"weight": w, "betas": (0.9, 0.99), 3: None}``::

    {"dict": [["weight", {"tensor": "weight"}], ["betas", {"tuple": [0.9, 0.99]}], [3, null]]}

Lists, strings, numbers, True, False and None stand for themselves; everything else is an object of one key that names
its kind, or two. An ``.npz`` keeps the JSON as one more array, a ``.safetensors`` file in its metadata.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import IO, Any, TypeAlias

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import CPU, Device, DeviceLike, device_of, is_array, module_for, to_device, to_numpy
from minigrad.creation import as_tensor
from minigrad.tensor import Tensor

File: TypeAlias = str | os.PathLike[str] | IO[bytes]
MapLocation: TypeAlias = DeviceLike | Mapping[str, DeviceLike]

_ENTRY = "minigrad"  # the name of the JSON among the arrays
_VERSION = 1
_TAKEN = (_ENTRY, "file", "__metadata__")  # names that mean something else to numpy.savez and to safetensors
_TO_CONVERT = (
    "in PyTorch: numpy.savez('weights.npz', **{k: v.numpy() for k, v in state_dict.items()}), or "
    "safetensors.torch.save_file(state_dict, 'weights.safetensors'); minigrad.load reads both"
)


class LoadError(RuntimeError):
    """A file that :func:`load` cannot read; the message says why."""


def save(obj: Any, f: File, *, metadata: Mapping[str, str] | None = None) -> None:
    """Save tensors, and dicts, lists and tuples of them, so that :func:`load` gives them back exactly.

    What can be saved: tensors, NumPy and CuPy arrays and scalars, dtypes, numbers, strings, bools, None, and dicts,
    ordered dicts, lists and tuples of all these; thus the ``state_dict()`` of models, optimizers and schedulers,
    several in one dict if you like. The history of a tensor is not saved, only its value and ``requires_grad``.

    Parameters
    ----------
    obj : object
        What to save.
    f : str, path or binary file
        Where to. A path is used as it is given; if it ends in ``.safetensors``, that is the format, else ``.npz``. The
        file appears under its name only when it is complete: whoever breaks off the program keeps the previous one.
    metadata : dict of str, optional
        Notes of your own in a ``.safetensors`` file, for :func:`read_metadata`.

    Raises
    ------
    TypeError
        If something in ``obj`` cannot be saved, with the way to it; nothing is written then.
    ImportError
        If the library ``safetensors`` is needed and not installed.

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
    text = json.dumps({"version": _VERSION, "content": _encode(obj, "obj", "", arrays, ())})
    if isinstance(f, (str, os.PathLike)) and os.fspath(f).lower().endswith(".safetensors"):
        _save_safetensors(arrays, text, f, metadata or {})
        return
    if metadata is not None:
        raise ValueError(f"save: metadata is for a .safetensors file, got {f!r}; in others make it a part of obj")
    arrays = {_ENTRY: np.frombuffer(text.encode(), dtype=np.uint8), **arrays}
    if not isinstance(f, (str, os.PathLike)):
        np.savez(f, **arrays)
        return
    with _unfinished(f) as path, open(path, "xb") as file:
        np.savez(file, **arrays)


def load(f: File, map_location: MapLocation = None, *, weights_only: bool = True) -> Any:
    """Load what :func:`save` saved, or the arrays of other ``.npz`` and ``.safetensors`` files as a dict of tensors.

    Parameters
    ----------
    f : str, path or binary file
        Where from. Its content tells the format, not its name.
    map_location : Device, str or dict, optional
        Where all tensors go, or a dict that says for each device where its tensors go; by default each goes to the
        device it was saved from.
    weights_only : bool
        Accepted for PyTorch's sake. It is always True: nothing in the file is ever executed.

    Raises
    ------
    LoadError
        If the file is damaged, or is of another kind, such as a PyTorch checkpoint or a pickle; or if it holds tensors
        of a GPU and there is none. It is a RuntimeError.
    ImportError
        If the library ``safetensors`` is needed and not installed.
    """
    if not weights_only:
        raise ValueError("load: weights_only=False would run code from the file, which minigrad never does")
    devices = list(map_location.values()) if isinstance(map_location, Mapping) else [map_location]
    for device in devices:
        if device is not None and not isinstance(device, (str, Device)):
            raise TypeError(
                "load: expected map_location to be a device such as 'cpu', or a dict such as {'cuda:0': 'cpu'}, got "
                f"{map_location!r}"
            )
        module_for(device)  # complains if there is no such device here
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _load(file, os.fspath(f), map_location)
    return _load(f, str(getattr(f, "name", "the file")), map_location)


def read_metadata(f: str | os.PathLike[str]) -> dict[str, str]:
    """Return the notes in a ``.safetensors`` file: what :func:`save` was given as ``metadata``, or another program."""
    with _opened(os.fspath(f), "read_metadata") as file:
        return {name: text for name, text in (file.metadata() or {}).items() if name != _ENTRY}


@contextmanager
def _unfinished(f: str | os.PathLike[str]) -> Iterator[str]:
    """Give a path to write to, and move the file from there to ``f`` if all went well."""
    target = os.path.realpath(f)  # through a symbolic link, not instead of it
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"save: there is no folder {folder}")
    path = os.path.join(folder, f".{name}.{os.urandom(4).hex()}")
    try:
        yield path
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(path, target)
    finally:
        if os.path.exists(path):
            os.remove(path)


def _load(file: IO[bytes], name: str, map_location: MapLocation) -> Any:
    start = file.read(9)
    file.seek(-len(start), os.SEEK_CUR)
    if start[8:] == b"{":  # the length of a header in JSON, and the header
        if not isinstance(getattr(file, "name", None), str):
            raise LoadError("load: a safetensors file is read from its path, not from memory; pass the path")
        return _load_safetensors(file.name, map_location)
    if not start.startswith(b"PK"):  # what every zip archive starts with
        kind = "is empty" if not start else "is a pickle" if start[0] == 0x80 else "is none"
        raise LoadError(
            f"load: expected a file written by minigrad.save, but {name} {kind}. minigrad does not read pickles; "
            f"convert a checkpoint of PyTorch {_TO_CONVERT}"
        )
    try:
        with np.load(file, allow_pickle=False) as archive:
            if any(key.endswith("data.pkl") for key in archive.files):
                raise LoadError(
                    f"load: {name} is a PyTorch checkpoint, which holds a pickle, and minigrad does not read pickles; "
                    f"convert it {_TO_CONVERT}"
                )
            if _ENTRY in archive.files:
                return _content(archive[_ENTRY].tobytes(), archive.__getitem__, name, map_location)
            return {key: _foreign(archive[key], key, name, map_location) for key in archive.files}
    except LoadError:
        raise
    except Exception as error:  # what a broken archive makes zipfile, json and numpy raise is hard to enumerate
        raise LoadError(f"load: {name} is damaged or was cut short ({type(error).__name__}: {error})") from error


def _content(text: bytes | str, read: Callable[[str], Any], name: str, map_location: MapLocation) -> Any:
    header = json.loads(text)
    if header["version"] > _VERSION:
        raise LoadError(f"load: {name} was written by a newer minigrad; pip install -U minigrad")
    return _decode(header["content"], read, map_location)


def _foreign(array: Any, key: str, name: str, map_location: MapLocation) -> Tensor:
    """Return the tensor of an array that another program saved."""
    try:
        return as_tensor(to_device(array, _place("cpu", map_location)))
    except TypeError as error:
        raise LoadError(
            f"load: {name} holds {key!r}, which no tensor can be: {error}; read it with numpy.load"
        ) from None


# --------------------------------------------------------------------------------------------------------------
# The safetensors format

_SAFETENSORS = {
    **{"BOOL": "bool", "F32": "float32", "F64": "float64"},
    **{f"{kind[0].upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}


def _library(caller: str, path: str) -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            f"{caller}: for the safetensors file {path}: pip install 'minigrad[io]', or save as .npz instead"
        ) from None
    return safetensors


def _save_safetensors(
    arrays: Mapping[str, Any], text: str, f: str | os.PathLike[str], metadata: Mapping[str, str]
) -> None:
    library = _library("save", os.fspath(f))
    if any(type(word) is not str for pair in metadata.items() for word in pair):
        raise TypeError(f"save: expected metadata to be strings under the names of strings, got {dict(metadata)!r}")
    if _ENTRY in metadata:
        raise ValueError(f"save: the name {_ENTRY!r} is taken in metadata; choose another")
    for name, array in arrays.items():
        if array.dtype.name not in _SAFETENSORS.values():
            raise TypeError(f"save: a .safetensors file cannot hold {name!r} of dtype {array.dtype}; save as .npz")
    # The library writes an array's memory as it lies, so that a transposed one would come back as something else.
    # (And not ascontiguousarray, which makes a 0-d array 1-d.)
    laid_out = {name: np.asarray(array, array.dtype.newbyteorder("="), order="C") for name, array in arrays.items()}
    with _unfinished(f) as path:
        library.numpy.save_file(laid_out, path, {**metadata, _ENTRY: text})


@contextmanager
def _opened(path: str, caller: str) -> Iterator[Any]:
    library = _library(caller, path)
    try:
        with library.safe_open(path, framework="np") as file:
            yield file
    except (LoadError, OSError):
        raise
    except Exception as error:  # its own, and what a forged header makes json and _decode raise
        raise LoadError(f"{caller}: {path} is damaged or was cut short ({type(error).__name__}: {error})") from error


def _load_safetensors(path: str, map_location: MapLocation) -> Any:
    with _opened(path, "load") as file:

        def read(name: str) -> Any:
            kind = file.get_slice(name).get_dtype()
            if kind not in _SAFETENSORS:
                raise LoadError(
                    f"load: {path} holds {name!r} of dtype {kind}, which minigrad does not have; in PyTorch: "
                    "save_file({k: v.float() for k, v in load_file(path).items()}, path), both of safetensors.torch"
                )
            return file.get_tensor(name)

        text = (file.metadata() or {}).get(_ENTRY)
        if text is not None:
            return _content(text, read, path, map_location)
        return {name: _foreign(read(name), name, path, map_location) for name in file.keys()}  # noqa: SIM118


# --------------------------------------------------------------------------------------------------------------
# Between objects and JSON


def _encode(x: Any, where: str, name: str, arrays: dict[str, Any], above: tuple[int, ...]) -> Any:
    """Return ``x`` as JSON knows it, and put its arrays into ``arrays``.

    ``where`` is the way to ``x`` as a message says it, such as ``obj['model']``, and ``name`` as a file does, such as
    ``model``; ``above`` the ids of what contains it. Types are compared exactly: a subclass of dict would come back as
    a dict, which nobody asked for.
    """
    kind = type(x)
    if x is None or kind in (bool, int, float, str):
        return x
    if isinstance(x, Tensor):
        form = {"tensor": _store(x.array, where, name, arrays)}
        if device_of(x.array) != CPU:
            form["device"] = str(device_of(x.array))
        return form | {"requires_grad": True} if x.requires_grad else form
    if is_array(x) and (kind is np.ndarray or not isinstance(x, np.ndarray)):  # a masked array would lose its mask
        return {"array": _store(x, where, name, arrays)}
    if isinstance(x, np.generic):
        return {"scalar": _store(np.asarray(x), where, name, arrays)}
    if isinstance(x, np.dtype) and x.kind in "biuf":
        return {"dtype": x.str}
    if kind in (dict, OrderedDict, list, tuple):
        if id(x) in above:
            raise TypeError(f"save: {where} contains itself")
        above = (*above, id(x))
        if kind in (list, tuple):
            items = [_encode(item, f"{where}[{k}]", _below(name, k), arrays, above) for k, item in enumerate(x)]
            return items if kind is list else {"tuple": items}
        keys = [_encode(key, f"the key {key!r} of {where}", _below(name, "key"), arrays, above) for key in x]
        items = [_encode(item, f"{where}[{key!r}]", _below(name, key), arrays, above) for key, item in x.items()]
        return {kind.__name__: [list(pair) for pair in zip(keys, items, strict=True)]}
    hint = "take it out, or convert it first"
    for method in ("state_dict", "numpy"):  # a model, a tensor of PyTorch
        if hasattr(x, method):
            hint = f"save its values: {where}.{method}()"
            break
    raise TypeError(
        "save: expected tensors, arrays, numbers, strings, bools, None, and dicts, lists and tuples of these, but "
        f"{where} is a {kind.__name__}; {hint}"
    )


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _store(array: Any, where: str, name: str, arrays: dict[str, Any]) -> str:
    array = to_numpy(array)
    if array.dtype.hasobject:
        raise TypeError(f"save: {where} is an array of Python objects, which only a pickle can hold")
    name = name or "tensor"
    if not name.isprintable() or len(name) > 200 or "\\" in name or name.endswith(".npy"):
        name = f"array {len(arrays)}"  # a zip archive would change it
    while name in arrays or name in _TAKEN:
        name += "_"
    arrays[name] = array
    return name


def _place(saved: str, map_location: MapLocation) -> DeviceLike:
    if isinstance(map_location, Mapping):
        return map_location.get(saved, saved)
    return map_location or saved


def _decode(form: Any, read: Callable[[str], Any], map_location: MapLocation) -> Any:
    """Return what :func:`_encode` was given."""
    if isinstance(form, list):
        return [_decode(item, read, map_location) for item in form]
    if not isinstance(form, dict):
        return form
    kind, content = next(iter(form.items()))
    if kind == "tensor":
        try:
            tensor: Tensor = tensor_of(to_device(read(content), _place(form.get("device", "cpu"), map_location)))
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
        return tuple(_decode(item, read, map_location) for item in content)
    make = {"dict": dict, "OrderedDict": OrderedDict}[kind]
    return make((_decode(key, read, map_location), _decode(item, read, map_location)) for key, item in content)

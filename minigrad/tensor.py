"""Tensor: an array, its gradient and its history, with PyTorch's attributes, operators and conversions.

Nothing is computed here, and the methods that compute stand in a table of their own, ``methods.py``.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd import gradients, watch
from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.node import TensorBase, Writes, refuse_stale, tensor_of
from minigrad.backend import CPU, Device, DeviceLike, array_module, device_of, is_array
from minigrad.backend import to_device as array_to_device
from minigrad.inplace import check_writeable, overwrite, without_leading_ones
from minigrad.methods import Methods
from minigrad.ops.promotion import PYTORCH_NAMES, checked_dtype
from minigrad.ops.shape import shape_from
from minigrad.printing import format_tensor
from minigrad.refusals import refuse_methods

bool_, int64, float32, float64 = (np.dtype(name) for name in ("bool", "int64", "float32", "float64"))


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple that prints as PyTorch's.

    >>> Size([2, 3]), Size([2, 3]).numel()
    (minigrad.Size([2, 3]), 6)
    """

    def numel(self) -> int:
        """Return the number of entries of a tensor of this shape."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __repr__(self) -> str:
        return f"minigrad.Size([{', '.join(map(str, self))}])"


def _reflected(op: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the method for ``number op tensor``."""
    return lambda self, other: op(other, self)


def _converting(name: str) -> Callable[[Tensor], Tensor]:
    """Return the method that converts to the dtype ``name``."""

    def method(self: Tensor) -> Tensor:
        return self.to(np.dtype(name))

    method.__doc__ = f"Return the tensor in {name}."
    return method


class Tensor(Methods):
    """A multi-dimensional array that can be differentiated through.

    Make one with :func:`minigrad.tensor`. Operations on tensors with ``requires_grad=True`` are recorded, and
    :meth:`backward` on a result fills in :attr:`grad` of the tensors it came from.

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, *data: Any) -> None:
        if not data:
            data = ((),)
        elif len(data) > 1 or isinstance(data[0], (int, Size)):
            data = (np.zeros(shape_from(data)),)  # Tensor(2, 3) is a shape, Tensor([2, 3]) are numbers
        array = data[0].array if isinstance(data[0], TensorBase) else np.asarray(data[0])
        self.array = array.astype(ops.get_default_dtype())  # PyTorch's Tensor(...) is always float; tensor() infers

    # ----------------------------------------------------------------------------------------------------------
    # What it is

    @property
    def shape(self) -> Size:
        """The length of each dimension."""
        return Size(self.array.shape)

    @property
    def dtype(self) -> Any:
        """The type of the entries, a NumPy dtype such as ``minigrad.float32``."""
        return self.array.dtype

    @property
    def device(self) -> Device:
        """Where the entries live."""
        return device_of(self.array)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def itemsize(self) -> int:
        """Bytes per entry."""
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self.array.nbytes

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """Return the number of entries."""
        return int(self.array.size)

    nelement = numel
    ndimension = dim

    def element_size(self) -> int:
        """Return the bytes per entry."""
        return self.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Return how many entries to step over to reach the next along each dimension."""
        steps = tuple(s // self.itemsize for s in self.array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        """Return whether the entries lie in memory in row-major order."""
        return bool(self.array.flags.c_contiguous)

    def is_complex(self) -> bool:
        """Return False: there are no complex tensors."""
        return False

    def is_floating_point(self) -> bool:
        """Return whether the dtype is a float, so that gradients make sense."""
        return self.array.dtype.kind == "f"

    @property
    def is_cuda(self) -> bool:
        """Whether the entries live on a GPU."""
        return not isinstance(self.array, np.ndarray)

    @property
    def is_cpu(self) -> bool:
        """Whether the entries live in the memory of the CPU."""
        return not self.is_cuda

    def is_nonzero(self) -> bool:
        """Return whether the only entry is not 0."""
        return bool(self)

    @property
    def _version(self) -> int:
        return 0 if self._writes is None else self._writes.count

    # ----------------------------------------------------------------------------------------------------------
    # History and gradient

    @property
    def requires_grad(self) -> bool:
        """Whether the gradient is wanted: set on leaves, inherited by what is computed from them."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.array.dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad: only floating tensors can have gradients, this one is {self.array.dtype}; "
                "write 2.0 instead of 2, or pass dtype=minigrad.float32"
            )
        if self.node is not None and not value:
            raise RuntimeError(
                "requires_grad: it can only be switched off on leaves; use detach() to cut a computed tensor loose"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that ``backward`` has summed up here; None until it has, and for tensors that are not leaves."""
        if self._grad is None and self.node is not None and not self.retains_grad:
            warnings.warn(
                f"grad: this tensor of shape {tuple(self.shape)} is not a leaf: it was computed, by "
                f"{self.node.name()}, and backward() keeps the gradients of leaves only. Call retain_grad() on it "
                "before backward(). If it was meant to be a leaf, it became another tensor on the way, perhaps by "
                ".to(): pass device= and dtype= where it is made.",
                stacklevel=2,
            )
        return self._grad  # type: ignore[return-value]

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, TensorBase):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise RuntimeError(
                    f"grad: expected shape {tuple(self.shape)} and {self.dtype}, got {tuple(value.shape)} and "
                    f"{value.dtype}"
                )
        self._grad = value

    @property
    def grad_fn(self) -> Any:
        """The node that recorded the op this tensor comes from; None for leaves."""
        return self.node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self.node is None

    @property
    def retains_grad(self) -> bool:
        """Whether ``backward`` fills ``grad`` although this is not a leaf."""
        return bool(self.__dict__.get("_retains_grad", False))

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add the gradient of this tensor to the ``grad`` of every leaf it was made from.

        ``gradient`` is the incoming gradient, of this tensor's shape; a scalar needs none. The others are those of
        :func:`minigrad.autograd.backward`.
        """
        gradients.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Fill ``grad`` in ``backward`` although this is not a leaf."""
        gradients.retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call ``hook(grad)`` whenever the gradient of this tensor is complete; what it returns replaces it."""
        if not self._requires_grad:
            raise RuntimeError("register_hook: this tensor does not require grad, so no gradient will come by")
        owner: Any = self if self.node is None else self.node
        name = "_hooks" if self.node is None else "hooks"
        hooks = getattr(owner, name)
        if hooks is None:
            hooks = []
            setattr(owner, name, hooks)
        hooks.insert(len(hooks) - self.retains_grad, hook)  # retain_grad's own stays last, and sees the final value
        return RemovableHandle(hooks, hook)

    def detach(self) -> Tensor:
        """Return a tensor without history on the same memory: a constant for whatever is computed from it."""
        alias: Tensor = tensor_of(self.array)
        alias._writes = self.writes()
        for look_away in watch.cut:
            look_away((self,), "detach()")
        return alias

    def detach_(self) -> Tensor:
        """Forget the history of this tensor, which becomes a leaf."""
        if self.is_view:
            raise RuntimeError("detach_: not possible on a view; use detach()")
        self.node = None
        self._requires_grad = False
        self.__dict__.pop("_retains_grad", None)
        return self

    @property
    def data(self) -> Tensor:
        """The values without history, on the same memory. Assigning replaces them, unseen by autograd."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, TensorBase):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}; wrap it in minigrad.tensor(...)")
        self.array = value.array
        # A record of its own: what is written into the old memory is no longer of interest here. Dated, because
        # create_graph=True would take the new values for those of the forward pass.
        self._writes = Writes()
        self._writes.add("x.data = ...")

    # ----------------------------------------------------------------------------------------------------------
    # Operators

    def __add__(self, other: Any) -> Tensor:
        return ops.add(self, other)

    def __sub__(self, other: Any) -> Tensor:
        return ops.sub(self, other)

    def __mul__(self, other: Any) -> Tensor:
        return ops.mul(self, other)

    def __truediv__(self, other: Any) -> Tensor:
        return ops.div(self, other)

    def __pow__(self, other: Any) -> Tensor:
        return ops.power(self, other)

    def __matmul__(self, other: Any) -> Tensor:
        return ops.matmul(self, other)

    __radd__, __rmul__ = __add__, __mul__
    __rsub__, __rtruediv__ = _reflected(ops.sub), _reflected(ops.div)
    __rpow__, __rmatmul__ = _reflected(ops.power), _reflected(ops.matmul)
    __floordiv__, __rfloordiv__ = ops.floor_divide, _reflected(ops.floor_divide)
    __mod__, __rmod__ = ops.remainder, _reflected(ops.remainder)
    __neg__, __abs__, __invert__ = ops.neg, ops.absolute, ops.bitwise_not
    __and__, __or__, __xor__ = ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor
    __rand__, __ror__, __rxor__ = ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor
    __lt__, __le__, __gt__, __ge__ = ops.lt, ops.le, ops.gt, ops.ge

    def __pos__(self) -> Tensor:
        return self

    def __eq__(self, other: object) -> Any:
        return ops.eq(self, other) if _comparable(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return ops.ne(self, other) if _comparable(other) else NotImplemented

    __hash__ = object.__hash__  # by identity: == compares entries

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, ops.plain_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        index = ops.plain_index(index)
        if not isinstance(value, (TensorBase, int, float)):
            value = tensor_of(array_module(self.array).asarray(value))
        if isinstance(value, TensorBase) and value.shape[:1] == (1,):
            value = ops.reshape(value, without_leading_ones(value.shape, self.array[index].ndim))
        if is_grad_enabled() and (self._requires_grad or (isinstance(value, TensorBase) and value._requires_grad)):
            overwrite(self, "__setitem__", ops.setitem, (value, index), {})
        else:
            if is_grad_enabled() and self._writes is not None and self._writes.last_recorded:
                refuse_stale(self, "__setitem__")
            check_writeable("__setitem__", self.array)
            try:
                self.array[index] = value.array if isinstance(value, TensorBase) else value
            except ValueError as error:
                raise RuntimeError(f"x[...] = value: the value does not fit the entries chosen: {error}") from None
            self.writes().add("x[...] = ...")

    # ----------------------------------------------------------------------------------------------------------
    # Conversion

    clone = ops.clone

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the tensor on a device and in a dtype: ``to("cuda")``, ``to(minigrad.float64)``, ``to(other)``.

        The tensor itself comes back if nothing is to be done, unless ``copy=True``.
        """
        kwargs.pop("non_blocking", None)
        copy, device, dtype = kwargs.pop("copy", False), kwargs.pop("device", None), kwargs.pop("dtype", None)
        if kwargs:
            raise TypeError(f"to: unexpected argument {next(iter(kwargs))!r}")
        for x in args:
            if isinstance(x, TensorBase):
                device, dtype = device_of(x.array), x.dtype
            elif isinstance(x, (Device, str)):
                device = Device(x)
            elif x is not None:
                dtype = x
        out = self
        if dtype is not None and np.dtype(dtype) != self.dtype:
            dtype = checked_dtype(dtype)
            if dtype.kind == "f":
                out = ops.cast(out, dtype)
            else:
                out = tensor_of(self.array.astype(dtype))
        if device is not None and out.device != device:
            out = ops.transfer(out, Device(device), out.device)
        return ops.clone(out) if copy and out is self else out

    def cpu(self) -> Tensor:
        """Return the tensor on the CPU."""
        return self.to(CPU)

    def cuda(self, device: DeviceLike = None) -> Tensor:
        """Return the tensor on a GPU."""
        return self.to(Device("cuda" if device is None else device))

    float, double, half = map(_converting, ("float32", "float64", "float16"))  # the last one is refused
    byte, char, short, int, long = map(_converting, ("uint8", "int8", "int16", "int32", "int64"))
    bool = _converting("bool")

    def type(self, dtype: Any = None) -> Any:
        """Return the tensor in ``dtype``, or without one PyTorch's name of its type, such as ``FloatTensor``."""
        return f"minigrad.{PYTORCH_NAMES[str(self.dtype)]}Tensor" if dtype is None else self.to(checked_dtype(dtype))

    def type_as(self, other: Tensor) -> Tensor:
        """Return the tensor in the dtype and on the device of ``other``."""
        return self.to(other)

    def new_full(
        self, size: Any, fill_value: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: Any = False
    ) -> Tensor:
        """Return a tensor of ``size`` filled with one value; dtype and device are those of this one, if not given."""
        made = array_module(self.array).full(shape_from((size,)), fill_value, checked_dtype(dtype or self.dtype))
        return tensor_of(made).to(device).requires_grad_(requires_grad)

    def new_zeros(self, *size: Any, **options: Any) -> Tensor:
        """Return a tensor of zeros; options as in :meth:`new_full`."""
        return self.new_full(shape_from(size), 0, **options)

    def new_ones(self, *size: Any, **options: Any) -> Tensor:
        """Return a tensor of ones; options as in :meth:`new_full`."""
        return self.new_full(shape_from(size), 1, **options)

    new_empty = new_zeros

    def new_tensor(
        self, data: Any, *, dtype: Any = None, device: DeviceLike = None, requires_grad: Any = False
    ) -> Tensor:
        """Return a copy of ``data`` as a tensor; dtype and device are those of this one, if not given."""
        made = np.array(data, checked_dtype(dtype or self.dtype))
        return tensor_of(made).to(device or self.device).requires_grad_(requires_grad)

    def contiguous(self) -> Tensor:
        """Return the tensor with its entries in row-major order in memory: itself, or a copy."""
        return self if self.is_contiguous() else self.clone()

    def numpy(self, *, force: Any = False) -> np.ndarray[Any, Any]:
        """Return the values as a NumPy array on the same memory.

        Refused where a gradient would be lost or a GPU copied in silence; ``force=True`` means
        ``detach().cpu().numpy()``.
        """
        if not force and self._requires_grad:
            raise RuntimeError(
                "numpy: this tensor requires grad, and NumPy would lose the gradient; use tensor.detach().numpy()"
            )
        if not force and self.is_cuda:
            raise TypeError(f"numpy: this tensor is on {self.device}; copy it first: tensor.cpu().numpy()")
        return array_to_device(self.array, CPU)

    def item(self) -> Any:
        """Return the only entry as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"item: expected a tensor with one entry, got shape {tuple(self.shape)}; use tolist()")
        return self.array.item()

    def tolist(self) -> Any:
        """Return the entries as nested lists of Python numbers."""
        return self.array.tolist()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    # NumPy must neither compute with a tensor in silence (np.exp(x) would lose the gradient) nor loop over its
    # entries (np.ones(3) * x): with None, ufuncs refuse and operators leave the work to __rmul__ and its like.
    __array_ufunc__ = None

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._requires_grad:
            raise BufferError("dlpack: this tensor requires grad, and the gradient would be lost; use detach()")
        array = self.array
        if isinstance(array, np.ndarray) and not array.flags.writeable:
            array = array.copy()
        return array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()

    def __float__(self) -> Any:
        return float(self.item())

    def __int__(self) -> Any:
        return int(self.item())

    def __bool__(self) -> Any:
        if self.array.size != 1:
            raise RuntimeError(
                f"bool: a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()"
            )
        return bool(self.item())

    def __index__(self) -> Any:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> Any:
        if not self.array.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.array.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return iter(ops.unbind(self))

    def __contains__(self, value: Any) -> Any:
        if not _comparable(value):
            raise TypeError(f"in: expected a number or a tensor, got {type(value).__name__}")
        return bool((self == value).any().item())

    def __format__(self, spec: str) -> str:
        if not self.array.ndim and (spec or type(self) is Tensor):
            return format(self.item(), spec)
        if spec:
            raise TypeError(
                f"format {spec!r}: expected a tensor without dimensions, got shape {tuple(self.shape)}; format its "
                "entries one by one (x.tolist()), or set minigrad.set_printoptions(precision=2)"
            )
        return str(self)

    def __repr__(self) -> str:
        suffixes = [] if not self.is_cuda else [f"device='{self.device}'"]
        if self.node is not None:
            suffixes.append(f"grad_fn={self.node!r}")
        elif self._requires_grad:
            suffixes.append("requires_grad=True")
        array = self.array
        return format_tensor(
            array, suffixes=suffixes, default_dtype=ops.get_default_dtype(), to_numpy=lambda x: array_to_device(x, CPU)
        )

    # Copies of a tensor are copies of its values. Following the history would copy thousands of nodes, recursively.

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        if id(self) not in memo:
            copied = type(self).__new__(type(self))
            copied.array = self.array.copy()
            copied._requires_grad = self._requires_grad and self.node is None
            if self._grad is not None:
                copied._grad = tensor_of(self._grad.array.copy())
            own = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
            copied.__dict__.update(copy.deepcopy(own, memo))
            memo[id(self)] = copied
        return memo[id(self)]

    def __copy__(self) -> Any:
        copied = type(self).__new__(type(self))
        copied.array = self.array
        copied._requires_grad = self._requires_grad and self.node is None
        copied._writes = self.writes()
        return copied

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.array, self._requires_grad and self.node is None)


TensorBase.result_class = Tensor
refuse_methods(Tensor)


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook away again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; doing so twice does no harm."""
        for k, hook in enumerate(self._hooks):
            if hook is self._hook:
                del self._hooks[k]  # one only: the same function may have been registered twice
                break
        self._hooks = []

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _rebuild(cls: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    rebuilt = cls.__new__(cls)
    rebuilt.array = array
    rebuilt._requires_grad = requires_grad
    return rebuilt


def _comparable(other: object) -> bool:
    return isinstance(other, (TensorBase, bool, int, float, np.generic)) or is_array(other)

"""What ranks say to each other, under ``torch.distributed``'s names: one group, of all ranks.

>>> import minigrad
>>> from minigrad import distributed
>>> distributed.init_process_group()  # started without mpiexec: one process, and all below works
>>> distributed.get_rank(), distributed.get_world_size()
(0, 1)
>>> x = minigrad.tensor([1.0, 2.0])
>>> distributed.all_reduce(x)  # in place; the sum over all ranks, here of one
>>> x
tensor([1., 2.])
>>> distributed.destroy_process_group()
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from minigrad.backend import Array
from minigrad.distributed.messages import Messages, ReduceOp, connect
from minigrad.tensor import Tensor

P = ParamSpec("P")
T = TypeVar("T")

WORLD = None  # the one group
_messages: Messages | None = None  # of this process, from init_process_group on


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
) -> None:
    """Find the other processes of this job. Every rank calls it once, before anything else of this module.

    Parameters
    ----------
    backend : {"mpi", "nccl"}, optional
        How arrays travel: by MPI, or by NCCL between GPUs. By default MPI, or not at all if ``mpiexec`` did not start
        this process.
    init_method, timeout
        PyTorch's; MPI needs no address, and it waits as long as it takes. ``MPIEXEC_TIMEOUT=600 mpiexec ...`` ends a
        job after ten minutes.
    world_size, rank : int
        What ``mpiexec`` has decided; if they are given, they are compared with that.

    Raises
    ------
    RuntimeError
        There are several processes, and MPI is not installed.
    ValueError
        It was called before, or asks for another backend, rank or size.
    """
    global _messages
    if _messages is not None:
        raise ValueError("init_process_group: it has been called already; destroy_process_group() takes it back")
    if backend not in (None, "mpi", "nccl"):
        raise ValueError(f"init_process_group: expected backend to be 'mpi' or 'nccl', got {backend!r}; leave it out")
    if init_method not in (None, "env://") or timeout is not None:
        name, value = ("timeout", timeout) if timeout is not None else ("init_method", init_method)
        raise NotImplementedError(
            f"init_process_group: {name}={value!r} is not supported: mpiexec brings the processes together, and ends "
            "them after MPIEXEC_TIMEOUT seconds if that variable is set"
        )
    messages = connect(backend)
    for name, wanted, found in (("world_size", world_size, messages.size), ("rank", rank, messages.rank)):
        if wanted not in (-1, found):
            raise ValueError(
                f"init_process_group: expected {name}={found}, which is what mpiexec has decided, got {wanted}; "
                "leave it out, and start the program with mpiexec -n N python -m mpi4py program.py"
            )
    _messages = messages


def destroy_process_group(group: None = None) -> None:
    """Forget the other processes; without effect if there is no group."""
    global _messages
    _messages = None


def is_available() -> bool:
    """Return True: one process is a group too. Whether there can be several, :func:`is_mpi_available` says."""
    return True


def is_mpi_available() -> bool:
    """Return whether mpi4py and an MPI library are installed, and start MPI if they are."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        return False
    return MPI.Get_version() >= (3, 0)


def is_initialized() -> bool:
    """Return whether :func:`init_process_group` has been called."""
    return _messages is not None


def messages(caller: str, group: None = None, async_op: bool = False) -> Messages:
    """Return the way to the other ranks, for ``caller``, which is named if there is none."""
    if group is not None:
        raise NotImplementedError(f"{caller}: there is one group, of all ranks; leave group out")
    if async_op:
        raise NotImplementedError(f"{caller}: async_op=True is not supported; it returns when the message has arrived")
    if _messages is None:
        raise ValueError(
            f"{caller}: the processes do not know each other yet; call minigrad.distributed.init_process_group() first "
            "(a program that was started without mpiexec is then a group of one)"
        )
    return _messages


def get_rank(group: None = None) -> int:
    """Return the number of this process, from 0."""
    return messages("get_rank", group).rank


def get_world_size(group: None = None) -> int:
    """Return how many processes there are."""
    return messages("get_world_size", group).size


rank, world_size = get_rank, get_world_size


def get_backend(group: None = None) -> str:
    """Return how arrays travel: "mpi" or "nccl"; "alone" in a group of one that needs neither."""
    return messages("get_backend", group).backend


# --------------------------------------------------------------------------------------------------------------
# Messages about tensors. They change values in place, as PyTorch's do, and are not recorded.


def _array(caller: str, tensor: Any) -> Array:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{caller}: expected a Tensor, got {type(tensor).__name__}")
    if tensor.node is not None:
        raise RuntimeError(
            f"{caller}: it changes values in place and is not recorded, and this tensor has a history; pass "
            "x.detach(), or use minigrad.distributed.SumOverRanks, which is differentiable"
        )
    return tensor.array


def _rank(caller: str, name: str, number: Any, ways: Messages) -> int:
    if not isinstance(number, int) or not 0 <= number < ways.size:
        raise ValueError(f"{caller}: expected {name} to be a rank from 0 to {ways.size - 1}, got {number!r}")
    return number


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: None = None, async_op: bool = False) -> None:
    """Replace ``tensor``, on every rank, by the sum of those of all ranks, or another ``op`` of :class:`ReduceOp`."""
    array, ways = _array("all_reduce", tensor), messages("all_reduce", group, async_op)
    mean = _checked(op, array)
    ways.all_reduce(array, ReduceOp.SUM if mean else op)
    if mean:
        array /= ways.size
    tensor.writes().add("all_reduce()")


def reduce(
    tensor: Tensor, dst: int = 0, op: ReduceOp = ReduceOp.SUM, group: None = None, async_op: bool = False
) -> None:
    """Do as :func:`all_reduce` on rank ``dst`` alone; the others keep their values."""
    array, ways = _array("reduce", tensor), messages("reduce", group, async_op)
    mean = _checked(op, array)
    ways.reduce(array, ReduceOp.SUM if mean else op, _rank("reduce", "dst", dst, ways))
    if ways.rank == dst:
        if mean:
            array /= ways.size
        tensor.writes().add("reduce()")


def _checked(op: Any, array: Array) -> bool:
    """Return whether ``op`` is the mean, which is a sum at first; refuse what is no operation."""
    if not isinstance(op, ReduceOp):
        raise TypeError(f"distributed: expected op to be one of ReduceOp, such as ReduceOp.SUM, got {op!r}")
    if op is ReduceOp.AVG and array.dtype.kind != "f":
        raise RuntimeError(f"distributed: ReduceOp.AVG needs a floating tensor, got {array.dtype}; use x.float()")
    return op is ReduceOp.AVG


def broadcast(tensor: Tensor, src: int = 0, group: None = None, async_op: bool = False) -> None:
    """Replace ``tensor``, on every rank, by that of rank ``src``."""
    array, ways = _array("broadcast", tensor), messages("broadcast", group, async_op)
    ways.broadcast(array, _rank("broadcast", "src", src, ways))
    tensor.writes().add("broadcast()")


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: None = None, async_op: bool = False) -> None:
    """Fill ``tensor_list``, which has a tensor for each rank, with the tensors of all ranks, all of one shape."""
    array, ways = _array("all_gather", tensor), messages("all_gather", group, async_op)
    places = [_array("all_gather", x) for x in tensor_list]
    if len(places) != ways.size or any((x.shape, x.dtype) != (array.shape, array.dtype) for x in places):
        raise ValueError(
            f"all_gather: expected a list of {ways.size} tensors, one for each rank, of shape {tuple(array.shape)} and "
            f"{array.dtype}, got {[(tuple(x.shape), str(x.dtype)) for x in places]}"
        )
    for place, x, found in zip(places, tensor_list, ways.all_gather(array), strict=True):
        place[...] = found
        x.writes().add("all_gather()")


def all_gather_object(object_list: list[Any], obj: Any, group: None = None) -> None:
    """Fill ``object_list``, which has a place for each rank, with the objects of all ranks; they travel as pickles."""
    ways = messages("all_gather_object", group)
    if len(object_list) != ways.size:
        raise ValueError(f"all_gather_object: expected a list with {ways.size} places, got {len(object_list)}")
    object_list[:] = ways.objects(obj)


def send(tensor: Tensor, dst: int, group: None = None, tag: int = 0) -> None:
    """Send a tensor to one rank, which has to :func:`recv` it; what this one waits for is up to MPI."""
    array, ways = _array("send", tensor), messages("send", group)
    if _rank("send", "dst", dst, ways) == ways.rank:
        raise ValueError(f"send: rank {dst} cannot send to itself")
    ways.send(array, dst, tag)


def recv(tensor: Tensor, src: int | None = None, group: None = None, tag: int = 0) -> int:
    """Fill ``tensor`` with what rank ``src`` (None: any) sends, and return who sent it."""
    array, ways = _array("recv", tensor), messages("recv", group)
    if ways.size == 1 or (src is not None and _rank("recv", "src", src, ways) == ways.rank):
        raise ValueError(f"recv: rank {ways.rank} cannot receive from itself")
    sender = ways.recv(array, src, tag)
    tensor.writes().add("recv()")
    return sender


def barrier(group: None = None, async_op: bool = False) -> None:
    """Wait until all ranks have come here."""
    messages("barrier", group, async_op).barrier()


# --------------------------------------------------------------------------------------------------------------
# Not in PyTorch


def rank_zero_only(function: Callable[P, T]) -> Callable[P, T | None]:
    """Return the function as it is on rank 0, and as one that does nothing on the others.

    For printing and saving: ``say = rank_zero_only(print)``, ``rank_zero_only(minigrad.save)(state, path)``. Not for
    anything that holds a collective, in which all ranks have to take part.
    """

    @functools.wraps(function)
    def on_rank_zero(*args: P.args, **kwargs: P.kwargs) -> T | None:
        return function(*args, **kwargs) if get_rank() == 0 else None

    return on_rank_zero


def batch_weight(n: int) -> float:
    """Return what to multiply the mean loss of this rank's ``n`` samples by, so that no sample counts twice.

    ``n world_size / (n_0 + n_1 + ...)``, 1 where all ranks have equally many. The mean over ranks of mean losses is
    the mean over samples only then; with shares of 3 and 1 samples the one would count as much as the three. Weigh the
    loss, not the gradients: then everything on the way back is right, :class:`SyncBatchNorm` too.
    """
    ways = messages("batch_weight")
    total = np.array(float(n))
    ways.all_reduce(total, ReduceOp.SUM)
    if not total:
        raise ValueError("batch_weight: no rank has a sample")
    return n * ways.size / float(total)

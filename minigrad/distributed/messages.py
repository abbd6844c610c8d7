"""The messages: how arrays travel between the processes of one job. One small class for each way.

A job is N copies of one program, its *ranks*, numbered 0 to N-1. They share no memory: whatever one is to know of
another is sent. A *collective* is a message in which all ranks take part, and all have to call it, in the same order:
messages are matched by their order, not by name. A rank that leaves one out makes the others wait for ever.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from enum import Enum
from typing import Any

import numpy as np

from minigrad.backend import Array


class ReduceOp(Enum):
    """What becomes of the values that the ranks have in one place."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "prod"
    MIN = "min"
    MAX = "max"


class Messages:
    """The messages of a job of one process: there is nobody to send to, and each collective is done already.

    Base class of the others. Arrays are changed in place.
    """

    backend = "alone"
    rank = 0
    size = 1

    def all_reduce(self, array: Array, op: ReduceOp) -> None:
        """Replace ``array``, on every rank, by the sum (product, minimum, maximum) of those of all ranks."""

    def reduce(self, array: Array, op: ReduceOp, dst: int) -> None:
        """Do so on rank ``dst`` alone; the others keep theirs."""

    def broadcast(self, array: Array, src: int) -> None:
        """Replace ``array``, on every rank, by that of rank ``src``."""

    def all_gather(self, array: Array) -> list[Array]:
        """Return the arrays of all ranks, in their order."""
        return [array]

    def objects(self, obj: Any) -> list[Any]:
        """Return the objects of all ranks, in their order."""
        return [obj]

    def send(self, array: Array, dst: int, tag: int) -> None:
        """Send ``array`` to one rank, which has to call :meth:`recv`."""

    def recv(self, array: Array, src: int | None, tag: int) -> int:
        """Fill ``array`` with what rank ``src`` sends (None: whoever comes first); return who it was."""
        return self.rank

    def barrier(self) -> None:
        """Wait until all ranks are here."""


@contextlib.contextmanager
def _one_block(array: Array) -> Iterator[Array]:
    """Yield the array if it lies in one block of memory, which is what can be sent, or a copy that does."""
    block = array if array.flags.c_contiguous else array.copy(order="C")
    yield block
    if block is not array:
        array[...] = block


class MpiMessages(Messages):
    """Arrays in main memory, by MPI, the Message Passing Interface that clusters have had since 1994."""

    backend = "mpi"

    def __init__(self, launched: int) -> None:
        try:
            from mpi4py import MPI  # a RuntimeError if mpi4py is there, but the MPI library is not
        except (ImportError, RuntimeError) as error:
            raise RuntimeError(
                f"distributed: this is one of {launched} processes, and they have no way to send messages: "
                f"{str(error).splitlines()[0]}.\n  pip install 'minigrad[dist]' brings mpi4py and MPICH"
            ) from error
        self.comm: Any = MPI.COMM_WORLD
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self._any_source = MPI.ANY_SOURCE
        self._status: Any = MPI.Status
        self._ops: dict[ReduceOp, Any] = {
            ReduceOp.SUM: MPI.SUM, ReduceOp.PRODUCT: MPI.PROD, ReduceOp.MIN: MPI.MIN, ReduceOp.MAX: MPI.MAX,
        }  # fmt: skip
        self._in_place = MPI.IN_PLACE
        if launched != self.size and launched > 1:
            raise RuntimeError(
                f"distributed: mpiexec started {launched} processes, but each believes to be one of {self.size}: "
                "mpiexec and mpi4py belong to different MPIs. Use the mpiexec that stands beside this Python: "
                f"{os.path.join(os.path.dirname(sys.executable), 'mpiexec')}"
            )
        if self.size > 1:
            self._stop_together()

    def _stop_together(self) -> None:
        """Let an exception on one rank end the job; the others would wait for its messages for ever."""
        show = sys.excepthook

        def stop(kind: Any, error: Any, trace: Any) -> None:
            sys.stderr.write(f"rank {self.rank} of {self.size} ends the job:\n")
            show(kind, error, trace)
            sys.stdout.flush()
            sys.stderr.flush()
            time.sleep(0.5)  # for mpiexec to pass the text on: Abort would cut it short
            self.comm.Abort(1)

        sys.excepthook = stop

    def _sendable(self, array: Array) -> Any:
        if not isinstance(array, np.ndarray):
            raise RuntimeError(
                "distributed: this array lies on a GPU, and the processes were connected for arrays in main memory; "
                "call init_process_group('nccl')"
            )
        return _one_block(array)

    def all_reduce(self, array: Array, op: ReduceOp) -> None:
        with self._sendable(array) as block:
            self.comm.Allreduce(self._in_place, block, self._ops[op])

    def reduce(self, array: Array, op: ReduceOp, dst: int) -> None:
        with self._sendable(array) as block:
            if self.rank == dst:
                self.comm.Reduce(self._in_place, block, self._ops[op], dst)
            else:
                self.comm.Reduce(block, None, self._ops[op], dst)

    def broadcast(self, array: Array, src: int) -> None:
        with self._sendable(array) as block:
            self.comm.Bcast(block, src)

    def all_gather(self, array: Array) -> list[Array]:
        with self._sendable(array) as block:
            gathered = np.empty((self.size, *block.shape), block.dtype)
            self.comm.Allgather(block, gathered)
        return list(gathered)

    def objects(self, obj: Any) -> list[Any]:
        return list(self.comm.allgather(obj))

    def send(self, array: Array, dst: int, tag: int) -> None:
        with self._sendable(array) as block:
            self.comm.Send(block, dst, tag)

    def recv(self, array: Array, src: int | None, tag: int) -> int:
        status = self._status()
        with self._sendable(array) as block:
            self.comm.Recv(block, self._any_source if src is None else src, tag, status)
        return int(status.Get_source())

    def barrier(self) -> None:
        self.comm.Barrier()


class NcclMessages(MpiMessages):
    """Arrays on GPUs, from one to the other by NVIDIA's NCCL; everything in main memory by MPI, as before.

    One process has one GPU: the first process of a machine takes the first, and so on.
    """

    backend = "nccl"

    def __init__(self, launched: int) -> None:
        super().__init__(launched)
        import cupy
        import cupyx.distributed

        self._cupy = cupy
        self.on_this_machine = self.comm.Split_type(_shared_memory()).Get_rank()
        gpus = cupy.cuda.runtime.getDeviceCount()
        if self.on_this_machine >= gpus:
            raise RuntimeError(
                f"distributed: process {self.on_this_machine} of this machine has no GPU of its own, there are {gpus}; "
                f"start at most {gpus} on each machine"
            )
        cupy.cuda.Device(self.on_this_machine).use()
        self.nccl: Any = cupyx.distributed.init_process_group(self.size, self.rank, use_mpi=True)

    def all_reduce(self, array: Array, op: ReduceOp) -> None:
        if isinstance(array, np.ndarray):
            return super().all_reduce(array, op)
        with _one_block(array) as block:
            self.nccl.all_reduce(block, block, op.value)

    def reduce(self, array: Array, op: ReduceOp, dst: int) -> None:
        if isinstance(array, np.ndarray):
            return super().reduce(array, op, dst)
        with _one_block(array) as block:
            self.nccl.reduce(block, block, dst, op.value)

    def broadcast(self, array: Array, src: int) -> None:
        if isinstance(array, np.ndarray):
            return super().broadcast(array, src)
        with _one_block(array) as block:
            self.nccl.broadcast(block, src)

    def all_gather(self, array: Array) -> list[Array]:
        if isinstance(array, np.ndarray):
            return super().all_gather(array)
        gathered = self._cupy.empty((self.size, *array.shape), array.dtype)
        with _one_block(array) as block:
            self.nccl.all_gather(block, gathered, block.size)
        return [gathered[k] for k in range(self.size)]

    def send(self, array: Array, dst: int, tag: int) -> None:
        if isinstance(array, np.ndarray):
            return super().send(array, dst, tag)
        with _one_block(array) as block:
            self.nccl.send(block, dst)

    def recv(self, array: Array, src: int | None, tag: int) -> int:
        if isinstance(array, np.ndarray):
            return super().recv(array, src, tag)
        if src is None:
            raise RuntimeError("recv: an array on a GPU needs src, the rank that sends it")
        with _one_block(array) as block:
            self.nccl.recv(block, src)
        return src


def _shared_memory() -> Any:
    from mpi4py import MPI

    return MPI.COMM_TYPE_SHARED


def launched_processes() -> int:
    """Return how many processes the launcher says that it started; 1 without one.

    Every launcher tells its processes by environment variables, so MPI is not needed to know.
    """
    for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"):  # MPICH and Intel, Open MPI, MVAPICH
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    if os.environ.get("WORLD_SIZE", "1") not in ("1", ""):
        raise RuntimeError(
            f"distributed: WORLD_SIZE={os.environ['WORLD_SIZE']} says that torchrun started this process, which "
            f"minigrad does not talk to; start the program with mpiexec -n {os.environ['WORLD_SIZE']} python -m mpi4py"
        )
    return 1


def connect(backend: str | None) -> Messages:
    """Return the messages of this job: of one process, by MPI, or by NCCL for arrays on GPUs."""
    launched = launched_processes()
    if launched == 1 and backend is None:
        return Messages()
    return NcclMessages(launched) if backend == "nccl" else MpiMessages(launched)

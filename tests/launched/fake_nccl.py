"""A stand-in for ``cupyx.distributed`` beside that for CuPy: its names, arguments and refusals, with MPI inside.

As in CuPy 14.2: ``init_process_group(n_devices, rank, *, backend, host, port, use_mpi)`` returns an object whose
methods take contiguous device arrays and return nothing.
"""

import contextlib
import sys
import types

import numpy as np
from mpi4py import MPI

_OPS = {"sum": MPI.SUM, "prod": MPI.PROD, "max": MPI.MAX, "min": MPI.MIN}


class NCCLBackend:
    def __init__(self, n_devices, rank, kind, sent):
        self.comm, self.kind, self.sent = MPI.COMM_WORLD.Dup(), kind, sent
        assert (n_devices, rank) == (self.comm.size, self.comm.rank)

    def _inside(self, array):
        if not isinstance(array, self.kind):
            raise AttributeError(f"{type(array)} has no attribute 'data.ptr'")
        if not array._a.flags.c_contiguous and not array._a.flags.f_contiguous:
            raise RuntimeError("NCCL requires arrays to be either c- or f-contiguous")
        if array.dtype.char not in "bBiIlLqQefdFD":
            raise TypeError(f"Unknown dtype {array.dtype} for NCCL")
        return array._a

    def all_reduce(self, in_array, out_array, op="sum", stream=None):
        self.sent.append(f"all_reduce of {in_array.size}")
        self.comm.Allreduce(self._inside(in_array).copy(), self._inside(out_array), _OPS[op])

    def reduce(self, in_array, out_array, root=0, op="sum", stream=None):
        result = np.empty_like(self._inside(in_array))
        self.comm.Reduce(in_array._a.copy(), result, _OPS[op], root)
        if self.comm.rank == root:
            self._inside(out_array)[...] = result

    def broadcast(self, in_out_array, root=0, stream=None):
        self.sent.append(f"broadcast of {in_out_array.size}")
        self.comm.Bcast(self._inside(in_out_array), root)

    def all_gather(self, in_array, out_array, count, stream=None):
        assert count == in_array.size
        self.comm.Allgather(self._inside(in_array), self._inside(out_array))

    def send(self, array, peer, stream=None):
        self.comm.Send(self._inside(array), peer)

    def recv(self, out_array, peer, stream=None):
        self.comm.Recv(self._inside(out_array), peer)


class _Device:
    """Two GPUs, of which the stand-in for CuPy has one: every process believes that its own is number 0."""

    used: list = []  # noqa: RUF012

    def __init__(self, id=0):
        self.id = id

    def use(self):
        self.used.append(self.id)

    __enter__ = use

    def __exit__(self, *error):
        pass


@contextlib.contextmanager
def installed(cp):
    """Let ``import cupyx.distributed`` find this; yield the list of messages that were sent."""
    sent = []
    module = types.ModuleType("cupyx.distributed")

    def init_process_group(n_devices, rank, *, backend="nccl", host=None, port=None, use_mpi=False):
        assert use_mpi
        return NCCLBackend(n_devices, rank, cp.ndarray, sent)

    module.init_process_group = init_process_group
    before, count = cp.cuda.Device, cp.cuda.runtime.getDeviceCount
    cp.cuda.Device, cp.cuda.runtime.getDeviceCount = _Device, lambda: 2
    sys.modules["cupyx.distributed"] = sys.modules["cupyx"].distributed = module
    try:
        yield sent
    finally:
        cp.cuda.Device, cp.cuda.runtime.getDeviceCount = before, count
        del sys.modules["cupyx.distributed"], sys.modules["cupyx"].distributed

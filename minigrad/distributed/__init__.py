"""Several processes train one model: ``torch.distributed`` in miniature, on MPI.

Started with ``mpiexec -n 4 python -m mpi4py program.py``, four copies of a program run; without ``mpiexec`` there is
one, and everything here works too. Read in this order: ``messages`` (how arrays travel), ``group`` (what ranks say to
each other), ``parallel`` (what training needs of it), ``normalization``, ``metrics``.

Several sampling orders for one data set are in :mod:`minigrad.utils.data`: ``DistributedSampler``.
"""

from typing import NoReturn as _NoReturn

from minigrad.distributed.group import (
    all_gather,
    all_gather_object,
    all_reduce,
    barrier,
    batch_weight,
    broadcast,
    destroy_process_group,
    get_backend,
    get_rank,
    get_world_size,
    init_process_group,
    is_available,
    is_initialized,
    is_mpi_available,
    rank,
    rank_zero_only,
    recv,
    reduce,
    send,
    world_size,
)
from minigrad.distributed.messages import ReduceOp
from minigrad.distributed.metrics import sync
from minigrad.distributed.normalization import SumOverRanks, SyncBatchNorm
from minigrad.distributed.parallel import (
    DistributedDataParallel,
    average_buffers,
    average_gradients,
    broadcast_parameters,
)

__all__ = [
    "DistributedDataParallel",
    "ReduceOp",
    "SumOverRanks",
    "SyncBatchNorm",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "average_buffers",
    "average_gradients",
    "barrier",
    "batch_weight",
    "broadcast",
    "broadcast_parameters",
    "destroy_process_group",
    "get_backend",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_available",
    "is_initialized",
    "is_mpi_available",
    "rank",
    "rank_zero_only",
    "recv",
    "reduce",
    "send",
    "sync",
    "world_size",
]

_REFUSED = {
    "there is one group, of all ranks": {"new_group", "new_subgroups", "split_group", "GroupMember", "ProcessGroup"},
    "a message here returns when it has arrived; use send and recv": {"isend", "irecv", "batch_isend_irecv", "P2POp"},
    "use all_gather, and take what this rank needs": {"gather", "scatter", "all_to_all", "gather_object"},
    "use all_reduce, and take what this rank needs": {"reduce_scatter", "reduce_scatter_tensor"},
    "use all_gather_object, and take that of the source": {"broadcast_object_list", "scatter_object_list"},
    "mpiexec brings the processes together": {
        "TCPStore",
        "FileStore",
        "HashStore",
        "Store",
        "run",
        "launch",
        "elastic",
    },
    "the model is whole on every rank": {"fsdp", "tensor", "pipelining", "rpc", "DeviceMesh", "init_device_mesh"},
}


def __getattr__(name: str) -> _NoReturn:
    """Say why something of PyTorch's is not here."""
    why = next((f": {reason}" for reason, names in _REFUSED.items() if name in names), "")
    raise AttributeError(f"minigrad.distributed has no {name!r}{why}")

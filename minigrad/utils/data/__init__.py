"""From a data set to mini-batches: dataset, sampler, fetch, collate, loader, in the order in which an index travels.

A :class:`Dataset` knows sample number i, an :class:`IterableDataset` only the next one. A :class:`Sampler` says in
which order the numbers come, a :class:`BatchSampler` groups them, :func:`default_collate` makes one batch of the
samples, and the :class:`DataLoader` ties the four together, in this process or in workers.
"""

import importlib
import typing

from minigrad.utils.data.collate import default_collate, default_convert
from minigrad.utils.data.dataloader import DataLoader
from minigrad.utils.data.dataset import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from minigrad.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from minigrad.utils.data.worker import get_worker_info

__all__ = [
    "BatchSampler",
    "ChainDataset",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "DistributedBatchSampler",
    "DistributedSampler",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "StackDataset",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "get_worker_info",
    "random_split",
]

if typing.TYPE_CHECKING:
    from minigrad.utils.data.distributed import DistributedBatchSampler, DistributedSampler
else:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        """Bring the samplers for several processes, and with them modules and metrics, when somebody asks for one."""
        if name in ("DistributedBatchSampler", "DistributedSampler"):
            return getattr(importlib.import_module("minigrad.utils.data.distributed"), name)
        raise AttributeError(f"minigrad.utils.data has no {name!r}")

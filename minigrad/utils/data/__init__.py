"""From a data set to mini-batches: dataset, sampler, collate, loader, in the order in which an index travels.

A :class:`Dataset` knows sample number i. A :class:`Sampler` says in which order the numbers come, a
:class:`BatchSampler` groups them, :func:`default_collate` makes one batch of the samples, and the :class:`DataLoader`
ties the four together.
"""

from minigrad.utils.data.collate import default_collate, default_convert
from minigrad.utils.data.dataloader import DataLoader
from minigrad.utils.data.dataset import Dataset, Subset, TensorDataset, random_split
from minigrad.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = [
    "BatchSampler",
    "DataLoader",
    "Dataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "TensorDataset",
    "default_collate",
    "default_convert",
    "random_split",
]

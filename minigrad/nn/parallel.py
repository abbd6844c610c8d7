"""Where PyTorch keeps what trains on several processes; here it is in :mod:`minigrad.distributed`."""

from minigrad.distributed.normalization import SyncBatchNorm as SyncBatchNorm
from minigrad.distributed.parallel import DistributedDataParallel as DistributedDataParallel

import inspect
from itertools import chain

import pytest

import minigrad
from minigrad import distributed
from minigrad.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedBatchSampler,
    DistributedSampler,
    RandomSampler,
    TensorDataset,
)

SIZES = [
    (n, replicas, drop_last) for n in (0, 1, 3, 10, 11, 12) for replicas in (1, 2, 4) for drop_last in (False, True)
]


@pytest.mark.parametrize(("n", "replicas", "drop_last"), SIZES)
@pytest.mark.parametrize("shuffle", [False, True])
def test_shares_are_a_partition(n, replicas, drop_last, shuffle):
    samplers = [DistributedSampler(range(n), replicas, rank, shuffle, 3, drop_last) for rank in range(replicas)]
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {len(samplers[0])} == {samplers[0].num_samples}
    together = sorted(chain(*shares))
    assert len(together) == samplers[0].total_size
    if drop_last:
        assert len(set(together)) == len(together) == n - n % replicas
    else:
        assert set(together) == set(range(n))
        assert len(together) - n < replicas


@pytest.mark.parametrize(("n", "replicas", "drop_last"), [size for size in SIZES if size[0]])
def test_shares_are_pytorchs(n, replicas, drop_last):
    torch = pytest.importorskip("torch")
    for rank in range(replicas):
        settings = {"num_replicas": replicas, "rank": rank, "shuffle": False, "drop_last": drop_last}
        theirs = torch.utils.data.DistributedSampler(range(n), **settings)
        ours = DistributedSampler(range(n), **settings)
        assert list(ours) == list(theirs)
        assert (len(ours), ours.num_samples, ours.total_size) == (len(theirs), theirs.num_samples, theirs.total_size)


def test_signature_is_pytorchs():
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(torch.utils.data.DistributedSampler.__init__).parameters.values()
    ours = inspect.signature(DistributedSampler.__init__).parameters.values()
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_each_epoch_has_its_order_and_all_ranks_the_same():
    def whole(epoch, seed=0):
        shares = []
        for rank in range(3):
            sampler = DistributedSampler(range(30), 3, rank, seed=seed)
            minigrad.rand(rank)  # what else a rank draws changes nothing
            sampler.set_epoch(epoch)
            shares.append(list(sampler))
        return shares

    assert whole(0) == whole(0)
    assert sorted(chain(*whole(1))) == list(range(30))
    assert len({str(whole(*key)) for key in ((0,), (1,), (2,), (0, 9))}) == 4


def test_the_group_says_which_share():
    with pytest.raises(ValueError, match=r"get_world_size: .*init_process_group"):
        DistributedSampler(range(4))
    distributed.init_process_group()
    try:
        assert sorted(DistributedSampler(range(4))) == [0, 1, 2, 3]
        assert list(DistributedBatchSampler([[3, 1], [2]])) == [[3, 1], [2]]
    finally:
        distributed.destroy_process_group()
    for kind in (DistributedSampler, DistributedBatchSampler):
        with pytest.raises(ValueError, match=f"{kind.__name__}: expected rank to be from 0 to 1, got 2"):
            kind(range(4), num_replicas=2, rank=2)


def test_a_loader_takes_shares_of_batches():
    data = TensorDataset(minigrad.arange(10))
    seen = []
    for rank in range(2):
        whole = BatchSampler(RandomSampler(data, generator=minigrad.Generator().manual_seed(1)), 4, drop_last=False)
        loader = DataLoader(data, batch_sampler=DistributedBatchSampler(whole, num_replicas=2, rank=rank))
        assert len(loader) == 3
        seen.append([batch.tolist() for (batch,) in loader])
    whole = BatchSampler(RandomSampler(data, generator=minigrad.Generator().manual_seed(1)), 4, drop_last=False)
    for first, second, batch in zip(*seen, whole, strict=True):
        assert first == batch[0::2] and second == batch[1::2]


def test_a_loader_takes_a_distributed_sampler():
    data = TensorDataset(minigrad.arange(10))
    loader = DataLoader(data, batch_size=2, sampler=DistributedSampler(data, 2, 1, shuffle=False))
    assert [batch.tolist() for (batch,) in loader] == [[1, 3], [5, 7], [9]]


def test_too_few_for_all_ranks():
    sampler = DistributedBatchSampler([[1, 2, 3], [4, 5]], num_replicas=3, rank=0)
    with pytest.raises(ValueError, match="batch 1 has 2 samples, too few for 3 ranks; leave it out"):
        list(sampler)

import numpy as np
import pytest

import minigrad
from minigrad.utils.data import DataLoader, RandomSampler, SequentialSampler, Subset, TensorDataset


def dataset(n=10):
    return TensorDataset(minigrad.arange(2 * n, dtype=minigrad.float32).reshape(n, 2), minigrad.arange(n))


def labels(loader):
    return [batch[-1].tolist() for batch in loader]


class Counting(TensorDataset):
    """The same data, sample by sample; counts how often it is asked."""

    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        return super().__getitem__(index)


def test_batches_in_order():
    loader = DataLoader(dataset(), batch_size=4)
    assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    x, y = next(iter(loader))
    assert x.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
    assert (x.dtype, y.dtype) == (minigrad.float32, minigrad.int64)
    assert type(next(iter(loader))) is list


@pytest.mark.parametrize("n", [1, 8, 10])
@pytest.mark.parametrize("batch_size", [1, 4, 16, None])
@pytest.mark.parametrize("drop_last", [False, True])
def test_as_torch(n, batch_size, drop_last):
    torch = pytest.importorskip("torch")
    if batch_size is None and drop_last:
        return
    theirs = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.arange(2 * n).reshape(n, 2), torch.arange(n)),
        batch_size=batch_size,
        drop_last=drop_last,
    )
    ours = DataLoader(dataset(n), batch_size=batch_size, drop_last=drop_last)
    assert len(ours) == len(theirs)
    assert labels(ours) == labels(theirs)
    assert [x.tolist() for x, _ in ours] == [x.tolist() for x, _ in theirs]
    assert ours.batch_size == theirs.batch_size


def test_each_epoch_is_a_new_shuffle_of_everything():
    loader = DataLoader(dataset(64), batch_size=10, shuffle=True)
    epochs = [[label for batch in labels(loader) for label in batch] for _ in range(3)]
    assert all(sorted(epoch) == list(range(64)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_shuffling_repeats_after_manual_seed():
    loader = DataLoader(dataset(64), batch_size=10, shuffle=True)
    minigrad.manual_seed(3)
    first = [labels(loader), labels(loader)]
    minigrad.manual_seed(3)
    assert [labels(loader), labels(loader)] == first


def test_a_generator_shuffles_apart_from_everything_else():
    runs = []
    for noise in (0, 5):
        loader = DataLoader(dataset(64), shuffle=True, generator=minigrad.Generator().manual_seed(7))
        runs.append([])
        for _ in range(2):
            minigrad.rand(noise + 1)
            runs[-1].append(labels(loader))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[0][1]


def test_rows_stay_together_when_shuffled():
    for x, y in DataLoader(dataset(50), batch_size=7, shuffle=True):
        assert x[:, 0].tolist() == [2 * label for label in y.tolist()]


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: Subset(Subset(data, [9, 4, 4, 7, 0]), [3, 2, 0])])
@pytest.mark.parametrize("shuffle", [False, True])
def test_whole_batches_equal_single_samples(wrap, shuffle):
    slow = Counting(*dataset().tensors)
    batches = []
    for data in (dataset(), slow):
        generator = minigrad.Generator().manual_seed(1)
        loader = DataLoader(wrap(data), batch_size=2, shuffle=shuffle, generator=generator)
        batches.append([[(t.dtype, t.tolist()) for t in batch] for batch in loader])
    assert batches[0] == batches[1]
    assert slow.asked == len(wrap(slow))  # a __getitem__ of one's own is not bypassed


def test_subset_sees_a_change_of_its_indices():
    subset = Subset(dataset(), [1, 2])
    loader = DataLoader(subset, batch_size=2)
    assert labels(loader) == [[1, 2]]
    subset.indices = minigrad.tensor([5, -1])
    assert labels(loader) == [[5, 9]]


def test_a_batch_is_a_copy_of_the_data():
    data = dataset(3)
    for x, _ in DataLoader(data, batch_size=3):
        x[:] = -1.0
    assert data.tensors[0].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_transposed_and_empty_tensors():
    x = minigrad.arange(6).reshape(2, 3).T
    assert [batch.tolist() for (batch,) in DataLoader(TensorDataset(x), batch_size=2)] == [[[0, 3], [1, 4]], [[2, 5]]]
    assert list(DataLoader(TensorDataset(minigrad.zeros(0, 2)))) == []


def test_any_sized_indexable_is_a_dataset():
    assert [batch.tolist() for batch in DataLoader([3, 1, 2], batch_size=2)] == [[3, 1], [2]]
    assert [batch.tolist() for batch in DataLoader(np.eye(2), batch_size=2)] == [[[1.0, 0.0], [0.0, 1.0]]]
    assert [batch.tolist() for batch in DataLoader(minigrad.arange(3), batch_size=2)] == [[0, 1], [2]]


def test_getitems_gets_whole_batches():
    class Storage(list):
        def __getitems__(self, indices):
            return [100 + self[i] for i in indices]

    assert [batch.tolist() for batch in DataLoader(Storage([1, 2, 3]), batch_size=2)] == [[101, 102], [103]]


def test_collate_fn():
    loader = DataLoader(dataset(), batch_size=3, collate_fn=lambda samples: [int(y) for _, y in samples])
    assert list(loader) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_sampler_and_batch_sampler():
    assert labels(DataLoader(dataset(), batch_size=2, sampler=[4, 2, 0])) == [[4, 2], [0]]
    loader = DataLoader(dataset(), batch_sampler=[[1], [2, 3]])
    assert labels(loader) == [[1], [2, 3]]
    assert len(loader) == 2
    assert loader.batch_size is None


def test_a_sampler_needs_no_length_of_the_data():
    class Endless:
        def __getitem__(self, index):
            return index * index

    loader = DataLoader(Endless(), batch_size=2, sampler=(i for i in (3, 1, 2)))
    assert [batch.tolist() for batch in loader] == [[9, 1], [4]]
    with pytest.raises(TypeError):
        len(loader)


def test_two_loops_at_once_do_not_disturb_each_other():
    loader = DataLoader(dataset(20), shuffle=True, batch_size=20)
    assert len([1 for _ in loader for _ in loader]) == 1
    a, b = iter(loader), iter(loader)
    assert sorted(next(a)[1].tolist()) == sorted(next(b)[1].tolist()) == list(range(20))


def test_default_samplers_are_pytorchs():
    assert isinstance(DataLoader(dataset()).sampler, SequentialSampler)
    assert isinstance(DataLoader(dataset(), shuffle=True).sampler, RandomSampler)


@pytest.mark.parametrize(
    ("error", "kwargs", "message"),
    [
        (ValueError, {"batch_size": 0}, "batch_size of 1 or more, got 0"),
        (ValueError, {"batch_size": 2.5}, "batch_size to be an integer or None, got 2.5"),
        (ValueError, {"shuffle": True, "sampler": [1]}, "sampler or shuffle=True, got both"),
        (ValueError, {"batch_sampler": [[1]], "batch_size": 3}, "batch_sampler decides the batches alone"),
        (ValueError, {"batch_sampler": [[1]], "drop_last": True}, "batch_sampler decides the batches alone"),
        (ValueError, {"batch_size": None, "drop_last": True}, "nothing to drop"),
        (ValueError, {"num_workers": -1}, "num_workers to be an integer of 0 or more"),
        (ValueError, {"prefetch_factor": 2}, "prefetch_factor=2 is for worker processes"),
        (ValueError, {"persistent_workers": True}, "persistent_workers=True is for worker processes"),
        (TypeError, {"shuffle": True, "generator": 3}, r"a minigrad\.Generator"),
    ],
)
def test_refuses(error, kwargs, message):
    with pytest.raises(error, match=message):
        DataLoader(dataset(), **kwargs)


def test_shuffling_an_empty_data_set():
    with pytest.raises(ValueError, match="the data set is empty"):
        DataLoader(TensorDataset(minigrad.zeros(0)), shuffle=True)


@pytest.mark.parametrize("name", ["batch_size", "dataset", "drop_last", "sampler", "batch_sampler"])
def test_a_late_change_is_refused_instead_of_ignored(name):
    loader = DataLoader(dataset())
    with pytest.raises(ValueError, match=f"{name} cannot be changed afterwards"):
        setattr(loader, name, 3)


def test_batches_stay_on_the_gpu():
    import strict_cupy

    with strict_cupy.installed() as cp:
        data = TensorDataset(*(tensor.to("cuda") for tensor in dataset(10).tensors))
        before = cp.syncs
        batches = list(DataLoader(data, batch_size=4))
        assert cp.syncs == before
        assert [batch[1].device.type for batch in batches] == ["cuda"] * 3
        assert labels(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        single = DataLoader(Counting(*data.tensors), batch_size=4)
        assert labels(single) == labels(batches)

import numpy as np
import pytest

import minigrad
from minigrad.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)
from minigrad.utils.data.fetch import whole_batches


@pytest.fixture
def pairs():
    return TensorDataset(minigrad.arange(12).reshape(6, 2), minigrad.arange(6))


@pytest.mark.parametrize("index", [0, -1, 5, slice(1, 4), slice(None, None, -2), [0, 5, 0]])
def test_tensor_dataset_indexes_each_tensor(pairs, index):
    x, y = pairs[index]
    assert x.tolist() == np.arange(12).reshape(6, 2)[index].tolist()
    assert y.tolist() == np.arange(6)[index].tolist()


def test_tensor_dataset_length_and_end(pairs):
    assert len(pairs) == 6
    assert [int(y) for _, y in pairs] == [0, 1, 2, 3, 4, 5]  # Python's own loop stops at the first IndexError
    with pytest.raises(IndexError):
        pairs[6]


def test_tensor_dataset_of_different_lengths_names_them():
    with pytest.raises(ValueError, match=r"got 6 \(6, 2\) and 5 \(5,\)"):
        TensorDataset(minigrad.zeros(6, 2), minigrad.zeros(5))


def test_tensor_dataset_of_arrays_says_how_to_wrap_them():
    with pytest.raises(TypeError, match=r"argument 1 is a ndarray; wrap it: minigrad\.as_tensor"):
        TensorDataset(minigrad.zeros(3), np.zeros(3))


@pytest.mark.parametrize("tensors", [(), (minigrad.tensor(1.0),)])
def test_tensor_dataset_needs_a_dimension_of_samples(tensors):
    with pytest.raises(ValueError, match="at least one"):
        TensorDataset(*tensors)


def test_gradient_flows_through_a_batch():
    x = minigrad.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), batch_size=2):
        (batch * batch).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_subset_of_a_subset(pairs):
    inner = Subset(Subset(pairs, [5, 3, 1]), [2, 0])
    assert [int(y) for _, y in inner] == [1, 5]
    assert int(inner[-1][1]) == 5
    assert inner[[1, 0]][1].tolist() == [5, 1]


def test_subset_by_a_mask_is_refused(pairs):
    with pytest.raises(TypeError, match="mask of True and False"):
        Subset(pairs, np.array([True, False, True, False, False, False]))


def test_dataset_without_getitem_names_its_class():
    class Forgetful(Dataset):
        pass

    with pytest.raises(NotImplementedError, match=r"Forgetful\.__getitem__"):
        Forgetful()[0]
    with pytest.raises(TypeError, match="Forgetful, has no __len__"):
        DataLoader(Forgetful(), shuffle=True)


@pytest.mark.parametrize(
    ("n", "lengths", "counts"),
    [
        (10, [3, 7], [3, 7]),
        (10, [0, 10], [0, 10]),
        (10, [0.5, 0.25, 0.25], [6, 2, 2]),
        (1797, [0.7, 0.2, 0.1], [1258, 360, 179]),
        (7, [0.1] * 10, [1] * 7 + [0] * 3),
    ],
)
@pytest.mark.filterwarnings("ignore:random_split")
def test_random_split_counts_as_torch(n, lengths, counts):
    torch = pytest.importorskip("torch")
    parts = random_split(range(n), lengths)
    assert [len(part) for part in parts] == counts
    assert sorted(i for part in parts for i in part) == list(range(n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)
        assert [len(part) for part in torch.utils.data.random_split(range(n), lengths)] == counts


def test_random_split_repeats_by_seed_and_by_generator():
    def split(**kwargs):
        return [list(part) for part in random_split(range(50), [20, 30], **kwargs)]

    minigrad.manual_seed(1)
    first, second = split(), split()
    minigrad.manual_seed(1)
    assert split() == first
    assert second != first
    assert split(generator=minigrad.Generator().manual_seed(1)) == first


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([3, 4], r"sum to the 10 samples of the data set, got 3 \+ 4 = 7"),
        ([0.5, 0.4], "fractions that sum to 1"),
        ([11, -1], "0 or more"),
        ([1], "sum to the 10 samples"),
    ],
)
def test_random_split_refuses_wrong_sums(lengths, message):
    with pytest.raises(ValueError, match=message):
        random_split(range(10), lengths)


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match=r"leave a part empty: \[1, 0\]"):
        random_split(range(1), [0.5, 0.5])


# ----------------------------------------------------------------------------------------------------------------
# Data sets made of others


def test_concat_says_where_each_ends():
    both = ConcatDataset([range(3), [], "ab"])
    assert [both[k] for k in range(-5, 5)] == [0, 1, 2, "a", "b"] * 2
    assert (len(both), both.cumulative_sizes) == (5, [3, 3, 5])
    assert list(both) == [0, 1, 2, "a", "b"]  # Python's own loop stops at the IndexError


def test_stack_by_place_and_by_name():
    assert StackDataset(range(2), "ab")[1] == (1, "b")
    assert StackDataset(n=range(2), c="ab").__getitems__([1, 0]) == [{"n": 1, "c": "b"}, {"n": 0, "c": "a"}]


def test_several_samples_are_fetched_together_where_that_can_be_done():
    class Storage(Dataset):
        asked = 0

        def __len__(self):
            return 9

        def __getitems__(self, indices):
            Storage.asked += 1
            return [10 * i for i in indices]

    data = Subset(StackDataset(Storage(), Storage()), [8, 7, 6, 5])
    assert [[x.tolist() for x in batch] for batch in DataLoader(data, batch_size=2)] == [[[80, 70]] * 2, [[60, 50]] * 2]
    assert Storage.asked == 4

    class Short(Storage):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match=r"Short\.__getitems__: expected 2 samples, one for each index, got 1"):
        list(DataLoader(Short(), batch_size=2))


@pytest.mark.parametrize(
    ("base", "arguments"),
    [(Subset, (range(4), [3, 1])), (StackDataset, (range(2),)), (TensorDataset, (minigrad.arange(2),))],
)
def test_a_subclass_with_a_getitem_of_its_own_is_asked_for_each_sample(base, arguments):
    class Changed(base):
        def __getitem__(self, index):
            return -index

    assert [x.tolist() for x in DataLoader(Changed(*arguments), batch_size=2)] == [[0, -1]]


def nested(pairs):
    """Return data sets that are read by whole batches, from ``pairs`` of three columns."""
    part = Subset(pairs, [4, 4, 0, -1])
    return {
        "tensors": pairs,
        "a tensor": pairs.tensors[0],
        "an array": pairs.tensors[1].detach().numpy(),
        "subset of a subset": Subset(part, np.array([2, 1])),
        "random split": random_split(pairs, [0.5, 0.5])[0],
        "no rows of a subset": Subset(pairs, []),
        "concat": ConcatDataset([part, pairs, part]),
        "concat of concats": ConcatDataset([pairs, ConcatDataset([part])]),
        "stack": StackDataset(pairs, pairs.tensors[0]),
        "named stack": StackDataset(a=pairs, b=pairs.tensors[1]),
        "concat of stacks": ConcatDataset([StackDataset(a=pairs), StackDataset(a=part)]),
    }


@pytest.mark.parametrize("name", nested(TensorDataset(minigrad.zeros(6), minigrad.zeros(6))))
@pytest.mark.parametrize("batch_size", [1, 4])
def test_whole_batches_are_what_single_samples_collate_to(name, batch_size):
    pairs = TensorDataset(minigrad.randn(6, 2), minigrad.arange(6), minigrad.rand(6, 2, 2) > 0.5)
    data = nested(pairs)[name]
    assert whole_batches(data) is not None
    order = np.random.default_rng(0).permutation(len(data)).tolist()
    whole = list(DataLoader(data, batch_size, sampler=order))
    by_sample = list(DataLoader([data[k] for k in range(len(data))], batch_size, sampler=order))
    assert repr(whole) == repr(by_sample)
    assert len(whole) == -(-len(order) // batch_size)


def test_what_is_not_read_by_whole_batches():
    pairs, longer = TensorDataset(minigrad.zeros(2, 3)), TensorDataset(minigrad.zeros(2, 4))
    for data in (
        [1, 2],
        np.array(["a"]),
        Subset([1, 2], [0]),
        StackDataset(pairs, "ab"),
        ConcatDataset([pairs, longer]),
    ):
        assert whole_batches(data) is None
    with pytest.raises(RuntimeError, match="same shape in all samples"):
        list(DataLoader(ConcatDataset([pairs, longer]), 4))
    with pytest.raises(IndexError, match="index below 4, got -5"):
        list(DataLoader(pairs + pairs, batch_sampler=[[0, -5]]))


def test_gradients_flow_through_batches_of_concat():
    x, y = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x) + TensorDataset(y), batch_sampler=[[3, 0, 2, 3]])))
    (batch * minigrad.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([2.0, 0.0], [3.0, 5.0])


def test_concat_and_stack_stay_on_the_gpu():
    import strict_cupy

    with strict_cupy.installed() as cp:
        pairs = TensorDataset(minigrad.arange(4).to("cuda"), minigrad.ones(4).to("cuda"))
        loader = DataLoader(ConcatDataset([StackDataset(pairs), StackDataset(pairs)]), batch_size=8, shuffle=True)
        before = cp.syncs
        (((x, y),),) = loader
        assert cp.syncs == before
        assert str(x.device) == str(y.device) == "cuda:0"
        assert sorted(x.tolist()) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_a_stream_that_forgot_its_iter():
    class Forgetful(IterableDataset):
        pass

    with pytest.raises(NotImplementedError, match=r"Forgetful\.__iter__ is not defined"):
        list(DataLoader(Forgetful()))

import numpy as np
import pytest

import minigrad
from minigrad.utils.data import DataLoader, Dataset, Subset, TensorDataset, random_split


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

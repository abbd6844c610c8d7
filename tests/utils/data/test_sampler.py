from collections import Counter

import pytest

import minigrad
from minigrad.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)


def test_sequential():
    assert list(SequentialSampler(range(4))) == [0, 1, 2, 3]
    assert len(SequentialSampler(range(4))) == 4


def test_random_is_a_new_permutation_each_pass():
    sampler = RandomSampler(range(100))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second
    assert {type(index) for index in first} == {int}


def test_random_follows_its_generator_alone():
    passes = []
    for _ in range(2):
        minigrad.rand(3)  # other draws in between change nothing
        passes.append(list(RandomSampler(range(20), generator=minigrad.Generator().manual_seed(5))))
    assert passes[0] == passes[1]


def test_random_with_replacement_draws_uniformly():
    drawn = Counter(RandomSampler(range(4), replacement=True, num_samples=8000))
    assert sum(drawn.values()) == 8000
    # standard deviation of a count: sqrt(8000 * 1/4 * 3/4) = 39
    assert all(abs(count - 2000) < 5 * 39 for count in drawn.values())


@pytest.mark.parametrize("num_samples", [3, 10, 25])
def test_random_of_other_lengths_is_shuffles_in_a_row(num_samples):
    sampler = RandomSampler(range(10), num_samples=num_samples)
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == num_samples
    for start in range(0, num_samples, 10):
        row = drawn[start : start + 10]
        assert len(set(row)) == len(row)


def test_random_grows_with_its_data():
    data = [1, 2]
    sampler = RandomSampler(data)
    data.append(3)
    assert len(sampler) == 3
    assert sorted(sampler) == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "kwargs", "message"),
    [
        (ValueError, {"num_samples": 0}, "num_samples of 1 or more, got 0"),
        (TypeError, {"num_samples": 2.0}, "num_samples to be an integer"),
        (TypeError, {"replacement": 1}, "replacement to be True or False"),
        (TypeError, {"generator": 3}, r"a minigrad\.Generator, got int"),
    ],
)
def test_random_refuses(error, kwargs, message):
    with pytest.raises(error, match=message):
        RandomSampler(range(5), **kwargs)


def test_random_of_nothing():
    with pytest.raises(ValueError, match="the data set is empty"):
        RandomSampler([])


@pytest.mark.parametrize("n", [0, 1, 9, 10, 11])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 20])
@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_as_torch(n, batch_size, drop_last):
    data = pytest.importorskip("torch.utils.data")
    expected = data.BatchSampler(data.SequentialSampler(range(n)), batch_size, drop_last)
    sampler = BatchSampler(SequentialSampler(range(n)), batch_size, drop_last)
    assert list(sampler) == list(expected)
    assert len(sampler) == len(expected)
    assert [array.tolist() for array in sampler.arrays()] == list(expected)


def test_arrays_respect_a_subclass_with_its_own_order():
    class Backwards(SequentialSampler):
        def __iter__(self):
            return iter(range(len(self.data_source) - 1, -1, -1))

    batches = BatchSampler(Backwards(range(3)), 2, False)
    assert list(batches) == [array.tolist() for array in batches.arrays()] == [[2, 1], [0]]


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_batch_size_must_be_a_positive_integer(batch_size):
    with pytest.raises(ValueError, match="batch_size to be an integer of 1 or more"):
        BatchSampler(SequentialSampler(range(3)), batch_size, False)


def test_sampler_without_iter():
    with pytest.raises(NotImplementedError, match=r"Sampler\.__iter__"):
        iter(Sampler())


def test_subset_is_a_new_permutation_each_pass_and_follows_its_generator():
    sampler = SubsetRandomSampler(range(100, 200))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100, 200))
    assert first != second
    a, b = (list(SubsetRandomSampler("abcdefgh", minigrad.Generator().manual_seed(2))) for _ in range(2))
    assert a == b


def test_weights_are_how_often():
    drawn = Counter(WeightedRandomSampler([1, 0, 5, 2], 8000))
    assert set(drawn) == {0, 2, 3}
    for index, p in ((0, 1 / 8), (2, 5 / 8), (3, 2 / 8)):
        assert abs(drawn[index] - 8000 * p) < 5 * (8000 * p * (1 - p)) ** 0.5  # five standard deviations
    assert {type(index) for index in drawn} == {int}


def test_weighted_without_replacement_takes_the_likely_ones_first():
    passes = [list(WeightedRandomSampler([1.0, 100.0, 1.0], 3, replacement=False)) for _ in range(200)]
    assert all(sorted(one) == [0, 1, 2] for one in passes)
    assert Counter(one[0] for one in passes)[1] > 180  # 196 on average, with a standard deviation of 2


def test_weighted_repeats_by_seed_and_by_generator():
    def drawn(**kwargs):
        return list(WeightedRandomSampler([1.0, 2.0, 3.0], 50, **kwargs))

    minigrad.manual_seed(4)
    first, second = drawn(), drawn()
    minigrad.manual_seed(4)
    assert drawn() == first != second
    assert drawn(generator=minigrad.Generator().manual_seed(4)) == first


def test_samplers_in_a_loader():
    data = TensorDataset(minigrad.arange(6))
    for sampler in (SubsetRandomSampler([1, 3, 5]), WeightedRandomSampler([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 3, False)):
        (batch,) = next(iter(DataLoader(data, batch_size=5, sampler=sampler)))
        assert sorted(batch.tolist()) == [1, 3, 5]


@pytest.mark.parametrize(
    "make", [SubsetRandomSampler, lambda x, generator: WeightedRandomSampler(x, 1, generator=generator)]
)
def test_generators_are_minigrads(make):
    with pytest.raises(TypeError, match=r"RandomSampler: expected generator to be a minigrad\.Generator, got int"):
        make([1], generator=3)

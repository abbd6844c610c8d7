import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import transforms
from minigrad.datasets import Digits, Labelled
from minigrad.utils.data import DataLoader, Subset, TensorDataset
from minigrad.utils.data.fetch import whole_batches


def pairs(**kwargs):
    return Labelled(minigrad.arange(20.0).reshape(10, 1, 1, 2), minigrad.arange(10), **kwargs)


def negative(x):
    return -x


def test_without_transforms_it_is_a_tensor_dataset():
    x, y = pairs()[3]
    assert (x.tolist(), y.item(), len(pairs())) == ([[[6.0, 7.0]]], 3, 10)
    assert whole_batches(pairs()) is not None  # a DataLoader indexes once for each batch
    assert whole_batches(pairs(transform=negative)) is None  # what may draw is seeded for each batch
    assert isinstance(pairs(transform=negative).as_tensors(), TensorDataset)


def test_each_sample_passes_through():
    data = pairs(transform=negative, target_transform=lambda y: y * 10)
    x, y = data[2]
    assert (x.tolist(), y.item()) == ([[[-4.0, -5.0]]], 20)
    assert data.data[2].tolist() == [[[4.0, 5.0]]]  # what is stored stays
    assert data.as_tensors()[2][0].tolist() == [[[-4.0, -5.0]]]


@pytest.mark.parametrize("index", [[1, 4], slice(2, 7, 2), np.array([0, 9]), minigrad.tensor([5, 5])])
@pytest.mark.parametrize("transform", [negative, transforms.Normalize([1.0], [2.0])])
def test_many_at_once(index, transform):
    data = pairs(transform=transform, target_transform=negative)
    x, y = data[index]
    each = [data[int(i)] for i in np.arange(10)[index.numpy() if isinstance(index, minigrad.Tensor) else index]]
    assert (x == minigrad.stack([a for a, _ in each])).all()
    assert (y == minigrad.stack([b for _, b in each])).all()


def test_batches_go_through_in_one_call():
    shapes = []

    class Counting(transforms.RandomHorizontalFlip):
        def forward(self, img):
            shapes.append(tuple(img.shape))
            return super().forward(img)

    loader = DataLoader(pairs(transform=transforms.Compose([Counting(), transforms.Pad(1)])), batch_size=4)
    assert [tuple(x.shape) for x, _ in loader] == [(4, 1, 3, 4), (4, 1, 3, 4), (2, 1, 3, 4)]
    assert shapes == [(4, 1, 1, 2), (4, 1, 1, 2), (2, 1, 1, 2)]


def test_other_functions_get_one_sample_each():
    shapes = []

    def flat(x):
        shapes.append(tuple(x.shape))
        return x.reshape(-1)

    x, y = next(iter(DataLoader(pairs(transform=flat, target_transform=lambda y: f"n{y.item()}"), batch_size=3)))
    assert shapes == [(1, 1, 2)] * 3
    assert (x.tolist(), tuple(y)) == ([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], ("n0", "n1", "n2"))
    mixed = transforms.Compose([transforms.Lambda(flat), negative])
    assert not mixed.takes_batches
    assert pairs(transform=mixed)[:2][0].tolist() == [[0.0, -1.0], [-2.0, -3.0]]


def test_loader_gives_what_indexing_gives():
    data = pairs(transform=negative)
    whole = list(DataLoader(data, batch_size=5))
    one_by_one = list(DataLoader(data, batch_size=5, collate_fn=lambda batch: list(zip(*batch))))
    for (x, y), (xs, ys) in zip(whole, one_by_one):
        assert (x == minigrad.stack(xs)).all() and (y == minigrad.stack(ys)).all()
    assert all(isinstance(y, minigrad.Tensor) and y.shape == () for y in one_by_one[0][1])
    x, _ = next(iter(DataLoader(Subset(data, [7, 1]), batch_size=2)))
    assert x.tolist() == [[[[-14.0, -15.0]]], [[[-2.0, -3.0]]]]


def test_seeds_repeat_what_the_transforms_draw():
    data = Digits("val", transform=transforms.RandomCrop(8, padding=1), flat=False)
    minigrad.manual_seed(1)
    first = [x for x, _ in DataLoader(data, batch_size=64, shuffle=True)]
    minigrad.manual_seed(1)
    again = [x for x, _ in DataLoader(data, batch_size=64, shuffle=True)]
    assert all((a == b).all() for a, b in zip(first, again))


def test_copies():
    for clone in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
        data = clone(pairs(transform=negative))
        assert data[2][0].tolist() == [[[-4.0, -5.0]]]


def test_digits_as_images():
    flat, images = Digits("val"), Digits("val", flat=False, transform=transforms.RandomInvert(1.0))
    assert tuple(images[0][0].shape) == (1, 8, 8)
    assert (images[:][0].reshape(-1, 64) == 1 - flat[:][0]).all()


def test_transform_must_be_callable():
    with pytest.raises(TypeError, match="a transform to be a function, got str"):
        pairs(transform="flip")

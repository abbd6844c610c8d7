from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest

import minigrad
from minigrad.utils.data import DataLoader, default_collate, default_convert
from minigrad.utils.data.collate import collate, default_collate_fn_map

Point = namedtuple("Point", ["x", "y"])


def same(ours, theirs):
    """Compare nests of minigrad and PyTorch tensors: structure, dtypes, values."""
    if isinstance(ours, minigrad.Tensor):
        return str(ours.dtype) == str(theirs.dtype).removeprefix("torch.") and ours.tolist() == theirs.tolist()
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, (list, tuple)):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


CASES = {
    "integers": [1, 2, 3],
    "floats are float64": [1.5, 2.0],
    "integers and floats": [1, 2.5],
    "bools": [True, False],
    "numpy scalars": [np.float32(1.5), np.float32(2.5)],
    "numpy float64 scalars": [np.float64(1.5), np.float64(2.5)],
    "numpy integers": [np.int32(1), np.int32(2)],
    "arrays": [np.arange(3), np.arange(3, 6)],
    "0-d arrays": [np.array(1.0, np.float32), np.array(2.0, np.float32)],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "tuples": [(1, "a", 2.0), (3, "b", 4.0)],
    "lists": [[1, 2], [3, 4]],
    "named tuples": [Point(1, 2.0), Point(3, 4.0)],
    "dicts": [{"x": 1, "y": [np.zeros(2), "s"]}, {"y": [np.ones(2), "t"], "x": 2}],
    "ordered dicts": [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "one sample": [(np.zeros((2, 2)), 1)],
}


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    batch = CASES[name]
    ours, theirs = default_collate(batch), torch.utils.data.default_collate(batch)
    assert same(ours, theirs)
    assert type(ours).__name__ == type(theirs).__name__


@pytest.mark.parametrize("name", CASES)
def test_convert_as_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = default_convert(CASES[name][0]), torch.utils.data.default_convert(CASES[name][0])
    assert same(ours, theirs)


def test_tensors_are_stacked_and_stay_in_the_graph():
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    batch = default_collate([x, minigrad.tensor([3.0, 4.0]), x])
    assert batch.tolist() == [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]
    batch.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_batch_is_a_copy():
    x = minigrad.zeros(2)
    batch = default_collate([x])
    batch[0, 0] = 1.0
    assert x.tolist() == [0.0, 0.0]


def test_defaultdict_keeps_its_default():
    batch = default_collate([defaultdict(int, a=1), defaultdict(int, a=2)])
    assert batch["a"].tolist() == [1, 2]
    assert batch["missing"] == 0


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([minigrad.zeros(3), minigrad.zeros(4)], r"same shape .* got \(3,\) at batch\[0\] and \(4,\) at batch\[1\]"),
        ([np.zeros(3), np.zeros(3), np.zeros((3, 1))], r"\(3, 1\) at batch\[2\]"),
        ([{"x": (0, np.zeros(2))}, {"x": (0, np.zeros(3))}], r"got \(2,\) at batch\[0\]\['x'\]\[1\]"),
        ([(1, 2), (1, 2, 3)], r"same length .* got 2 at batch\[0\] and 3 at batch\[1\]"),
        ([{"x": 1, "y": 2}, {"x": 1}], r"same keys .* got \['x', 'y'\] at batch\[0\] and \['x'\]"),
        ([minigrad.zeros(3), np.zeros(3)], "got Tensor at .* and ndarray at"),
        ([1, None], "got int at .* and NoneType at"),
    ],
)
def test_samples_that_differ_are_named(batch, message):
    with pytest.raises(RuntimeError, match=message):
        default_collate(batch)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([None, None], "got None at sample;"),
        ([{"image": (object(),)}], r"got a object at sample\['image'\]\[0\]"),
        ([np.array(["a"])], "got an array of dtype <U1"),
    ],
)
def test_what_cannot_be_collated_is_named(batch, message):
    with pytest.raises(TypeError, match=message):
        default_collate(batch)


# ----------------------------------------------------------------------------------------------------------------
# Types of one's own


class Graph:
    def __init__(self, nodes):
        self.nodes = nodes


class Tree(Graph):
    pass


def merge(graphs, *, collate_fn_map=None):
    return Graph(collate([graph.nodes for graph in graphs], collate_fn_map=collate_fn_map))


def test_a_type_of_ones_own_by_a_map():
    batch = collate([(Tree(1), "a"), (Tree(2), "b")], collate_fn_map={Graph: merge})
    assert batch[0].nodes.tolist() == [1, 2]
    assert batch[1] == ("a", "b")
    with pytest.raises(TypeError, match="got a Tree at sample"):
        collate([Tree(1)], collate_fn_map={int: merge})


def test_a_type_of_ones_own_everywhere(monkeypatch):
    monkeypatch.setitem(default_collate_fn_map, Graph, merge)
    assert [batch.nodes.tolist() for batch in DataLoader([Graph(1), Graph(2), Tree(3)], batch_size=2)] == [[1, 2], [3]]


def test_the_exact_type_comes_before_its_bases_and_a_tuple_of_types_serves():
    chosen = collate([True], collate_fn_map={int: lambda batch, **_: "int", bool: lambda batch, **_: "bool"})
    assert chosen == "bool"
    assert collate([2.0], collate_fn_map={(int, float): lambda batch, **_: "number"}) == "number"


def test_tensors_can_be_collated_otherwise():
    pad = lambda batch, *, collate_fn_map=None: max(len(x) for x in batch)
    assert collate([{"x": minigrad.zeros(3)}, {"x": minigrad.zeros(4)}], collate_fn_map={minigrad.Tensor: pad}) == {
        "x": 4
    }


def test_a_change_of_the_map_is_seen_by_loaders_of_tensors(monkeypatch):
    total = lambda batch, *, collate_fn_map=None: sum(x.item() for x in batch)
    loader = DataLoader(minigrad.arange(5), batch_size=3)
    assert [batch.tolist() for batch in loader] == [[0, 1, 2], [3, 4]]
    monkeypatch.setitem(default_collate_fn_map, minigrad.Tensor, total)
    assert list(loader) == [3, 7]

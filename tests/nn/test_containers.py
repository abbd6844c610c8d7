"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from collections import OrderedDict

import pytest

import minigrad
from minigrad import nn


def layers(lib=nn):
    return [lib.Linear(2, 3), lib.ReLU(), lib.Linear(3, 4)]


def names(container):
    return [name for name, _ in container.named_children()]


@pytest.mark.parametrize("kind", [nn.Sequential, lambda *modules: nn.ModuleList(modules)])
def test_they_behave_as_lists(kind):
    a, b, c = layers()
    m = kind(a, b, c)
    assert len(m) == 3
    assert list(m) == [a, b, c]
    assert m[0] is a
    assert m[-1] is c
    assert list(m[1:]) == [b, c]
    assert type(m[1:]) is type(m)
    assert list(m[::-1]) == [c, b, a]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"index {index} is out of range, its length is 3"):
            m[index]

    d = nn.Tanh()
    m[1] = d
    assert list(m) == [a, d, c]
    assert m.append(b) is m
    assert m.insert(1, nn.Sigmoid()) is m
    assert [type(x).__name__ for x in m] == ["Linear", "Sigmoid", "Tanh", "Linear", "ReLU"]
    assert names(m) == ["0", "1", "2", "3", "4"]
    del m[1]
    assert m.pop(1) is d
    assert m.pop() is b
    assert list(m) == [a, c]
    assert names(m) == ["0", "1"]
    assert [key for key, _ in m.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    del m[:]
    assert len(m) == 0
    with pytest.raises(IndexError):
        m.pop()
    m.extend([a, b])
    m += [c]
    assert list(m) == [a, b, c]
    with pytest.raises(TypeError, match="expected a Module as '3', got int"):
        m.append(3)
    assert len(m) == 3


def test_sequential_feeds_each_output_to_the_next():
    a, b, c = layers()
    x = minigrad.randn(5, 2)
    assert nn.Sequential(a, b, c)(x).tolist() == c(b(a(x))).tolist()
    assert nn.Sequential()(x) is x
    relu = nn.ReLU()
    assert list(nn.Sequential(relu, relu)) == [relu, relu]
    assert list(nn.Sequential(a) + nn.Sequential(b)) == [a, b]
    assert list(nn.ModuleList([a]) + [b]) == [a, b]


def test_sequential_of_names():
    m = nn.Sequential(OrderedDict(first=nn.Linear(2, 3), act=nn.ReLU()))
    assert names(m) == ["first", "act"]
    assert m.first is m[0]
    assert names(m[:1]) == ["first"]
    with pytest.raises(TypeError, match="expected a Module as '0', got dict"):
        nn.Sequential({"first": nn.ReLU()})


def test_a_hook_may_come_and_go_while_a_sequential_runs():
    m = nn.Sequential(nn.Identity(), nn.Identity())
    calls = []

    def hook(module, args):
        calls.append(1)
        m.register_forward_hook(lambda *_: calls.append(2))

    m[0].register_forward_pre_hook(hook)
    m(1)
    m(1)
    assert calls == [1, 1, 2]


def test_module_list_is_not_called():
    with pytest.raises(NotImplementedError, match="ModuleList has none"):
        nn.ModuleList([nn.ReLU()])(minigrad.ones(1))


def test_module_dict():
    a, b, c = layers()
    m = nn.ModuleDict({"a": a, "b": b})
    assert (list(m), list(m.keys()), list(m.values()), list(m.items())) == (
        ["a", "b"],
        ["a", "b"],
        [a, b],
        [("a", a), ("b", b)],
    )
    assert m["a"] is a
    assert "a" in m
    assert "c" not in m
    assert len(m) == 2
    m["c"] = c
    m.update([("a", c)])
    assert list(m.values()) == [c, b, c]
    assert m.pop("b") is b
    del m["c"]
    assert list(m) == ["a"]
    for call in (lambda: m["x"], lambda: m.pop("x"), lambda: m.__delitem__("training")):
        with pytest.raises(KeyError):
            call()
    assert m.training
    m.clear()
    assert len(m) == 0
    with pytest.raises(KeyError, match="already has an attribute 'keys'"):
        m["keys"] = a
    with pytest.raises(KeyError, match="must not be empty or contain"):
        m["a.b"] = a
    with pytest.raises(TypeError, match="expected a string"):
        m[1] = a
    assert list(nn.ModuleDict(nn.ModuleDict({"a": a}))) == ["a"]


def test_parameter_containers():
    p, q = nn.Parameter(minigrad.zeros(2, 3)), minigrad.zeros(3)
    m = nn.Module()
    m.row = nn.ParameterList([p, q])
    m.named = nn.ParameterDict({"p": p, "q": nn.Parameter(minigrad.zeros(()))})
    assert m.row[0] is p
    assert isinstance(m.row[1], nn.Parameter)
    assert m.row[1].array is q.array
    assert [name for name, _ in m.named_parameters()] == ["row.0", "row.1", "named.q"]
    assert list(m.state_dict()) == ["row.0", "row.1", "named.p", "named.q"]
    m.row.append(minigrad.ones(1))
    assert [x.numel() for x in m.row] == [6, 3, 1]
    assert m.row.pop(0) is p
    assert [name for name, _ in m.row.named_parameters()] == ["0", "1"]
    assert list(m.named.keys()) == ["p", "q"]
    assert repr(m.named) == (
        "ParameterDict(\n"
        "  (p): Parameter containing: [float32 of size 2x3]\n"
        "  (q): Parameter containing: [float32 of size ]\n"
        ")"
    )
    with pytest.raises(TypeError, match="expected a Tensor, got float"):
        m.row.append(1.0)


def test_repr_and_keys_are_pytorchs():
    torch = pytest.importorskip("torch")
    seen = []
    for lib in (nn, torch.nn):
        deep = lib.Sequential(lib.Sequential(*layers(lib)), lib.ModuleList(), lib.Flatten())
        alike = lib.ModuleList([lib.Linear(2, 2), lib.Linear(2, 2), lib.ReLU(), lib.Sequential(lib.Tanh()), lib.ReLU()])
        same = lib.ModuleList(lib.Sequential(lib.Tanh(), lib.ReLU()) for _ in range(3))
        named = lib.ModuleDict({"x": alike, "y": lib.Sequential()})
        seen.append([(repr(m), list(m.state_dict())) for m in (deep, alike, same, named)])
    assert seen[0] == seen[1]

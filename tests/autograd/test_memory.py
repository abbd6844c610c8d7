"""What a graph keeps alive, and when it lets go. The cycle collector is off throughout: counting has to do."""

import copy
import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad
from minigrad import autograd, nn, ops
from minigrad.autograd.node import Node
from minigrad.nn import functional as F


@pytest.fixture(autouse=True)
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*shape, seed=0):
    return minigrad.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, shape), requires_grad=True)


def graph_of(*tensors):
    """Return all nodes from which the tensors were made."""
    nodes, stack = {}, [t.grad_fn for t in tensors if t.grad_fn is not None]
    while stack:
        node = stack.pop()
        if type(node) is Node and id(node) not in nodes:
            nodes[id(node)] = node
            stack.extend(node.parents)
    return list(nodes.values())


def watch(*tensors, but=()):
    """Return weak references to the nodes behind the tensors and to all arrays those keep, except those of ``but``."""
    spared = {id(t.array) for t in but}
    arrays = {id(t.array): t.array for t in tensors}
    for node in graph_of(*tensors):
        arrays |= {id(x): x for x in node.kept if isinstance(x, np.ndarray)}
    return [weakref.ref(x) for x in (*graph_of(*tensors), *(a for k, a in arrays.items() if k not in spared))]


def alive(references):
    return [r() for r in references if r() is not None]


# ----------------------------------------------------------------------------------------------------------------
# Everything is freed by counting references


def example(x, w):
    """A bit of everything: views, reused values, hooks, in-place changes, kept outputs, options, raw rules."""
    h = (x @ w).relu()
    h = h + h.exp().sum(dim=0, keepdim=True).log()
    h = h.reshape(-1)[: h.numel()].view(h.shape).T.T
    h = minigrad.cat([h, h[:, [0, 0]] * 2], dim=1)
    h[0] = h[1] * 0.5
    h *= 1.5
    h.register_hook(lambda g: g * 2)
    return F.cross_entropy(F.batch_norm(h, None, None, training=True), minigrad.zeros(h.shape[0], dtype=minigrad.int64))


@pytest.mark.parametrize(
    "use",
    [
        lambda loss, x, w: None,
        lambda loss, x, w: loss.backward(),
        lambda loss, x, w: loss.backward(retain_graph=True),
        lambda loss, x, w: autograd.grad(loss, [x, w]),
        lambda loss, x, w: autograd.grad(loss, [x, w], create_graph=True),
        lambda loss, x, w: autograd.grad(autograd.grad(loss, x, create_graph=True)[0].sum(), [x, w]),
    ],
    ids=["dropped", "backward", "retained", "grad", "grad create_graph", "second order"],
)
def test_a_graph_goes_with_its_loss(use):
    x, w = leaf(4, 3), leaf(3, 5)
    loss = example(x, w)
    references = watch(loss, but=(x, w))
    assert len(references) > 20
    use(loss, x, w)
    del loss
    assert alive(references) == []


def test_a_training_step_leaves_no_garbage():
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer = minigrad.optim.Adam(model.parameters())
    x, t = minigrad.rand(6, 3), minigrad.zeros(6, dtype=minigrad.int64)

    def step():
        loss = F.cross_entropy(model(x), t)
        references = watch(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return references

    step(), step()
    gc.collect()
    references = step()
    own = {id(p.array) for p in model.parameters()} | {id(x.array), id(t.array)}
    assert [r for r in alive(references) if id(r) not in own] == []
    assert gc.collect() == 0


def test_intermediate_tensors_go_while_the_loss_lives():
    x = leaf(3)
    h = x + 1  # add keeps nothing, exp its output only
    y = h.exp()
    array, tensor = weakref.ref(h.array), weakref.ref(h)
    del h
    assert array() is None and tensor() is None
    y.sum().backward()


def test_backward_create_graph_holds_on_to_itself():
    # x.grad has a history, which leads back to x: a circle, as in PyTorch. It goes with the gradient.
    x = leaf(3)
    loss = (x * x * x).sum()
    loss.backward(create_graph=True)
    references = watch(loss, x.grad, but=(x,))
    del loss
    assert alive(references)
    x.grad = None
    assert alive(references) == []


def test_a_hook_that_knows_its_tensor_is_a_circle_of_the_users():
    x = leaf(3)
    y = x * x
    y.register_hook(lambda g, y=y: None)
    reference = weakref.ref(y)
    del y
    assert reference() is not None
    gc.collect()
    assert reference() is None


def test_retain_grad_does_not_keep_its_tensor():
    x = leaf(3)
    y = x * x
    y.retain_grad()
    z = y.sum()
    reference = weakref.ref(y)
    del y
    assert reference() is None
    z.backward()
    assert x.grad is not None


def test_an_error_in_backward_keeps_nothing():
    x = leaf(3)
    y = x * x

    def fails(g):
        raise ZeroDivisionError

    y.register_hook(fails)
    references = watch(y, but=(x,))
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    del y
    assert alive(references) == []


# ----------------------------------------------------------------------------------------------------------------
# The walk frees as it goes


def test_buffers_are_freed_while_the_walk_goes_on():
    x = leaf(4)
    y, outputs = x, []
    for _ in range(10):
        y = y.exp().log()  # exp keeps its output, log its input: the same array
        outputs.append(weakref.ref(y.grad_fn.kept[0]))
    counts = []

    def count(g):
        counts.append(len(alive(outputs)))

    node = y.grad_fn
    while type(node) is Node:
        node.hooks = [count]
        node = node.parents[0]
    del node
    y.sum().backward()
    assert counts == [k for n in range(10, 0, -1) for k in (n, n)]
    assert alive(outputs) == []


def test_gradients_are_dropped_as_they_are_used():
    x = leaf(4)
    y, seen = x, []
    for _ in range(5):
        y = y * 2.0
        y.register_hook(lambda g: seen.append(weakref.ref(g.array)))
    y.sum().backward()
    assert len(seen) == 5 and alive(seen) == []


def test_a_released_graph_holds_nothing():
    x, w = leaf(4, 3), leaf(3, 5)
    loss = example(x, w)
    nodes = graph_of(loss)
    arrays = [r for r in watch(loss, but=(x, w)) if isinstance(r(), np.ndarray) and r() is not loss.array]
    loss.backward()
    assert alive(arrays) == []
    for node in nodes:
        assert node.kept is None and not node.tensors and not node.parents


def test_grad_releases_only_what_it_walked():
    x = leaf(3)
    y = x * x
    z = (y * y).sum()
    autograd.grad(z, y)
    assert z.grad_fn.kept is None and y.grad_fn.kept is not None


def test_retained_graph_keeps_what_it_kept():
    x = leaf(3)
    y = (x * x).exp()
    before = [(id(node), [id(k) for k in node.kept]) for node in graph_of(y)]
    y.sum().backward(retain_graph=True)
    assert [(id(node), [id(k) for k in node.kept]) for node in graph_of(y)] == before


# ----------------------------------------------------------------------------------------------------------------
# A rule keeps what it names, no more


def kept(y):
    return [k for k in y.grad_fn.kept if isinstance(k, np.ndarray)]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda a, b: a + b, []),
        (lambda a, b: a - b, []),
        (lambda a, b: -a, []),
        (lambda a, b: a.sum(), []),
        (lambda a, b: a.mean(dim=0), []),
        (lambda a, b: a.reshape(-1), []),
        (lambda a, b: a.T, []),
        (lambda a, b: a[0], []),
        (lambda a, b: a[a.array > 1], []),
        (lambda a, b: a.clone(), []),
        (lambda a, b: a.float(), []),
        (lambda a, b: minigrad.cat([a, b]), []),
        (lambda a, b: a * 2.0, []),
        (lambda a, b: a / 2.0, []),
        (lambda a, b: a * b, ["a", "b"]),
        (lambda a, b: a * b.detach(), ["b"]),
        (lambda a, b: a.detach() * b, ["a"]),
        (lambda a, b: a.exp(), ["y"]),
        (lambda a, b: a.tanh(), ["y"]),
        (lambda a, b: a.sigmoid(), ["y"]),
        (lambda a, b: a.relu(), ["y"]),
        (lambda a, b: a.sqrt(), ["y"]),
        (lambda a, b: a.log(), ["a"]),
        (lambda a, b: a.sin(), ["a"]),
        (lambda a, b: a**2, ["a"]),
        (lambda a, b: a / b, ["b", "y"]),
        (lambda a, b: a / b.detach(), ["b"]),
        (lambda a, b: a @ b.T, ["a", "b"]),
    ],
)
def test_kept(function, expected):
    a, b = leaf(3, 3), leaf(3, 3, seed=1)
    y = function(a, b)
    named = {"a": a.array, "b": b.array, "y": y.array}
    found = [name for k in kept(y) for name, x in named.items() if np.shares_memory(k, x)]
    assert sorted(found) == expected
    if expected == []:
        assert all(k.dtype.kind != "f" for k in kept(y))  # an index, at most


def test_nothing_is_kept_without_recording():
    x = leaf(3)
    with minigrad.no_grad():
        y = x.exp().log()
    assert y.grad_fn is None
    z = minigrad.ones(3).exp()
    assert z.grad_fn is None


# ----------------------------------------------------------------------------------------------------------------
# How people lose memory, and how not to


def test_summing_losses_keeps_their_graphs():
    # ``total += loss`` makes total depend on every step: all of it stays, until total goes or is walked.
    x = leaf(1000)
    total, references = minigrad.tensor(0.0, dtype=np.float64), []
    for _ in range(3):
        loss = x.exp().sum()
        references += watch(loss, but=(x,))
        total += loss
    del loss
    assert len(alive(references)) >= 6
    total.backward()
    assert [r for r in alive(references) if isinstance(r, np.ndarray) and r.size == 1000] == []
    np.testing.assert_allclose(x.grad.array, 3 * np.exp(x.array), rtol=1e-14)


@pytest.mark.parametrize("number", [lambda loss: loss.detach(), lambda loss: loss.item()], ids=["detach", "item"])
def test_summing_numbers_keeps_nothing(number):
    x = leaf(1000)
    total, references = minigrad.tensor(0.0, dtype=np.float64), []
    for _ in range(3):
        loss = x.exp().sum()
        references += [r for r in watch(loss, but=(x,)) if r() is not loss.array]
        total += number(loss)
    del loss
    assert alive(references) == []
    assert total.item() == pytest.approx(3 * np.exp(x.array).sum())


def test_summing_walked_losses_keeps_only_their_stubs():
    x = leaf(1000)
    total, references = 0.0, []
    for _ in range(3):
        loss = x.exp().sum()
        references += [r for r in watch(loss, but=(x,)) if isinstance(r(), np.ndarray)]
        loss.backward()
        total = total + loss
    del loss
    assert all(r.size == 1 for r in alive(references))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_have_no_history(duplicate):
    x = leaf(3)
    y = x.exp()
    node = weakref.ref(y.grad_fn)
    z = duplicate(y)
    assert z.grad_fn is None and not z.requires_grad
    np.testing.assert_array_equal(z.array, y.array)
    del y
    assert node() is None


def test_deepcopy_of_a_long_chain_does_not_recurse():
    y = leaf(1)
    for _ in range(5000):
        y = y + 1.0
    assert copy.deepcopy(y).item() == pytest.approx(y.item())
    assert pickle.loads(pickle.dumps(y)).item() == y.item()


# ----------------------------------------------------------------------------------------------------------------
# Rules do not write into what is not theirs


def test_walking_twice_gives_the_same_twice():
    # A fast rule that wrote into a kept array, or into the gradient that it shares, would show here.
    x, w = leaf(4, 3), leaf(3, 5)
    loss = example(x, w)
    first = autograd.grad(loss, [x, w], retain_graph=True)
    second = autograd.grad(loss, [x, w], retain_graph=True)
    with_history = autograd.grad(loss, [x, w], create_graph=True)
    for a, b, c in zip(first, second, with_history):
        np.testing.assert_array_equal(a.array, b.array)
        np.testing.assert_allclose(a.array, c.array, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["relu", "exp", "sigmoid", "tanh", "sum", "neg", "clone"])
def test_rules_leave_the_gradient_as_it_is(name):
    x = leaf(3, 4)
    y = getattr(ops, {"sum": "sum_"}.get(name, name))(x)
    given = minigrad.full(y.shape, 2.0, dtype=np.float64)
    y.backward(given)
    assert (given.array == 2.0).all()


def test_ten_thousand_training_steps_take_no_more_memory_than_ten() -> None:
    """With the collector off, so that reference counting alone has to free every graph."""
    minigrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 2))
    optimizer = minigrad.optim.Adam(model.parameters(), lr=1e-3)
    x, t = minigrad.randn(16, 2), minigrad.tensor([0, 1] * 8)

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()

    train(10)
    gc.collect()
    objects = len(gc.get_objects())
    train(10_000)
    assert len(gc.get_objects()) - objects < 50
    tracemalloc.start()
    try:
        train(10)
        before = tracemalloc.get_traced_memory()[0]
        train(500)
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()

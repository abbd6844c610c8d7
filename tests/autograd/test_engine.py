"""The walk: every node once, in the right order, and gradients that belong to nobody else."""

import gc
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad
from minigrad import autograd
from minigrad.autograd.node import Node


def leaf(*values, dtype=np.float64):
    data = values[0] if len(values) == 1 else list(values)
    return minigrad.tensor(data, dtype=dtype, requires_grad=True)


@pytest.fixture
def visits(monkeypatch):
    """Count how many nodes the walk asks for shares."""
    counter, original = SimpleNamespace(n=0), Node.shares

    def counting(self, g, create_graph):
        counter.n += 1
        return original(self, g, create_graph)

    monkeypatch.setattr(Node, "shares", counting)
    return counter


# ----------------------------------------------------------------------------------------------------------------
# Order and cost


def test_a_tensor_used_twice_by_one_op():
    x = leaf(3.0)
    (x * x).backward()
    assert x.grad.item() == 6.0


def test_a_node_waits_for_all_its_gradients(visits):
    a = leaf(1.5)
    b = a + a
    c = b + b
    c.backward()
    assert a.grad.item() == 4.0
    assert visits.n == 2


def test_order_of_creation_not_of_use(visits):
    # Walking breadth first from the end would visit `early` before the gradient through the long way has arrived.
    x = leaf(2.0)
    early = x * 3
    long_way = ((early * 2) * 2) * 2
    (early + long_way).backward()
    assert x.grad.item() == 3 * (1 + 8)
    assert visits.n == 5


def test_sixty_doublings_take_sixty_visits(visits):
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60
    assert visits.n == 60


def test_many_paths_create_graph_stays_linear(visits):
    x = leaf(1.0)
    y = x
    for _ in range(20):
        y = y * y
    (g,) = autograd.grad(y, x, create_graph=True)
    assert g.item() == 2.0**20
    first, visits.n = visits.n, 0
    (h,) = autograd.grad(g, x)
    assert h.item() == 2.0**20 * (2.0**20 - 1)
    assert first == 20 and visits.n < 200


@pytest.mark.parametrize("backward", [True, False], ids=["walked", "dropped"])
def test_chain_of_100000(visits, backward):
    x = leaf(1.0)
    y = x
    for k in range(100_000):
        y = y + 1.0 if k % 2 else y * -1.0
    if backward:
        y.backward()
        assert x.grad.item() == 1.0
        assert visits.n == 100_000
    else:
        first = y.grad_fn
        while first.parents[0] is not x:
            first = first.parents[0]
        assert first.number < y.grad_fn.number
        del first
    del y  # must not recurse through 100,000 nodes, with the collector or without
    assert visits.n == 100_000 * backward


def test_dropped_chain_of_kept_tensors():
    # Here nodes also hold tensors, which hold nodes: the other way to fall 100,000 deep.
    w = leaf(1.0)
    y = w
    for _ in range(100_000):
        y = y * w
    assert y.item() == 1.0
    gc.disable()
    try:
        del y
    finally:
        gc.enable()


def test_wide_fan_in(visits):
    x = leaf(1.0)
    total = sum((x * float(k) for k in range(1000)), minigrad.tensor(0.0, dtype=np.float64))
    total.backward()
    assert x.grad.item() == 999 * 500
    assert visits.n == 2000


def test_only_wanted_gradients_are_computed():
    asked = []
    product = minigrad.ops.op(lambda xp, a, b, /: a * b)
    product.derivative(a=lambda g, b: asked.append("a") or g * b, b=lambda g, a: asked.append("b") or g * a)
    del minigrad.ops.registry[product.name]
    product(minigrad.tensor(2.0), leaf(3.0)).backward()
    assert asked == ["b"]


# ----------------------------------------------------------------------------------------------------------------
# backward()


def test_gradients_add_up_over_calls():
    x = leaf(2.0)
    for total in (4.0, 8.0, 12.0):
        (x * x).backward()
        assert x.grad.item() == total


def test_accumulation_keeps_the_tensor_as_pytorch_does():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    g = x.grad
    x.sum().backward()
    assert x.grad is g
    np.testing.assert_array_equal(g.array, [3.0, 5.0])


def test_unused_leaf_has_no_gradient():
    x, unused = leaf(1.0), leaf(1.0)
    (x * 2).backward()
    assert unused.grad is None


def test_leaf_is_its_own_root():
    x = leaf(3.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_second_backward_explains_itself():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"walked before.*MulBackward0.*retain_graph=True.*loop.*detach\(\)"):
        y.backward()
    assert x.grad.item() == 4.0  # nothing was added


def test_second_backward_through_a_shared_part_changes_nothing():
    x, w = leaf(2.0), leaf(5.0)
    shared = x * x
    (shared * 2).backward()
    with pytest.raises(RuntimeError, match="walked before"):
        (shared * w).backward()
    assert x.grad.item() == 8.0
    assert w.grad is None


def test_retain_graph():
    x = leaf(2.0)
    y = (x * x).exp()
    y.backward(retain_graph=True)
    once = x.grad.item()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 3 * once
    with pytest.raises(RuntimeError, match="walked before"):
        y.backward()


def test_gradient_argument():
    x = leaf(1.0, 2.0)
    (x * x).backward(gradient=minigrad.tensor([10.0, 1.0], dtype=np.float64))
    np.testing.assert_array_equal(x.grad.array, [20.0, 4.0])


def test_gradient_argument_is_needed_for_more_than_one_entry():
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*\.sum\(\) or \.mean\(\).*gradient="):
        (leaf(1.0, 2.0) * 2).backward()
    x = leaf([[4.0]])
    (x * 2).backward()  # one entry is enough, whatever the dimensions
    assert x.grad.shape == (1, 1)


def test_gradient_argument_of_wrong_shape_or_kind():
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match=r"tensor's shape \(2,\), got \(1,\)"):
        y.backward(minigrad.tensor([1.0]))
    with pytest.raises(TypeError, match="expected a Tensor as gradient, got ndarray"):
        y.backward(np.ones(2))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("given", ["float64", "int64", "bool"])
def test_gradient_argument_takes_the_dtype_of_the_tensor(given, create_graph):
    x = leaf(1.0, 2.0, dtype=np.float32)
    x.backward(minigrad.ones(2).to(getattr(minigrad, given)), create_graph=create_graph)
    assert x.grad.dtype == np.float32
    (-x).backward(minigrad.ones(2).to(getattr(minigrad, given)), create_graph=create_graph)
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad.array, [0.0, 0.0])


def test_several_roots():
    x = leaf(3.0)
    y = x * x
    autograd.backward([y, x * 2, y], [minigrad.tensor(10.0), None, None])
    assert x.grad.item() == 60 + 2 + 6


def test_several_roots_need_as_many_gradients():
    x = leaf(3.0)
    with pytest.raises(RuntimeError, match="got 2 tensors and 1 gradients"):
        autograd.backward([x * 1, x * 2], [minigrad.tensor(1.0)])


def test_inputs_limits_who_gets_a_gradient(visits):
    x, w = leaf(2.0), leaf(5.0)
    y = x * x
    z = y * w
    z.backward(inputs=[w], retain_graph=True)
    assert w.grad.item() == 4.0 and x.grad is None
    assert visits.n == 1  # the other half of the graph was not walked
    z.backward(inputs=x)
    assert x.grad.item() == 20.0 and w.grad.item() == 4.0


@pytest.mark.parametrize("retained", [False, True])
def test_inputs_that_are_not_leaves(retained):
    x = leaf(2.0)
    y = x * x
    if retained:
        y.retain_grad()
    (y * 3).backward(inputs=[y])
    assert y.grad.item() == 3.0  # once, not twice
    assert x.grad is None


def test_inputs_that_cannot_get_a_gradient():
    x = leaf(2.0)
    y = x * x
    with pytest.raises(RuntimeError, match="inputs is empty"):
        y.backward(inputs=[])
    with pytest.raises(RuntimeError, match="input 1 does not require grad"):
        y.backward(inputs=[x, minigrad.tensor(1.0)])
    y.backward(inputs=[leaf(1.0)])  # unused: no gradient, as in PyTorch
    assert x.grad is None


def test_leaf_that_was_frozen_after_the_forward_gets_none():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None and w.grad.item() == 2.0


def test_released_part_is_never_taken_for_unused():
    # Without its parents nobody knows what a released node leads to: None, or zeros, would be wrong.
    x = leaf(2.0)
    y = x * x
    autograd.grad(y, x)
    for again in (
        lambda: autograd.grad(y, x, allow_unused=True),
        lambda: autograd.grad(y * 2, x, materialize_grads=True),
        lambda: (y * 2).backward(inputs=[x]),
    ):
        with pytest.raises(RuntimeError, match="walked before"):
            again()
    assert x.grad is None


# ----------------------------------------------------------------------------------------------------------------
# grad()


def test_grad_of_leaves_and_others_touches_no_grad():
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    z = y * y
    gx, gy, gw = autograd.grad(z, [x, y, w])
    assert [g.item() for g in (gx, gy, gw)] == [36.0, 12.0, 24.0]
    assert x.grad is None and w.grad is None and y._grad is None
    assert not gx.requires_grad


def test_grad_of_an_input_used_by_another_input():
    x = leaf(2.0)
    y = x * x
    assert [g.item() for g in autograd.grad([y, y * 3], [x, y])] == [16.0, 4.0]


def test_grad_of_itself():
    x = leaf(2.0)
    assert autograd.grad(x, x)[0].item() == 1.0
    y = x * x
    assert autograd.grad(y, y)[0].item() == 1.0


def test_grad_of_the_same_input_twice():
    x = leaf(1.0, 2.0)
    a, b = autograd.grad((x * x).sum(), [x, x])
    a.zero_()
    np.testing.assert_array_equal(b.array, [2.0, 4.0])


def test_grad_stops_at_its_inputs(visits):
    # Backward in two halves: what lies below y is neither computed nor freed by the first.
    x = leaf(1.0, 2.0)
    y = x * x
    z = (y * y).sum()
    (gy,) = autograd.grad(z, y)
    assert visits.n == 2
    y.backward(gy)
    np.testing.assert_array_equal(x.grad.array, 4 * np.array([1.0, 8.0]))


def test_grad_with_outputs_gradients():
    x = leaf(1.0, 2.0)
    (g,) = autograd.grad([x * 2, x.sum()], x, [minigrad.tensor([1.0, 10.0], dtype=np.float64), None])
    np.testing.assert_array_equal(g.array, [3.0, 21.0])


def test_unused_inputs():
    x, unused = leaf(2.0), leaf(1.0, 2.0, dtype=np.float32)
    with pytest.raises(RuntimeError, match=r"input 1 was not used.*allow_unused=True"):
        autograd.grad(x * x, [x, unused])
    assert autograd.grad(x * x, [x, unused], allow_unused=True)[1] is None
    zeros = autograd.grad(x * x, [x, unused], materialize_grads=True)[1]
    assert zeros.dtype == np.float32 and zeros.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="contradict"):
        autograd.grad(x * x, [x, unused], allow_unused=False, materialize_grads=True)


def test_grad_refuses_what_has_no_gradient():
    x = leaf(2.0)
    with pytest.raises(RuntimeError, match=r"input 0 does not require grad.*before it is used"):
        autograd.grad(x * x, minigrad.tensor(1.0))
    with pytest.raises(RuntimeError, match="no history"):
        autograd.grad(minigrad.tensor(1.0), x)
    with pytest.raises(RuntimeError, match="inputs is empty"):
        autograd.grad(x * x, [])
    with pytest.raises(NotImplementedError, match="once per row"):
        autograd.grad(x * x, x, is_grads_batched=True)


def test_grad_error_leaves_no_listener_behind():
    x = leaf(2.0)
    y = x * x
    with pytest.raises(RuntimeError, match="was not used"):
        autograd.grad(x * 3, y)
    assert not y.grad_fn.hooks


# ----------------------------------------------------------------------------------------------------------------
# create_graph


def test_derivatives_up_to_the_fifth():
    x = leaf(2.0)
    y, expected = x**5, [80.0, 160.0, 240.0, 240.0, 120.0]
    for value in expected:
        (y,) = autograd.grad(y, x, create_graph=True)
        assert y.item() == value


@pytest.mark.parametrize(
    ("function", "third"),
    [
        (lambda x: x.exp(), np.exp(0.7)),
        (lambda x: x.sin(), -np.cos(0.7)),
        (lambda x: x.tanh(), None),
        (lambda x: 1 / x, -6 / 0.7**4),
        (lambda x: (x * x).log(), 4 / 0.7**3),
    ],
)
def test_third_derivatives(function, third):
    if third is None:  # tanh''' = (6 t^2 - 2)(1 - t^2)
        t = np.tanh(0.7)
        third = (6 * t * t - 2) * (1 - t * t)
    x = leaf(0.7)
    y = function(x)
    for _ in range(3):
        (y,) = autograd.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(third, rel=1e-13)


def test_hessian_vector_product_by_hand():
    x, v = leaf(1.0, 2.0, 3.0), minigrad.tensor([1.0, 0.0, -1.0], dtype=np.float64)
    (g,) = autograd.grad((x.prod() + (x * x * x).sum()), x, create_graph=True)
    (hv,) = autograd.grad((g * v).sum(), x)
    hessian = np.array([[6.0, 3, 2], [3, 12.0, 1], [2, 1, 18.0]])
    np.testing.assert_allclose(hv.array, hessian @ v.array, rtol=1e-14)


def test_gradient_with_respect_to_the_incoming_gradient():
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = autograd.grad(x * x, x, v, create_graph=True)
    (gv,) = autograd.grad(g.sum(), v)
    np.testing.assert_array_equal(gv.array, [2.0, 4.0])


def test_gradient_penalty():
    x, w = leaf(1.0, 2.0), leaf(3.0, -1.0)
    (g,) = autograd.grad((w * x * x).sum(), x, create_graph=True)
    ((g * g).sum()).backward()
    np.testing.assert_array_equal(w.grad.array, 8 * np.array([3.0 * 1, -1.0 * 4]))
    np.testing.assert_array_equal(x.grad.array, 8 * np.array([9.0 * 1, 1.0 * 2]))


def test_backward_create_graph_accumulates_with_history():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    (x**2).backward(create_graph=True)
    assert x.grad.item() == 33.0
    (second,) = autograd.grad(x.grad, x)
    assert second.item() == 20.0
    x.grad = None  # the gradient's history leads back to x: a circle until here


@pytest.mark.parametrize("switch", [minigrad.no_grad, minigrad.inference_mode])
def test_create_graph_inside_no_grad(switch):
    x = leaf(2.0)
    y = x**3
    with switch():
        assert not autograd.grad(y, x, retain_graph=True)[0].requires_grad
        (g,) = autograd.grad(y, x, create_graph=True)
        y.backward(create_graph=True)
        y.backward(create_graph=True)
    assert autograd.grad(g, x)[0].item() == 12.0
    assert autograd.grad(x.grad, x)[0].item() == 24.0
    x.grad = None


def test_grad_inside_no_grad():
    x = leaf(2.0)
    y = x * x
    with minigrad.no_grad():
        assert autograd.grad(y, x)[0].item() == 4.0
        (leaf(1.0) * 1).requires_grad_()  # a leaf made under no_grad may still be one


def test_create_graph_then_plain():
    x = leaf(1.0, 2.0)
    x.sum().backward(create_graph=True)  # a gradient that is a broadcast view, into which nobody can write
    x.sum().backward()
    np.testing.assert_array_equal(x.grad.array, [2.0, 2.0])


# ----------------------------------------------------------------------------------------------------------------
# Hooks


def test_hook_on_leaf_sees_and_replaces():
    x, seen = leaf(1.0, 2.0), []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: g * 10)
    (x * x + x).sum().backward()
    assert seen == [[3.0, 5.0]]  # once, with the sum over both uses
    np.testing.assert_array_equal(x.grad.array, [30.0, 50.0])
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert len(seen) == 1


def test_hook_on_leaf_is_called_by_grad_too():
    x = leaf(2.0)
    x.register_hook(lambda g: g * 10)
    assert autograd.grad(x * x, [x, x])[1].item() == 40.0
    (x * x).backward(inputs=[x])
    assert x.grad.item() == 40.0


def test_hook_on_non_leaf():
    x = leaf(1.0, 2.0)
    y = x * x
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, 4 * 2 * x.array)


def test_hook_runs_before_grad_takes_the_gradient():
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * 10)
    assert autograd.grad(y * 3, y)[0].item() == 30.0


def test_removed_hooks_stay_removed():
    # Asking for y's gradient in other ways must not lose track of the handle.
    x = leaf(2.0)
    y = x * x
    handle = y.register_hook(lambda g: g * 10)
    autograd.grad(y * 3, y, retain_graph=True)
    y.retain_grad()
    handle.remove()
    y.backward()
    assert (x.grad.item(), y.grad.item()) == (4.0, 1.0)


def test_one_function_registered_twice():
    x = leaf(2.0)
    double = lambda g: g * 2
    first, _ = x.register_hook(double), x.register_hook(double)
    first.remove()
    first.remove()
    x.backward()
    assert x.grad.item() == 2.0


def test_handle_as_context():
    x = leaf(2.0)
    with x.register_hook(lambda g: g * 10):
        (x * 1).backward()
    (x * 1).backward()
    assert x.grad.item() == 11.0


def test_hook_with_history():
    x = leaf(2.0)
    y = x**3
    y.register_hook(lambda g: g * g * 5)
    (g,) = autograd.grad(y * 2, x, create_graph=True)
    assert g.item() == 20 * 12.0
    assert autograd.grad(g, x)[0].item() == 20 * 12.0


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda g: 3.0, TypeError, "a hook returned float, expected a Tensor or None"),
        (lambda g: g.sum(), RuntimeError, r"shape \(\).*expected \(2,\)"),
        (lambda g: g.float(), RuntimeError, "float32, expected .* float64"),
    ],
)
def test_hook_that_returns_nonsense(result, error, message):
    x = leaf(1.0, 2.0)
    (y := x * x).register_hook(result)
    with pytest.raises(error, match=message):
        y.sum().backward()
    assert x.grad is None


def test_hook_on_constant():
    with pytest.raises(RuntimeError, match="does not require grad"):
        minigrad.tensor(1.0).register_hook(print)


def test_backward_inside_a_hook():
    x, w = leaf(2.0), leaf(3.0)
    x.register_hook(lambda g: (w * w).backward())
    (x * x).backward()
    assert (x.grad.item(), w.grad.item()) == (4.0, 6.0)


# ----------------------------------------------------------------------------------------------------------------
# retain_grad


def test_retain_grad():
    x = leaf(2.0)
    y = x * x
    assert not y.retains_grad
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    (y * 3).backward(retain_graph=True)
    (y * 3).backward()
    assert y.grad.item() == 6.0 and x.grad.item() == 24.0


def test_retain_grad_sees_what_all_hooks_made_of_the_gradient():
    x = leaf(2.0)
    y = x * x
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.backward()
    assert (y.grad.item(), x.grad.item()) == (10.0, 40.0)


def test_retain_grad_on_leaf_and_constant():
    x = leaf(2.0)
    x.retain_grad()
    assert not x.retains_grad
    (x * x).backward()
    assert x.grad.item() == 4.0
    with pytest.raises(RuntimeError, match="does not require grad"):
        minigrad.tensor(1.0).retain_grad()


def test_retain_grad_with_history():
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    (y**3).backward(create_graph=True)
    assert autograd.grad(y.grad, x)[0].item() == 6 * 4.0 * 4.0
    x.grad = y.grad = None


# ----------------------------------------------------------------------------------------------------------------
# Gradients belong to nobody else


def changed(t):
    t.array[...] = -99.0


@pytest.mark.parametrize("create_graph", [False, True])
def test_both_inputs_of_add(create_graph):
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).sum().backward(create_graph=create_graph)
    changed(x.grad)
    assert y.grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "function",
    [lambda x: x, lambda x: x + 0, lambda x: x.reshape(2, 2).T, lambda x: x.view(4)[:], lambda x: x.double()],
    ids=["itself", "add", "view", "slice", "same dtype"],
)
def test_gradient_given_by_the_user(function, create_graph):
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = function(x)
    given = minigrad.ones(*y.shape, dtype=np.float64)
    y.backward(given, create_graph=create_graph)
    changed(x.grad)
    assert (given.array == 1).all()
    y = function(x)
    x.grad = None
    y.backward(given, create_graph=create_graph)
    y = function(x)
    y.backward(given)  # adds in place
    assert (given.array == 1).all() and (x.grad.array == 2).all()


def test_pieces_of_one_gradient():
    x, y = leaf(1.0, 2.0), leaf(3.0)
    minigrad.cat([x, y.reshape(1), x]).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0] and y.grad.item() == 1.0
    changed(x.grad)
    assert y.grad.item() == 1.0
    x.grad = y.grad = None
    parts = minigrad.stack([x, x * 1])
    (gx, gp) = autograd.grad(parts.sum(), [x, parts])
    changed(gp)
    assert gx.tolist() == [2.0, 2.0]


def test_gradient_returned_by_a_hook():
    x, mine = leaf(1.0, 2.0), minigrad.tensor([5.0, 5.0], dtype=np.float64)
    (y := x + 0).register_hook(lambda g: mine)
    y.sum().backward()
    x.sum().backward()
    assert x.grad.tolist() == [6.0, 6.0] and mine.tolist() == [5.0, 5.0]


def test_gradient_seen_by_a_hook():
    x, kept = leaf(1.0, 2.0), []
    x.register_hook(lambda g: kept.append(g))
    x.sum().backward()
    changed(kept[0])
    x.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0] and kept[1].tolist() == [1.0, 1.0]


def test_retained_gradient():
    x = leaf(1.0, 2.0)
    y, z = x + 0, x + 0
    y.retain_grad(), z.retain_grad()
    (y + z).sum().backward()
    changed(y.grad)
    assert z.grad.tolist() == [1.0, 1.0] and x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_results_of_grad(create_graph):
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    z = x + y
    given = minigrad.ones(2, dtype=np.float64)
    results = autograd.grad(z, [x, y, z], given, create_graph=create_graph)
    for k, g in enumerate(results):
        changed(g)
        assert all(other.tolist() == [1.0, 1.0] for other in results[k + 1 :])
    assert given.tolist() == [1.0, 1.0]


def test_gradient_is_not_part_of_the_graph():
    # A value the rule returns must not be an array that a node still keeps.
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (x * w).sum()
    y.backward(retain_graph=True)
    changed(x.grad), changed(w.grad)
    x.grad = w.grad = None
    y.backward()
    assert x.grad.tolist() == [3.0, 4.0] and w.grad.tolist() == [1.0, 2.0]


# ----------------------------------------------------------------------------------------------------------------
# requires_grad, leaves, detach


def test_requires_grad_is_inherited():
    x, c = leaf(1.0), minigrad.tensor(2.0)
    assert (x * c).requires_grad and (c * x).requires_grad and not (c * c).requires_grad
    assert x.is_leaf and c.is_leaf and not (x * c).is_leaf
    assert (c * c).is_leaf and (c * c).grad_fn is None


def test_results_of_integer_ops_do_not_require_grad():
    x = leaf(1.0, 3.0)
    for y in (x > 2, x == x, x.argmax(), x.long(), x.int(), x.bool(), x.isnan()):
        assert not y.requires_grad


@pytest.mark.parametrize("make", [lambda: minigrad.tensor([1, 2]), lambda: minigrad.tensor([True])])
def test_requires_grad_of_integers(make):
    with pytest.raises(RuntimeError, match=r"only floating.*2\.0 instead of 2.*dtype=minigrad.float32"):
        make().requires_grad_()
    with pytest.raises(RuntimeError, match="only floating"):
        minigrad.tensor([1, 2], requires_grad=True)
    make().requires_grad_(False)


def test_requires_grad_cannot_be_switched_off_in_the_middle():
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"leaves.*detach\(\)"):
        y.requires_grad = False
    y.requires_grad = True
    assert y.grad_fn is not None


def test_leaf_switched_on_after_use_is_not_in_the_graph():
    x, w = minigrad.tensor(2.0), leaf(3.0)
    y = x * w
    x.requires_grad_()
    y.backward()
    assert x.grad is None and w.grad.item() == 2.0


def test_detach_is_a_constant_on_the_same_memory():
    x = leaf(3.0)
    y = x * x
    d = y.detach()
    assert d.array is y.array and d.is_leaf and not d.requires_grad
    (y * d).backward()
    assert x.grad.item() == 6.0 * 9.0


def test_detach_in_place():
    x = leaf(3.0)
    y = x * x
    z = y * 2
    assert y.detach_() is y
    assert y.is_leaf and not y.requires_grad
    z.backward()  # what was built on the history before still has it
    assert x.grad.item() == 12.0
    with pytest.raises(RuntimeError, match=r"view; use detach\(\)"):
        leaf(1.0, 2.0)[:1].detach_()


def test_setting_grad():
    x = leaf(1.0, 2.0)
    x.grad = minigrad.tensor([1.0, 1.0], dtype=np.float64)
    x.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    x.grad = None
    assert x.grad is None
    with pytest.raises(TypeError, match="expected a Tensor or None, got ndarray"):
        x.grad = np.ones(2)
    with pytest.raises(RuntimeError, match=r"expected shape \(2,\) and float64, got \(1,\) and float32"):
        x.grad = minigrad.ones(1)


# ----------------------------------------------------------------------------------------------------------------
# Shapes and dtypes


@pytest.mark.parametrize("create_graph", [False, True])
def test_zero_dimensions_everywhere(create_graph):
    x, w = leaf(2.0), leaf(3.0)
    seen = []
    y = (x * w).exp().log() + x
    y.register_hook(seen.append)
    y.retain_grad()
    y.backward(create_graph=create_graph)
    values = (x, w, y, x.grad, w.grad, y.grad, *seen, *autograd.grad(x * w, [x, w]))
    assert all(type(t.array) is np.ndarray and t.shape == () and t.dtype == np.float64 for t in values)
    (x * w).backward()
    assert type(x.grad.array) is np.ndarray
    assert x.grad.item() == pytest.approx(3.0 + 1 + 3)
    x.grad = w.grad = y.grad = None


def test_empty_tensors():
    x = minigrad.zeros(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    assert x.grad.shape == (0, 3)


def test_broadcasting_is_undone():
    a, b, c = leaf(np.ones((3, 1))), leaf(np.ones((2, 1, 4))), leaf(2.0)
    (a * b * c).sum().backward()
    assert (a.grad.shape, b.grad.shape, c.grad.shape) == ((3, 1), (2, 1, 4), ())
    assert (a.grad.array == 16).all() and (b.grad.array == 6).all() and c.grad.item() == 24


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_have_the_dtype_of_their_leaf(create_graph):
    x, w = leaf(1.0, 2.0, dtype=np.float32), leaf(3.0, 4.0)
    y = x * w
    assert y.dtype == np.float64
    y.sum().backward(create_graph=create_graph)
    assert x.grad.dtype == np.float32 and w.grad.dtype == np.float64
    z = (x.double() * w + x).float()
    assert [g.dtype for g in autograd.grad(z.sum(), [x, w])] == [np.float32, np.float64]
    x.grad = w.grad = None


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), True, np.bool_(True)])
def test_numbers_do_not_change_the_dtype(number):
    x = leaf(1.0, 2.0, dtype=np.float32)
    for y in (x * number, number * x, x + number, x**number, x / number, minigrad.maximum(x, number)):
        assert y.dtype == np.float32
        assert autograd.grad(y.sum(), x)[0].dtype == np.float32


# ----------------------------------------------------------------------------------------------------------------
# What nodes show


def test_grad_fn_can_be_followed():
    x = leaf(2.0)
    y = (x * 3).exp()
    assert repr(y.grad_fn) == "<ExpBackward0>" and y.grad_fn.name() == "ExpBackward0"
    ((mul, number),) = y.grad_fn.next_functions
    assert mul.name() == "MulBackward0" and number == 0
    assert mul.next_functions == ((x, 0),)


# ----------------------------------------------------------------------------------------------------------------
# Threads


def test_backward_in_two_threads_at_once():
    results, start = {}, threading.Barrier(4)

    def work(k):
        x = leaf(np.full(50, 1.0 + k))
        start.wait()
        for _ in range(30):
            y = x
            for _ in range(20):
                y = y * 1.0 + x * 0.5
            y.sum().backward()
        results[k] = x.grad.array

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all((results[k] == 30 * 11.0).all() for k in range(4))

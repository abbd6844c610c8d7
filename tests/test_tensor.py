"""Tensor: PyTorch's attributes, methods and argument forms, and what other libraries do with it."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import types
import weakref
from typing import Any

import beside
import numpy as np
import pytest

import minigrad
from minigrad import Tensor, nn

PROGRAMS = beside.topics("tensor.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def grad_of(f: Any, *values: Any) -> list[Any]:
    xs = [minigrad.tensor(value, requires_grad=True) for value in values]
    f(*xs).sum().backward()
    return [x.grad.tolist() for x in xs]


# ----------------------------------------------------------------------------------------------------------------
# Values, without PyTorch beside


def test_maximum_of_two_and_along_a_dimension() -> None:
    x = minigrad.tensor([[1.0, 5.0], [7.0, 2.0]])
    values, indices = x.max(axis=1, keepdims=True)
    assert values.tolist() == [[5.0], [7.0]] and indices.tolist() == [[1], [0]]
    assert x.max(minigrad.tensor([3.0, 3.0])).tolist() == [[3.0, 5.0], [7.0, 3.0]]
    assert minigrad.min(x, minigrad.tensor(3.0)).tolist() == [[1.0, 3.0], [3.0, 2.0]]
    assert grad_of(minigrad.max, [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0]]


def test_alpha_and_rounding() -> None:
    x = minigrad.tensor([7, -7])
    assert minigrad.add(x, x, alpha=2).tolist() == [21, -21]
    assert minigrad.div(x, 2, rounding_mode="trunc").tolist() == [3, -3]
    assert minigrad.div(x, 2, rounding_mode="floor").tolist() == [3, -4]
    large = minigrad.tensor([2**53 + 1])
    assert minigrad.div(large, 1, rounding_mode="trunc").item() == 2**53 + 1  # not by way of floats
    assert grad_of(lambda a, b: a.sub(b, alpha=3), [1.0], [2.0]) == [[1.0], [-3.0]]


def test_in_place_steps_of_a_hand_written_adam() -> None:
    p, g = minigrad.tensor([1.0, 2.0], requires_grad=True), minigrad.tensor([0.5, -0.5])
    m, v = minigrad.zeros(2), minigrad.zeros(2)
    with minigrad.no_grad():
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.99).addcmul_(g, g, value=0.01)
        p.addcdiv_(m, v.sqrt().add_(1e-8), value=-0.1)
    np.testing.assert_allclose(m.numpy(), [0.05, -0.05], rtol=1e-6)
    np.testing.assert_allclose(v.numpy(), [0.0025, 0.0025], rtol=1e-6)
    np.testing.assert_allclose(p.detach().numpy(), [0.9, 2.1], rtol=1e-6)
    assert p.is_leaf and p.requires_grad


def test_in_place_changes_gradients() -> None:
    def f(x: Tensor) -> Tensor:
        y = x * 2
        y += 1
        y *= y
        return y.lerp_(minigrad.zeros(2), 0.5)

    assert grad_of(f, [1.0, 2.0]) == [[6.0, 10.0]]  # d of (2x + 1)^2 / 2 is 2 (2x + 1)


@pytest.mark.parametrize("name", ["add_", "mul_", "exp_", "relu_", "zero_", "clamp_", "__iadd__"])
def test_in_place_methods_return_the_tensor_itself(name: str) -> None:
    x = minigrad.tensor([1.0, 2.0])
    array = x.numpy()
    arguments = {"add_": (1.0,), "mul_": (2.0,), "clamp_": (0.0,), "__iadd__": (1.0,)}.get(name, ())
    assert getattr(x, name)(*arguments) is x and x._version == 1
    assert x.numpy() is array or np.shares_memory(x.numpy(), array)


def test_where_of_two_numbers_has_the_default_dtype() -> None:
    mask = minigrad.tensor([True, False])
    assert minigrad.where(mask, 1.0, 0.0).dtype == "float32"
    assert minigrad.where(mask, 1, 0).dtype == "int64"


def test_lists_that_grow_start_empty() -> None:
    found = minigrad.tensor([])
    for k in range(3):
        found = minigrad.cat([found, minigrad.full((1, 2), float(k))])
    assert found.tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]


def test_comparison_with_other_things() -> None:
    x = minigrad.tensor([1.0, 2.0])
    assert (x == None) is False and (x != None) is True  # noqa: E711
    assert (x == "a") is False and x not in ([], {})
    assert 2.0 in x and 3.0 not in x
    with pytest.raises(TypeError, match="expected a number or a tensor, got list"):
        [1.0] in x  # noqa: B015


def test_tensors_are_keys_by_identity() -> None:
    x, y = minigrad.tensor([1.0]), minigrad.tensor([1.0])
    assert {x: 1, y: 2}[x] == 1 and len({x, y}) == 2


def test_truth_and_length() -> None:
    assert bool(minigrad.tensor([[2.0]])) and not bool(minigrad.tensor(0))
    assert len(minigrad.zeros(3, 2)) == 3 and [row.tolist() for row in minigrad.eye(2)] == [[1.0, 0.0], [0.0, 1.0]]
    first, second = minigrad.tensor([1.0, 2.0])
    assert float(first) == 1.0 and int(second) == 2
    assert list(range(minigrad.tensor(3))) == [0, 1, 2] and "abc"[minigrad.tensor(1)] == "b"


def test_formatting() -> None:
    loss = minigrad.tensor([0.5, 1.0], requires_grad=True).mean()
    assert f"{loss:.4f} {loss:8.2e}" == "0.7500 7.50e-01" and f"{loss}" == "0.75"
    assert f"{minigrad.tensor([1.0])}" == "tensor([1.])"
    assert f"{nn.Parameter(minigrad.tensor(1.5)):.1f}" == "1.5"


def test_unknown_devices_and_dtypes_are_refused() -> None:
    x = minigrad.zeros(2)
    with pytest.raises(RuntimeError, match="expected 'cpu', 'cuda' or 'cuda:0', got 'gpu'"):
        x.to("gpu")
    with pytest.raises(TypeError, match="half precision is slow"):
        x.half()
    with pytest.raises(TypeError, match="view: minigrad does not look at the same bytes as int32"):
        x.view(minigrad.int32)
    with pytest.raises(TypeError, match="unexpected argument 'dtpye'"):
        x.to(dtpye=minigrad.float64)
    assert not hasattr(x, "to_dense") and not hasattr(x, "to_sparse")


def test_new_tensors_like_this_one() -> None:
    x = minigrad.zeros(2, dtype=minigrad.float64)
    made = [x.new_zeros(2, 3), x.new_ones((2, 3)), x.new_full((2, 3), 7), x.new_tensor([[1, 2, 3]] * 2)]
    assert {(y.dtype, y.shape) for y in made} == {(minigrad.float64, (2, 3))}
    assert x.new_ones(2, dtype=minigrad.int64).dtype == "int64"
    assert x.new_tensor([1.0], requires_grad=True).requires_grad


def test_index_with_uint8_is_refused() -> None:
    x = minigrad.arange(3.0)
    with pytest.raises(IndexError, match=r"uint8 tensors are masks to PyTorch and indices to NumPy; use .bool\(\)"):
        x[minigrad.tensor([1, 0, 1], dtype=minigrad.uint8)]
    assert x[minigrad.tensor([1, 0, 1], dtype=minigrad.uint8).bool()].tolist() == [0.0, 2.0]


# ----------------------------------------------------------------------------------------------------------------
# With NumPy


def test_numpy_shares_memory() -> None:
    x = minigrad.zeros(2)
    x.numpy()[0] = 5.0
    np.asarray(x)[1] = 6.0
    assert x.tolist() == [5.0, 6.0]
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.array(x, dtype=np.float64).dtype == np.float64


def test_numpy_on_the_left_keeps_the_graph() -> None:
    array, scalar = np.array([2.0, 3.0], np.float32), np.float64(4.0)
    for f in (lambda x: array * x, lambda x: array + x, lambda x: scalar * x, lambda x: array - x, lambda x: array @ x):
        x = minigrad.tensor([1.0, 2.0], requires_grad=True)
        y = f(x)
        assert type(y) is Tensor and y.requires_grad and y.dtype == "float32"
    assert grad_of(lambda x: scalar * (array / x), [1.0, 2.0]) == [[-8.0, -3.0]]


def test_numpy_functions_are_refused() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError):
        np.exp(x)
    with pytest.raises(TypeError):
        np.exp(x.detach())
    with pytest.raises(RuntimeError, match=r"NumPy would lose the gradient; use tensor.detach\(\).numpy\(\)"):
        np.concatenate([x, x])
    array = np.ones(2)
    with pytest.raises(TypeError):
        array += x
    assert np.concatenate([x.detach(), x.detach()]).tolist() == [1.0, 2.0, 1.0, 2.0]


def test_list_of_losses_becomes_an_array() -> None:
    losses = [minigrad.tensor(float(k)) for k in range(3)]
    assert np.array(losses).tolist() == [0.0, 1.0, 2.0] and np.mean(losses) == 1.0 and sum(losses).item() == 3.0
    assert max(losses) is losses[2] and sorted(losses, reverse=True)[0] is losses[2]
    assert math.isclose(math.sqrt(minigrad.tensor(2.0)), math.sqrt(2.0))


def test_matplotlib_draws_tensors() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    x = minigrad.linspace(0.0, 1.0, 5)
    figure, axes = plt.subplots()
    try:
        (line,) = axes.plot(x, x * x)
        np.testing.assert_array_equal(line.get_ydata(), (x * x).numpy())
        (line,) = axes.plot([minigrad.tensor(1.0), minigrad.tensor(3.0)])
        assert [float(y) for y in line.get_ydata()] == [1.0, 3.0]
        axes.scatter(x, x, c=x)
        axes.fill_between(x, x, x + 1)
        counts, _, _ = axes.hist(x, bins=5)
        assert counts.tolist() == [1.0] * 5
        image = axes.imshow(x.reshape(5, 1))
        assert image.get_array().shape == (5, 1)
        figure.canvas.draw()
    finally:
        plt.close(figure)


# ----------------------------------------------------------------------------------------------------------------
# DLPack


def test_dlpack_with_numpy_shares_memory() -> None:
    x = minigrad.arange(3.0)
    np.from_dlpack(x)[0] = 9.0
    assert x[0].item() == 9.0
    array = np.arange(3.0)
    minigrad.from_dlpack(array)[1] = 8.0
    assert array[1] == 8.0


def test_dlpack_with_torch_shares_memory(torch: types.ModuleType) -> None:
    x = minigrad.arange(6.0).reshape(2, 3).T
    y = torch.from_dlpack(x)
    assert y.tolist() == x.tolist()
    y[0, 0] = 9.0
    assert x[0, 0].item() == 9.0
    y = torch.arange(4)
    x = minigrad.from_dlpack(y)
    x[0] = 7
    assert x.dtype == "int64" and y[0].item() == 7
    with pytest.raises(TypeError, match="half precision"):
        minigrad.from_dlpack(torch.zeros(2, dtype=torch.float16))


def test_dlpack_refuses_to_lose_gradients_and_protects_read_only_memory() -> None:
    with pytest.raises(BufferError, match="the gradient would be lost; use detach"):
        np.from_dlpack(minigrad.zeros(2, requires_grad=True))
    array = np.zeros(2)
    array.flags.writeable = False
    exported = np.from_dlpack(minigrad.from_numpy(array))
    assert not np.shares_memory(exported, array)


# ----------------------------------------------------------------------------------------------------------------
# Copies


def long_history() -> Tensor:
    y = minigrad.tensor([1.0], requires_grad=True)
    for _ in range(5000):
        y = y * 1.0
    return y


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_leave_the_history_behind(copied: Any) -> None:
    y = long_history()
    twin = copied(y)
    assert twin.tolist() == [1.0] and twin.is_leaf and not twin.requires_grad
    leaf = copied(minigrad.tensor([1.0], requires_grad=True))
    assert leaf.is_leaf and leaf.requires_grad
    assert type(copied(nn.Parameter(minigrad.zeros(2)))) is nn.Parameter


def test_deepcopy_copies_gradients_attributes_and_shared_tensors_once() -> None:
    x = minigrad.tensor([1.0], requires_grad=True)
    x.tags = ["decay"]
    (x * 3).sum().backward()
    a, b = copy.deepcopy([x, x])
    assert a is b and a.grad.tolist() == [3.0] and a.tags == ["decay"] and a.tags is not x.tags
    a.grad.zero_()
    assert x.grad.tolist() == [3.0]


def test_copy_shares_memory_and_sees_writes() -> None:
    x = minigrad.tensor([1.0])
    twin = copy.copy(x)
    twin.add_(1)
    assert x.item() == 2.0 and x._version == 1


def test_long_histories_are_freed_without_the_cycle_collector() -> None:
    gc.disable()
    try:
        y = long_history()
        gone = weakref.ref(y.grad_fn)
        del y
        assert gone() is None
    finally:
        gc.enable()


# ----------------------------------------------------------------------------------------------------------------
# Shapes and Size


def test_size_is_a_tuple_that_stays_one_when_sliced() -> None:
    shape = minigrad.zeros(2, 3, 4).shape
    assert repr(shape[1:]) == "minigrad.Size([3, 4])" and shape[-1] == 4 and shape.numel() == 24
    assert shape == (2, 3, 4) and isinstance(shape, tuple)
    assert Tensor(2, 3).shape == (2, 3) and Tensor(shape).shape == shape and Tensor([2, 3]).tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: x.reshape(shape=(3, 2)), (3, 2)),
        (lambda x: x.view(size=(6,)), (6,)),
        (lambda x: x.view([3, 2]), (3, 2)),
        (lambda x: x.permute(dims=(1, 0)), (3, 2)),
        (lambda x: x.flip(dims=(0, 1)), (2, 3)),
        (lambda x: x.expand(size=(4, 2, 3)), (4, 2, 3)),
        (lambda x: x.expand(minigrad.tensor(4), -1, np.int64(3)), (4, 2, 3)),
        (lambda x: x.unsqueeze(axis=0).squeeze(axis=0), (2, 3)),
        (lambda x: minigrad.cat([x, x], axis=1), (2, 6)),
        (lambda x: x.std(axis=0, keepdims=True), (1, 3)),
        (lambda x: x.mean(dim=[0, 1]), ()),
    ],
)
def test_argument_forms(call: Any, expected: tuple[int, ...]) -> None:
    assert call(minigrad.zeros(2, 3)).shape == expected


# ----------------------------------------------------------------------------------------------------------------
# The top level


def test_everything_is_there_after_one_import() -> None:
    for name in [
        *("nn.Linear", "nn.functional.relu", "nn.init.xavier_uniform_", "optim.Adam", "optim.lr_scheduler.StepLR"),
        *("utils.data.DataLoader", "autograd.grad", "autograd.gradcheck", "metrics.Accuracy", "datasets.digits"),
        *("save", "load", "cuda.is_available", "float32", "long", "device", "Generator", "manual_seed", "no_grad"),
        *("Tensor", "Size", "backend.array_module", "inf", "pi", "newaxis", "set_printoptions"),
    ]:
        found: Any = minigrad
        for part in name.split("."):
            found = getattr(found, part)


def test_dtype_names() -> None:
    assert minigrad.float is minigrad.float32 and minigrad.double is minigrad.float64
    assert minigrad.long is minigrad.int64 and minigrad.int is minigrad.int32 and minigrad.short is minigrad.int16
    assert minigrad.bool == np.dtype(bool) and minigrad.uint8.itemsize == 1
    assert minigrad.finfo(minigrad.float32).eps == 2.0**-23 and minigrad.iinfo(minigrad.int8).max == 127


@pytest.mark.parametrize(
    ("name", "words"),
    [("float16", "use float32"), ("complex64", "complex numbers"), ("FloatTensor", "dtype="), ("compile", "leave")],
)
def test_what_is_missing_says_why(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=f"minigrad has no '{name}': .*{words}"):
        getattr(minigrad, name)
    assert not hasattr(minigrad, "no_such_thing")


def test_functions_that_are_methods() -> None:
    x = minigrad.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert minigrad.is_tensor(x) and not minigrad.is_tensor(1.0) and minigrad.numel(x) == 4
    assert minigrad.equal(x, x.clone()) and not minigrad.equal(x, x.t()) and not minigrad.equal(x, x.ravel())
    assert minigrad.allclose(x, x + 1e-7) and not minigrad.allclose(x, x + 1e-3)
    assert minigrad.t(x).tolist() == [[1.0, 3.0], [2.0, 4.0]] and minigrad.is_floating_point(x)
    assert minigrad.gather(x, 1, minigrad.tensor([[1], [0]])).tolist() == [[2.0], [3.0]]
    assert minigrad.masked_fill(x, x > 2, 0).tolist() == [[1.0, 2.0], [0.0, 0.0]]
    assert minigrad.subtract(x, x, alpha=2).tolist() == [[-1.0, -2.0], [-3.0, -4.0]]


def test_augmented_bit_operators_write_in_place() -> None:
    mask = minigrad.tensor([True, True, False])
    alias = mask
    mask &= minigrad.tensor([True, False, True])
    assert mask is alias and alias.tolist() == [True, False, False]
    mask |= minigrad.tensor([False, False, True])
    mask ^= minigrad.tensor([True, True, True])
    assert alias.tolist() == [False, True, False]

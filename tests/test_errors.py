"""The mistakes people make most, each met with a message that says what happened and what to do about it.

Every test reads its message as a reader would: the place, what was expected, what came, and the way out, in order.
"""

import re
import warnings

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.nn import functional as F


def says(*parts):
    """Return a pattern for messages that have these parts, verbatim and in this order."""
    return "(?s)" + ".*".join(re.escape(part) for part in parts)


def refuses(error, *parts):
    return pytest.raises(error, match=says(*parts))


def leaf(*values):
    return minigrad.tensor(values[0] if len(values) == 1 else list(values), requires_grad=True)


# ----------------------------------------------------------------------------------------------------------------
# Backward twice


def test_backward_twice():
    loss = (leaf(1.0, 2.0) ** 2).sum()
    loss.backward()
    with refuses(RuntimeError, "walked before", "SumBackward0", "retain_graph=True", "loop", "detach()"):
        loss.backward()


def test_backward_twice_through_a_tensor_made_before_the_loop():
    x, w = minigrad.rand(3, 2), leaf([[1.0], [2.0]])
    h = w.exp()
    with refuses(RuntimeError, "what ExpBackward0 kept for it is freed", "computed before the loop", "move that line"):
        for _ in range(2):
            (x @ h).sum().backward()


# ----------------------------------------------------------------------------------------------------------------
# The .grad of a tensor that is not a leaf


def test_grad_of_a_non_leaf_warns():
    y = leaf(1.0, 2.0) * 2
    y.sum().backward()
    with pytest.warns(UserWarning, match=says("shape (2,)", "not a leaf", "MulBackward0", "retain_grad()")):
        assert y.grad is None


def test_grad_of_a_moved_leaf_says_how_to_make_it_there():
    x = minigrad.tensor([1.0], requires_grad=True).to(minigrad.float64)
    with pytest.warns(UserWarning, match=says("meant to be a leaf", ".to()", "device= and dtype=")) as caught:
        assert x.grad is None
    assert caught[0].filename == __file__  # it points at the line that reads


def test_grad_is_silent_where_there_is_nothing_to_warn_of():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    assert x.grad is None and y.grad is None  # a leaf, and one that will have a gradient
    assert minigrad.ones(2).grad is None and y.detach().grad is None
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
    z = x * 2
    z.grad = minigrad.ones(2)
    assert z.grad.tolist() == [1.0, 1.0]
    u = x * 2
    u.sum().backward(inputs=[u])
    assert u.grad.tolist() == [1.0, 1.0]


def test_nothing_in_the_library_reads_grad_by_accident():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = nn.Linear(2, 2)(x)
        repr(y), str(y), y.tolist(), y.detach(), y.clone()
        y += 1
        y.sum().backward()


# ----------------------------------------------------------------------------------------------------------------
# A loss that is cut from its parameters


@pytest.mark.parametrize(
    "cut",
    [
        lambda y: y.detach(),
        lambda y: minigrad.tensor(y.item()),
        lambda y: y.data,
        lambda y: (y > 0).float().mean(),
        lambda y: y.argmax().float(),
    ],
)
def test_loss_without_history(cut):
    loss = cut(leaf(1.0, 2.0).sum())
    with refuses(RuntimeError, "backward", "no history", "requires grad", "no_grad()", "detach()", ".item()"):
        loss.backward()


def test_loss_made_under_no_grad():
    with minigrad.no_grad():
        loss = nn.Linear(2, 1)(minigrad.ones(3, 2)).mean()
    with refuses(RuntimeError, "no history", "no_grad()"):
        loss.backward()


def test_loss_of_a_frozen_model():
    model = nn.Linear(2, 1).requires_grad_(False)
    with refuses(RuntimeError, "no history", "requires_grad=False"):
        model(minigrad.ones(3, 2)).mean().backward()


def test_loss_that_is_not_one_number():
    with refuses(RuntimeError, "only for scalars", "shape (3, 1)", ".sum() or .mean()", "gradient="):
        nn.Linear(2, 1)(minigrad.ones(3, 2)).backward()


def test_history_that_tensor_would_drop():
    x = leaf(1.0, 2.0)
    with pytest.warns(UserWarning, match=says("no history", "stack", "detach()")):
        copied = minigrad.tensor([x[0], x[1]])
    assert not copied.requires_grad
    assert minigrad.stack([x[0], x[1]]).requires_grad


# ----------------------------------------------------------------------------------------------------------------
# Losses


@pytest.mark.parametrize(
    "probabilities",
    [
        lambda x: x.softmax(1),
        lambda x: F.softmax(x, dim=-1),
        lambda x: nn.Softmax(dim=1)(x),
        lambda x: x.softmax(1).reshape(2, 3),
        lambda x: x.softmax(1)[:],
    ],
)
def test_softmax_before_cross_entropy(probabilities):
    x, target = leaf([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), minigrad.tensor([0, 1])
    for loss in (F.cross_entropy, nn.CrossEntropyLoss()):
        with pytest.warns(UserWarning, match=says("softmax", "takes logits", "Leave the softmax out", "nll_loss")):
            loss(probabilities(x), target)


def test_no_warning_where_softmax_is_not_before_cross_entropy():
    x, target = leaf([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]), minigrad.tensor([0, 1])
    F.cross_entropy(x, target)
    F.cross_entropy(x.softmax(1) @ minigrad.eye(3), target)  # attention, then a layer: that is fine
    F.nll_loss(x.log_softmax(1), target)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.binary_cross_entropy_with_logits, nn.MSELoss(), nn.L1Loss()])
def test_a_column_against_a_vector(loss):
    with refuses(ValueError, "input has shape (4, 1)", "target (4,)", "target.unsqueeze(1)"):
        loss(minigrad.zeros(4, 1), minigrad.zeros(4))
    with refuses(ValueError, "input has shape (4,)", "target (4, 1)", "target.squeeze(-1)"):
        loss(minigrad.zeros(4), minigrad.zeros(4, 1))
    with refuses(ValueError, "(4, 2)", "(4, 3)", "must be equal"):
        loss(minigrad.zeros(4, 2), minigrad.zeros(4, 3))


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss, nn.CrossEntropyLoss(), nn.NLLLoss()])
class TestLabels:
    def test_out_of_range(self, loss):
        with refuses(IndexError, "target 3 at index 2", "3 classes (0..2)"):
            loss(minigrad.zeros(4, 3), minigrad.tensor([0, 2, 3, 1]))
        with refuses(IndexError, "target -1 at index 0", "3 classes (0..2)"):
            loss(minigrad.zeros(2, 3), minigrad.tensor([-1, 2]))
        with refuses(IndexError, "target 7 at index (0, 1)", "3 classes"):
            loss(minigrad.zeros(1, 3, 2), minigrad.tensor([[0, 7]]))

    def test_wrong_kind(self, loss):
        with refuses(RuntimeError, "integer labels of shape (2,)", "float32 of shape (2,)", "target.long()"):
            loss(minigrad.zeros(2, 3), minigrad.tensor([0.0, 1.0]))

    def test_wrong_shape(self, loss):
        with refuses(ValueError, "labels of shape (2,)", "got (2, 1)", "target.squeeze(1)"):
            loss(minigrad.zeros(2, 3), minigrad.tensor([[0], [1]]))
        with refuses(ValueError, "labels of shape (2,)", "got (3,)"):
            loss(minigrad.zeros(2, 3), minigrad.tensor([0, 1, 2]))

    def test_raised_before_anything_is_recorded(self, loss):
        x = leaf([[1.0, 2.0]])
        with pytest.raises(IndexError):
            loss(x, minigrad.tensor([2]))
        assert x._version == 0 and x.grad is None


def test_probabilities_that_are_none():
    with refuses(
        RuntimeError, "between 0 and 1", "values from 2.0 to 2.0", "sigmoid", "binary_cross_entropy_with_logits"
    ):
        F.binary_cross_entropy(minigrad.tensor([2.0]), minigrad.tensor([1.0]))


def test_numpy_labels():
    with refuses(TypeError, "mse_loss", "expected tensors, got ndarray", "minigrad.tensor("):
        F.mse_loss(minigrad.zeros(2), np.zeros(2))


# ----------------------------------------------------------------------------------------------------------------
# requires_grad on integers


def test_requires_grad_on_integers():
    for make in (
        lambda: minigrad.tensor([1, 2], requires_grad=True),
        lambda: minigrad.tensor([1, 2]).requires_grad_(),
        lambda: minigrad.arange(3, requires_grad=True),
        lambda: nn.Parameter(minigrad.tensor([1, 2])),
    ):
        with refuses(RuntimeError, "only floating", "int64", "2.0 instead of 2", "dtype=minigrad.float32"):
            make()


# ----------------------------------------------------------------------------------------------------------------
# In-place changes


def test_in_place_change_of_a_saved_value():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y += 1
    with refuses(RuntimeError, "MulBackward0", "shape (2,)", "add_() has overwritten", "x = x + 1", "clone()"):
        z.sum().backward()


def test_in_place_change_of_a_parameter():
    w = nn.Parameter(minigrad.ones(2))
    with refuses(RuntimeError, "sub_", "leaf that requires grad", "no_grad()", "x = x + 1"):
        w -= 0.1
    with refuses(RuntimeError, "__setitem__", "leaf that requires grad"):
        w[0] = 0.0
    assert w.tolist() == [1.0, 1.0]


def test_in_place_change_of_a_view():
    y = leaf(1.0, 2.0) * 2
    with refuses(RuntimeError, "mul_", "is a view", "x[0] = ..."):
        y[:1].mul_(3)


# ----------------------------------------------------------------------------------------------------------------
# Modules and optimizers


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (lambda: [nn.Linear(2, 2)], "nn.ModuleList([...])"),
        (lambda: (nn.Linear(2, 2),), "nn.ModuleList([...])"),
        (lambda: {"a": nn.Linear(2, 2)}, "nn.ModuleDict({...})"),
        (lambda: [nn.Parameter(minigrad.ones(2))], "nn.ParameterList([...])"),
    ],
)
def test_list_of_modules(value, right):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = value()

    with refuses(TypeError, "Net.layers", "neither trained, nor moved, nor saved", right):
        Net()


def test_forgotten_super_init():
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    with refuses(AttributeError, "Net.layer", "super().__init__() first"):
        Net()


@pytest.mark.parametrize("optimizer", [minigrad.optim.SGD, minigrad.optim.Adam, minigrad.optim.AdamW])
def test_optimizer_with_nothing_to_train(optimizer):
    with refuses(ValueError, optimizer.__name__, "empty parameter list", "nn.ModuleList", "model.parameters() again"):
        optimizer(nn.ReLU().parameters(), lr=0.1)
    with refuses(TypeError, optimizer.__name__, "pass model.parameters()"):
        optimizer(nn.Linear(2, 2), lr=0.1)


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_batch_of_one(shape):
    layer = nn.BatchNorm1d(3)
    with refuses(ValueError, "BatchNorm1d 3", "more than one value per channel", str(shape), "drop_last", ".eval()"):
        layer(minigrad.ones(*shape))
    assert layer.num_batches_tracked.item() == 0 and layer.running_mean.tolist() == [0.0] * 3  # nothing happened
    layer.eval()
    assert layer(minigrad.ones(*shape)).shape == shape


def test_wrong_number_of_features_names_the_layer():
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(32, 10))
    with refuses(RuntimeError, "2 (Linear 32 -> 10): expected input (..., 32), got (3, 8)", "?"):
        net(minigrad.ones(3, 4))


# ----------------------------------------------------------------------------------------------------------------
# Devices


def test_mixed_devices():
    with strict_cupy.installed():
        x, w = minigrad.ones(3, 2), minigrad.ones(2, 4, device="cuda", requires_grad=True)
        for call in (lambda: x @ w, lambda: w + minigrad.ones(2, 4), lambda: minigrad.cat([w, minigrad.ones(2, 4)])):
            with refuses(RuntimeError, "one device", "(2, 4) on ", "x = x.to('cuda')", "model.to('cpu')"):
                call()
        with refuses(RuntimeError, "one device", "on cpu", "on cuda"):
            nn.Linear(2, 2).to("cuda")(x)
        assert (w * minigrad.tensor(2.0)).device.type == "cuda"  # a 0-d constant goes along
        with refuses(TypeError, "numpy", "cuda:0", "tensor.cpu().numpy()"):
            w.detach().numpy()


def test_gradient_on_the_wrong_device():
    with strict_cupy.installed():
        y = minigrad.ones(2, device="cuda", requires_grad=True) * 2
        with refuses(RuntimeError, "backward: expected a gradient on cuda:0", "got one on cpu", "g.to('cuda:0')"):
            y.backward(minigrad.ones(2))


def test_no_gpu():
    if minigrad.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises((RuntimeError, ImportError), match=r"(?i)cupy|gpu"):
        minigrad.ones(2, device="cuda")


# ----------------------------------------------------------------------------------------------------------------
# NumPy in the middle of a graph


@pytest.mark.parametrize("function", [np.exp, np.sin, np.maximum.reduce, lambda x: np.add(x, 1), lambda x: np.exp(x.T)])
def test_numpy_functions(function):
    for x in (leaf(1.0, 2.0), minigrad.ones(2)):
        with refuses(TypeError, "Tensor", "__array_ufunc__=None"):
            function(x)


@pytest.mark.parametrize(
    "leave",
    [
        lambda x: x.numpy(),
        lambda x: np.asarray(x),
        lambda x: np.array(x),
        lambda x: np.dot(np.ones(2), x),
        lambda x: np.concatenate([x, x]),
        lambda x: (x * 2).numpy(),
    ],
)
def test_numpy_where_a_gradient_would_be_lost(leave):
    with refuses(RuntimeError, "requires grad", "lose the gradient", "detach().numpy()"):
        leave(leaf(1.0, 2.0))
    leave(minigrad.ones(2))


def test_arithmetic_with_numpy_arrays_keeps_the_graph():
    x = leaf(1.0, 2.0)
    for y in (
        np.ones(2) * x,
        np.float64(2) * x,
        np.ones(2) - x,
        np.ones((2, 2), np.float32) @ x,
        1 / x,
        np.ones(2) / x,
    ):
        assert isinstance(y, minigrad.Tensor) and y.requires_grad


def test_dlpack_where_a_gradient_would_be_lost():
    with refuses(BufferError, "requires grad", "detach()"):
        np.from_dlpack(leaf(1.0, 2.0))


# ----------------------------------------------------------------------------------------------------------------
# Shapes


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda a, b: a + b, ("add", "(2, 3)", "(4,)")),
        (lambda a, b: a * b, ("mul", "(2, 3)", "(4,)")),
        (lambda a, b: minigrad.maximum(a, b), ("maximum", "(2, 3)", "(4,)")),
        (lambda a, b: a @ b, ("matmul", "(2, 3)", "(4,)")),
        (lambda a, b: a @ a, ("matmul", "(2, 3)", "(2, 3)")),
        (lambda a, b: a.reshape(4, 2), ("reshape", "(2, 3)", "(4, 2)")),
        (lambda a, b: a.expand(4, 3), ("broadcast_to", "(2, 3)", "(4, 3)")),
        (lambda a, b: minigrad.cat([a, b]), ("cat", "(2, 3)", "(4,)")),
        (lambda a, b: minigrad.stack([a, b]), ("stack", "(2, 3)", "(4,)")),
        (lambda a, b: a.sum(3), ("sum", "(2, 3)", "3")),
        (lambda a, b: a[5], ("5", "size 2")),
        (lambda a, b: a[:, minigrad.tensor([3])], ("3", "size 3")),
        (lambda a, b: a.view(5), ("(2, 3)", "(5,)")),
    ],
)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_shapes_that_do_not_go_together(call, parts, requires_grad):
    a, b = minigrad.ones(2, 3, requires_grad=requires_grad), minigrad.ones(4)
    with refuses((RuntimeError, IndexError), *parts):
        call(a, b)


def test_misspelt_and_missing_arguments():
    x = minigrad.ones(2, 3)
    with refuses(TypeError, "sum", "unexpected argument 'dims'"):
        x.sum(dims=1)
    with refuses(TypeError, "softmax", "missing argument 'dim'"):
        x.softmax()


def test_truth_of_many():
    with refuses(RuntimeError, "shape (2,)", ".any() or .all()"):
        bool(minigrad.ones(2) > 0)
    with refuses(RuntimeError, "one entry", "(2,)", "tolist()"):
        minigrad.ones(2).item()


@pytest.mark.parametrize("other", [1j, [1.0, 2.0], "2", None])
def test_operands_that_are_no_numbers(other):
    x = minigrad.ones(2)
    with pytest.raises(TypeError):
        x * other
    if other is not None:
        with pytest.raises(TypeError, match=r"mul: expected a tensor or a number for 'b', got \w+; wrap it in"):
            x * other


# ----------------------------------------------------------------------------------------------------------------
# What PyTorch has and minigrad has not


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bfloat16", "half precision"), ("stft", "complex numbers"), ("sparse_coo_tensor", "sparse tensors"),
        ("compile", "nothing to compile"), ("lstm", "nn.LSTM"), ("set_num_threads", "OPENBLAS_NUM_THREADS"),
        ("as_strided", "unfold and diagonal"), ("vmap", "minigrad.func"),
    ],
)  # fmt: skip
def test_functions_that_are_not_here_are_refused_with_a_reason(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=f"minigrad has no '{name}': .*{words}"):
        getattr(minigrad, name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("to_sparse", "sparse"),
        ("real", "complex"),
        ("apply_", "recorded"),
        ("storage", "NumPy"),
        ("lu", "linalg.solve"),
    ],
)
def test_methods_that_are_not_here_are_refused_with_a_reason(name: str, words: str) -> None:
    with pytest.raises(AttributeError, match=f"Tensor has no attribute '{name}': .*{words}"):
        getattr(minigrad.ones(2), name)


def test_a_misspelt_method_gets_pythons_suggestion() -> None:
    with pytest.raises(AttributeError) as error:
        minigrad.ones(2).shapee  # noqa: B018
    assert error.value.name == "shapee" and isinstance(error.value.obj, minigrad.Tensor)


def test_refusals_cost_no_attribute_its_speed() -> None:
    """With a __getattr__ on the class Python would look up every attribute the slow way."""
    assert not any(
        "__getattr__" in vars(cls) or "__getattribute__" in vars(cls) for cls in minigrad.Tensor.__mro__[:-1]
    )


def test_no_name_is_both_there_and_refused() -> None:
    from minigrad import refusals

    for table, owner in ((refusals.FUNCTIONS, minigrad), (refusals.METHODS, minigrad.ones(2))):
        for names in table.values():
            assert not [name for name in names.split() if hasattr(owner, name)]

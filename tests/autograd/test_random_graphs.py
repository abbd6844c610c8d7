"""Random expressions against references that know nothing of nodes, order or memory.

The first reference sums over *paths*: the derivative of the end with respect to a value is, over everything computed
from it, the sum of that thing's own derivative times the local slope. It recurses, visits shared parts once for each
path, and cannot get the order wrong because it has none. The second is PyTorch, where it is installed.
"""

import random

import numpy as np
import pytest

import minigrad
from minigrad import autograd

# ----------------------------------------------------------------------------------------------------------------
# Sums over paths. Each op: the function on either library's values, and its slopes as NumPy formulas of (inputs, y).

OPS = {
    "add": (lambda a, b: a + b, lambda a, b, y: (1.0, 1.0)),
    "sub": (lambda a, b: a - b, lambda a, b, y: (1.0, -1.0)),
    "mul": (lambda a, b: a * b, lambda a, b, y: (b, a)),
    "div": (lambda a, b: a / (b * b + 1), lambda a, b, y: (1 / (b * b + 1), -2 * a * b / (b * b + 1) ** 2)),
    "maximum": (None, lambda a, b, y: ((a > b) + 0.5 * (a == b), (b > a) + 0.5 * (a == b))),
    "minimum": (None, lambda a, b, y: ((a < b) + 0.5 * (a == b), (b < a) + 0.5 * (a == b))),
    "hypot": (lambda a, b: a.hypot(b * b + 1), lambda a, b, y: (a / y, 2 * b * (b * b + 1) / y)),
    "logaddexp": (None, lambda a, b, y: (np.exp(a - y), np.exp(b - y))),
    "atan2": (
        lambda a, b: a.atan2(b * b + 1),
        lambda a, b, y: ((b * b + 1) / (a * a + (b * b + 1) ** 2), -2 * a * b / (a * a + (b * b + 1) ** 2)),
    ),
    "neg": (lambda a: -a, lambda a, y: (-1.0,)),
    "scale": (lambda a: 3 - 0.5 * a, lambda a, y: (-0.5,)),
    "square": (lambda a: a**2, lambda a, y: (2 * a,)),
    "exp": (lambda a: (a * 0.1).exp(), lambda a, y: (0.1 * y,)),
    "sin": (lambda a: a.sin(), lambda a, y: (np.cos(a),)),
    "cos": (lambda a: a.cos(), lambda a, y: (-np.sin(a),)),
    "tanh": (lambda a: a.tanh(), lambda a, y: (1 - y * y,)),
    "sigmoid": (lambda a: a.sigmoid(), lambda a, y: (y * (1 - y),)),
    "relu": (lambda a: a.relu(), lambda a, y: (a > 0.0,)),
    "abs": (lambda a: a.abs(), lambda a, y: (np.sign(a),)),
    "atan": (lambda a: a.atan(), lambda a, y: (1 / (1 + a * a),)),
    "sqrt": (lambda a: (a * a + 1).sqrt(), lambda a, y: (a / y,)),
    "log": (lambda a: (a * a + 1).log(), lambda a, y: (2 * a / (a * a + 1),)),
}
N = 3  # entries of each value; everything is elementwise, so that slopes are numbers


def expression(seed, length=11):
    """Return steps (name, numbers of the inputs), which tend to use what is already there again."""
    draw = random.Random(seed)
    steps = []
    for k in range(length):
        name = draw.choice(list(OPS))
        arity = OPS[name][1].__code__.co_argcount - 1
        steps.append((name, [draw.randrange(max(0, k - 3), k + 2) for _ in range(arity)]))
    return steps


def evaluate(steps, leaves, namespace):
    values = list(leaves)
    for name, inputs in steps:
        function = OPS[name][0] or getattr(namespace, name)
        values.append(function(*(values[i] for i in inputs)))
    return values


def sums_over_paths(steps, values):
    """Return d(sum of the last value) / d(value k) for the two leaves, by recursion."""

    def derivative(k):
        if k == len(values) - 1:
            return np.ones(N)
        total = np.zeros(N)
        for at, (name, inputs) in enumerate(steps, 2):
            slopes = OPS[name][1](*(values[i] for i in inputs), values[at]) if k in inputs else ()
            for i, slope in zip(inputs, slopes):
                if i == k:
                    total += derivative(at) * slope
        return total

    return [derivative(0), derivative(1)]


@pytest.mark.parametrize("block", range(4))
def test_against_sums_over_paths(block):
    reached = 0
    for seed in range(block * 50, block * 50 + 50):
        draw = np.random.default_rng(seed)
        steps = expression(seed)
        leaves = [minigrad.tensor(draw.uniform(-2, 2, N), requires_grad=True) for _ in range(2)]
        values = evaluate(steps, leaves, minigrad)
        expected = sums_over_paths(steps, [x.array for x in values])
        found = autograd.grad(values[-1].sum(), leaves, materialize_grads=True)
        for g, e in zip(found, expected):
            np.testing.assert_allclose(g.array, e, rtol=1e-12, atol=1e-12 * (1 + abs(e).max()), err_msg=str(steps))
            reached += bool(e.any())
    assert reached > 50  # most expressions do depend on their leaves


def test_every_op_has_its_turn():
    assert {name for seed in range(200) for name, _ in expression(seed)} == set(OPS)


def test_gradients_of_values_in_the_middle():
    for seed in range(30):
        steps = expression(seed)
        draw = np.random.default_rng(seed)
        leaves = [minigrad.tensor(draw.uniform(-2, 2, N), requires_grad=True) for _ in range(2)]
        values = evaluate(steps, leaves, minigrad)
        for k in range(2, len(values) - 1):  # cut at value k: what follows sees a leaf there
            tail = list(values[: k + 1])
            tail[k] = values[k].detach().requires_grad_()
            rest = list(tail)
            for name, inputs in steps[k - 1 :]:
                rest.append((OPS[name][0] or getattr(minigrad, name))(*(rest[i] for i in inputs)))
            (whole,) = autograd.grad(values[-1].sum(), values[k], retain_graph=True, materialize_grads=True)
            if rest[-1].requires_grad:
                (cut,) = autograd.grad(rest[-1].sum(), tail[k], retain_graph=True, materialize_grads=True)
                np.testing.assert_array_equal(whole.array, cut.array)
            else:
                assert not whole.array.any()


# ----------------------------------------------------------------------------------------------------------------
# Beside PyTorch: shapes, products, reductions, picking; first and second order

UNARY = [
    "{a}.sin()", "{a}.tanh()", "({a} * 0.1).exp()", "{a}.sigmoid()", "{a}.relu()", "({a} * {a} + 1).log()", "-{a}",
    "({a} * {a} + 0.5).sqrt()", "{a} ** 3 * 0.1", "{a}.abs()", "{a}.softmax(-1)", "{a}.log_softmax(-1)", "{a}.cos()",
    "{a}.sum(0, keepdim=True)", "{a}.mean(-1, keepdim=True)", "{a}.sum()", "{a}.amax(0)", "{a}.var(-1, keepdim=True)",
    "{a}.logsumexp(-1)", "{a}.T", "{a}.reshape(-1)", "{a}[0]", "{a}[..., :2]", "{a}[[0, 0, -1]]", "{a}[None].flip(0)",
    "{a}.unsqueeze(0)", "{a}.clamp(-0.5, 0.5)", "{a}.prod(-1)", "({a} + 2).norm()", "{a}.clone()", "{a}.roll(1, 0)",
    "lib.where({a} > 0, {a}, {a} * {a})", "{a}.expand(2, *{a}.shape)", "{a}.double()",
]  # fmt: skip
BINARY = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / ({b} * {b} + 1)", "{a} @ {b}", "{a} @ {b}.T", "{a}.T @ {b}",
    "lib.maximum({a}, {b})", "lib.cat([{a}, {b}])", "lib.stack([{a}, {b}, {a}])",
    "lib.einsum('...i,...i->...', {a}, {b})",
    "lib.nn.functional.linear({a}, {b})", "lib.nn.functional.mse_loss({a}, {b})", "lib.where({a} > {b}, {a}, {b})",
]  # fmt: skip


def program(torch, seed):
    """Return lines of code that PyTorch takes, and shapes that stay small."""
    draw = random.Random(seed)
    lines, v = [], torch_leaves(torch)
    while len(lines) < 12:
        a, b = (f"v[{draw.randrange(max(0, len(v) - 6), len(v))}]" for _ in "ab")
        line = draw.choice(draw.choice([UNARY, BINARY, BINARY])).format(a=a, b=b)
        if "einsum" in line and eval(a, {"v": v}).shape != eval(b, {"v": v}).shape:
            continue  # PyTorch stretches letters of length 1
        if "linear" in line and eval(b, {"v": v}).ndim != 2:
            continue
        try:
            y = eval(line, {"v": v, "lib": torch})
        except (RuntimeError, IndexError, UserWarning):
            continue  # shapes that do not go together, or that PyTorch warns of
        if 0 < y.numel() <= 200 and y.ndim <= 3:
            lines.append(line)
            v.append(y)
    return lines


def start():
    draw = np.random.default_rng(7)
    return [draw.uniform(-1, 1, shape) for shape in [(3, 4), (4, 3), (4,), (3, 1), ()]]


def torch_leaves(torch):
    return [torch.tensor(x, requires_grad=True) for x in start()]


def derivatives(lib, leaves, lines):
    """Return the last values, the gradients of a function of them all, and a Hessian-vector product."""
    v = list(leaves)
    for line in lines:
        v.append(eval(line, {"v": v, "lib": lib}))
    loss = sum((y * y).mean() for y in v[-4:])
    first = lib.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
    used = [(x, g) for x, g in zip(leaves, first) if g is not None and g.requires_grad]
    along = sum((g * g.detach().cos()).sum() for _, g in used)
    second = lib.autograd.grad(along, [x for x, _ in used], materialize_grads=True) if used else ()
    return [y.detach().numpy() for y in v[5:]], first, second


@pytest.mark.parametrize("block", range(6))
def test_against_pytorch(block):
    torch = pytest.importorskip("torch")
    compared = 0
    for seed in range(block * 25, block * 25 + 25):
        lines = program(torch, seed)
        theirs = derivatives(torch, torch_leaves(torch), lines)
        leaves = [minigrad.tensor(x, requires_grad=True) for x in start()]
        mine = derivatives(minigrad, leaves, lines)
        for a, b in zip(mine, theirs, strict=True):
            assert len(a) == len(b), lines
            for x, y in zip(a, b):
                assert (x is None) == (y is None), lines
                if x is None:
                    continue
                x, y = (t if isinstance(t, np.ndarray) else t.detach().numpy() for t in (x, y))
                assert x.dtype == y.dtype and x.shape == y.shape, lines
                np.testing.assert_allclose(x, y, rtol=1e-8, atol=1e-9 * (1 + abs(y).max()), err_msg="\n".join(lines))
                compared += 1
    assert compared > 25 * 12

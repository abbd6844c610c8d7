"""Each rule against its algorithm box, written out with whole arrays, in every dtype and on the device."""

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import optim
from minigrad.autograd.node import tensor_of

SHAPES = [(3, 4), (4,), (), (0, 5), (1,), (210, 160)]  # the last is updated in slices
MATRICES = [(3, 4), (4, 3), (1, 5), (5, 1)]


def sgd(p, gs, lr, momentum, dampening):
    b = None
    for g in gs:
        b = g if b is None else momentum * b + (1 - dampening) * g
        p = p - lr * b
    return p


def asgd(p, gs, lr, lambd, t0):
    ax, eta, mu = 0, lr, 1
    for t, g in enumerate(gs, 1):
        p = p - eta * (g + lambd * p)
        ax = ax + mu * (p - ax)
        eta, mu = lr / (1 + lambd * lr * t) ** 0.75, 1 / max(1, t - t0)
    return p, {"ax": ax}


def adagrad(p, gs, lr, lr_decay, initial_accumulator_value):
    v = initial_accumulator_value
    for t, g in enumerate(gs):
        v = v + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(v) + 1e-10)
    return p, {"sum": v}


def adadelta(p, gs, lr, rho):
    v = u = 0
    for g in gs:
        v = rho * v + (1 - rho) * g**2
        d = np.sqrt(u + 1e-6) / np.sqrt(v + 1e-6) * g
        u = rho * u + (1 - rho) * d**2
        p = p - lr * d
    return p, {"square_avg": v, "acc_delta": u}


def rmsprop(p, gs, lr, alpha, momentum, centered):
    v = a = b = 0
    for g in gs:
        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(v - a**2 if centered else v) + 1e-8)
        p = p - lr * b
    return p, {"square_avg": v, "grad_avg": a, "momentum_buffer": b}


def rprop(p, gs, lr, etas):
    prev, size = np.zeros_like(p), np.full_like(p, lr)
    p = p.copy()
    for g in gs:
        for k in np.ndindex(p.shape):
            turn = np.sign(g[k] * prev[k])
            factor = {-1: etas[0], 0: 1, 1: etas[1]}[int(turn)]
            size[k] = min(max(size[k] * factor, 1e-6), 50)
            prev[k] = 0 if turn < 0 else g[k]
            p[k] -= size[k] * np.sign(prev[k])
    return p, {"prev": prev, "step_size": size}


def adam(p, gs, lr, betas, decay=0.0, eps=1e-8):
    m = v = 0
    for t, g in enumerate(gs, 1):
        p = p - lr * decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        p = p - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return p, {"exp_avg": m, "exp_avg_sq": v}


def adamax(p, gs, lr, betas):
    m, u = 0, 0
    for t, g in enumerate(gs, 1):
        m = betas[0] * m + (1 - betas[0]) * g
        u = np.maximum(betas[1] * u, np.abs(g) + 1e-8)
        p = p - lr / (1 - betas[0] ** t) * m / u
    return p, {"exp_avg": m, "exp_inf": u}


def nadam(p, gs, lr, betas, momentum_decay):
    m = v = 0
    product = 1.0
    for t, g in enumerate(gs, 1):
        mu, mu_next = (betas[0] * (1 - 0.96 ** (k * momentum_decay) / 2) for k in (t, t + 1))
        product *= mu
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
        p = p - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + 1e-8)
    return p, {"mu_product": product}


def radam(p, gs, lr, betas):
    m = v = 0
    n_max = 2 / (1 - betas[1]) - 1
    for t, g in enumerate(gs, 1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        d = m / (1 - betas[0] ** t)
        n = n_max - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        if n > 5:
            r = np.sqrt((n - 4) * (n - 2) * n_max / (n_max - 4) / (n_max - 2) / n)
            d = d * r * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + 1e-8)
        p = p - lr * d
    return p


def muon(p, gs, lr, weight_decay):
    b = 0
    for g in gs:
        b = 0.95 * b + 0.05 * g
        u, s, v = np.linalg.svd(0.95 * b + 0.05 * g, full_matrices=False)
        s = s / np.sqrt((s**2).sum())
        for _ in range(5):
            s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5  # what the iteration does to each singular value
        p = p * (1 - lr * weight_decay) - lr * np.sqrt(max(1, p.shape[0] / p.shape[1])) * (u * s) @ v
    return p, {"momentum_buffer": b}


def adafactor(p, gs, lr, weight_decay):
    rms = lambda x: np.sqrt(np.mean(x**2))
    eps = np.finfo(np.float64).eps
    rows = columns = 0
    for t, g in enumerate(gs, 1):
        beta = 1 - t**-0.8
        size = max(1e-3, rms(p)) * min(lr, t**-0.5)
        rows = beta * rows + (1 - beta) * np.mean(g**2, 1, keepdims=True)
        columns = beta * columns + (1 - beta) * np.mean(g**2, 0, keepdims=True)
        u = g / np.sqrt(rows @ columns / max(np.mean(rows), eps))
        p = p - lr * weight_decay * p - size * u / max(1, rms(u))
    return p, {"row_var": rows, "col_var": columns}


RULES = [
    ("SGD", sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}),
    ("ASGD", asgd, {"lr": 0.1, "lambd": 0.05, "t0": 3}),
    ("Adagrad", adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.3}),
    ("Adadelta", adadelta, {"lr": 2.0, "rho": 0.8}),
    ("RMSprop", rmsprop, {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "centered": True}),
    ("RMSprop", rmsprop, {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "centered": False}),
    ("Rprop", rprop, {"lr": 0.1, "etas": (0.4, 1.3)}),
    ("Adam", adam, {"lr": 0.1, "betas": (0.8, 0.95)}),
    ("AdamW", adam, {"lr": 0.1, "betas": (0.8, 0.95), "weight_decay": 0.2}),
    ("Adamax", adamax, {"lr": 0.1, "betas": (0.8, 0.95)}),
    ("NAdam", nadam, {"lr": 0.1, "betas": (0.8, 0.95), "momentum_decay": 0.1}),
    ("RAdam", radam, {"lr": 0.1, "betas": (0.8, 0.95)}),
    ("Muon", muon, {"lr": 0.1, "weight_decay": 0.2}),
    ("Adafactor", adafactor, {"lr": 0.1, "weight_decay": 0.2}),
]
EACH = pytest.mark.parametrize(("name", "rule", "options"), RULES, ids=lambda x: x if isinstance(x, str) else "")


def shapes_for(name):
    return MATRICES if name in ("Muon", "Adafactor") else SHAPES


def made(name, options, dtype, steps=12):
    """Return an optimizer, its parameters, and gradients to come, which often change their sign."""
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in shapes_for(name)]
    gradients = [[np.asarray(rng.standard_normal(x.shape) + 0.3, dtype) for x in starts] for _ in range(steps)]
    params = [minigrad.tensor(x).requires_grad_() for x in starts]
    return getattr(optim, name)(params, **options), params, starts, gradients


def run(opt, params, gradients):
    for gs in gradients:
        for p, g in zip(params, gs):
            p.grad = minigrad.tensor(g)
        opt.step()


@EACH
def test_update_is_the_algorithm_of_the_paper(name, rule, options):
    opt, params, starts, gradients = made(name, options, np.float64)
    run(opt, params, gradients)
    options = {"decay" if key == "weight_decay" and rule is adam else key: x for key, x in options.items()}
    for k, (p, start) in enumerate(zip(params, starts)):
        if p.numel() > 1000 and rule is rprop:
            continue  # element by element it would take long
        expected = rule(start, [gs[k] for gs in gradients], **options)
        expected, state = expected if isinstance(expected, tuple) else (expected, {})
        np.testing.assert_allclose(p.array, expected, rtol=1e-10, atol=1e-12)
        for key in state.keys() & opt.state[p].keys():
            np.testing.assert_allclose(opt.state[p][key].array, state[key], rtol=1e-10, atol=1e-12)


@EACH
def test_float32_stays_float32_and_close(name, rule, options):
    opt, params, _, gradients = made(name, options, np.float32)
    twin, doubles, _, _ = made(name, options, np.float64)
    for p, q in zip(params, doubles):
        q.data = p.detach().to(np.float64)
    run(opt, params, gradients)
    run(twin, doubles, [[np.float64(g) for g in gs] for gs in gradients])
    for p, q in zip(params, doubles):
        assert p.dtype == np.float32
        arrays = [x for key, x in opt.state[p].items() if key not in ("step", "eta", "mu", "mu_product")]
        assert all(x.dtype == np.float32 for x in arrays)
        np.testing.assert_allclose(p.array, q.array, rtol=0, atol=2e-3 if name == "Muon" else 3e-5)


@EACH
def test_a_step_on_the_device_reads_nothing_back(name, rule, options):
    host, params, _, gradients = made(name, options, np.float32, steps=7)
    with strict_cupy.installed() as cp:
        there = [tensor_of(cp.asarray(p.array)).requires_grad_() for p in params]
        opt = getattr(optim, name)(there, **options)
        for gs in gradients:
            for p, g in zip(there, gs):
                p._grad = tensor_of(cp.asarray(g))
            before = cp.syncs, cp.uploads
            opt.step()
            assert (cp.syncs, cp.uploads) == before
        run(host, params, gradients)
        for p, q in zip(params, there):
            assert isinstance(q.array, cp.ndarray)
            np.testing.assert_allclose(q.array.get(), p.array, rtol=1e-5, atol=1e-6)


@EACH
def test_maximize_climbs_by_the_same_way(name, rule, options):
    """On -loss with maximize, an optimizer goes where it goes on loss without."""
    down, params, _, gradients = made(name, options, np.float64, steps=4)
    if "maximize" not in down.defaults:
        pytest.skip("has no such option")
    up, twins, _, _ = made(name, {**options, "maximize": True}, np.float64)
    run(down, params, gradients)
    run(up, twins, [[-g for g in gs] for gs in gradients])
    for p, q in zip(params, twins):
        np.testing.assert_array_equal(p.array, q.array)


def test_every_optimizer_has_its_rule_here():
    names = {name for name in optim.__all__ if name not in ("Optimizer", "lr_scheduler", "swa_utils")}
    assert names == {name for name, _, _ in RULES} | {"LBFGS"}


def test_rmsprop_survives_equal_gradients_when_centered():
    """The variance is 0 then, and by rounding below."""
    w = minigrad.tensor(np.full(50, 0.1, np.float32)).requires_grad_()
    opt = optim.RMSprop([w], lr=0.0, alpha=0.5, centered=True)
    w.grad = minigrad.tensor(np.linspace(0.1, 1, 50, dtype=np.float32))
    for _ in range(60):
        opt.step()
    np.testing.assert_array_equal(w.array, np.full(50, 0.1, np.float32))


def test_adafactor_on_vectors_and_stacks():
    rng = np.random.default_rng(0)
    g = rng.standard_normal((2, 3, 4))
    stack, vector, number = (minigrad.tensor(x).requires_grad_() for x in (g + 1, g[0, 0] + 1, g[0, 0, 0] + 1))
    opt = optim.Adafactor([stack, vector, number])
    for p, x in ((stack, g), (vector, g[0, 0]), (number, g[0, 0, 0])):
        p.grad = minigrad.tensor(x)
    opt.step()
    shapes = [{name: tuple(x.shape) for name, x in opt.state[p].items()} for p in (stack, vector, number)]
    assert shapes[0] == {"row_var": (2, 3, 1), "col_var": (2, 1, 4), "step": ()}
    assert shapes[1:] == [{"variance": (4,), "step": ()}, {"variance": (), "step": ()}]
    before = g[0, 0] + 1  # at the first step v is g^2, so u is the signs of g, and their rms is 1
    np.testing.assert_allclose(before - vector.array, 0.01 * np.sqrt((before**2).mean()) * np.sign(g[0, 0]), rtol=1e-9)

"""
Your own op, layer, loss and optimizer
======================================

Sooner or later you want something that no library has. On this page each kind of part is built once, in ten to twenty
lines, and proved right before it is used: an op, a function with a backward of your own, a layer, a loss, an optimizer,
a data set and a metric. In between, a wrong derivative is planted, and found. At the end all parts train one network.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.autograd import Function, gradcheck
from minigrad.datasets import Digits
from minigrad.metrics import Metric
from minigrad.nn import functional as F
from minigrad.ops import op
from minigrad.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser(description="Ops, layers, losses, optimizers, data sets and metrics of your own.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="short training, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
minigrad.manual_seed(0)

# %%
# First ask whether you need an op
# --------------------------------
# Whatever is made of existing ops has its gradient for free. A new **loss** is nearly always an ordinary function. Here
# is the *pinball* loss, whose best answer is not the mean but a quantile: with q = 0.9 it is nine times as bad to be
# too low as to be too high, so the best line has 90 per cent of the points below it.


def pinball_loss(prediction, target, q=0.5):
    """The mean of max(q e, (q - 1) e), with the error e = target - prediction."""
    error = target - prediction
    return minigrad.maximum(q * error, (q - 1) * error).mean()


# %%
# A **gradient check** compares what ``backward`` says with what a small step in each input does, in float64. It is the
# proof of this page, so look at its report once.

prediction, target = minigrad.randn(2, 4, device=args.device)
print(gradcheck(lambda p: pinball_loss(p, target, q=0.9), prediction.requires_grad_()))

# %%
# An op
# -----
# When composition is too slow, or not exact enough, write an op. Ours is *snake*, a straight line with a wave on it. It
# lets networks learn what is periodic (Ziyin, Hartwig and Ueda, "Neural networks fail to learn periodic functions and
# how to fix it", 2020):
#
# .. math:: y = x + \frac{\sin^2(a x)}{a}, \qquad
#    \frac{\partial y}{\partial x} = 1 + \sin(2 a x), \qquad
#    \frac{\partial y}{\partial a} = \frac{x \sin(2 a x)}{a} - \frac{\sin^2(a x)}{a^2}
#
# The forward gets plain arrays, and ``xp`` is ``numpy`` or ``cupy``. Each input has a rule: ``g`` is the gradient that
# arrives, the other names say what the rule needs, and exactly that is kept until ``backward``. The rules are made of
# ops, so they can be differentiated again. Broadcasting is undone for you: here ``a`` may be one number for all
# features, or one for each. Every op of minigrad is written like this: read ``minigrad/ops/elementwise.py``.


@op
def snake(xp, x, a, /):
    """x + sin(a x)^2 / a;   d = (1 + sin(2 a x)) dx + (x sin(2 a x) / a - sin(a x)^2 / a^2) da"""
    return x + xp.sin(a * x) ** 2 / a


snake.derivative(
    x=lambda g, x, a: g * (1 + minigrad.sin(2 * a * x)),
    a=lambda g, x, a: g * (x * minigrad.sin(2 * a * x) / a - minigrad.sin(a * x) ** 2 / a**2),
)

x = minigrad.randn(5, 3, device=args.device, requires_grad=True)
a = (1 + minigrad.rand(3, device=args.device)).requires_grad_()
assert gradcheck(snake, [x, a], second_order=True)
print(f"\nsnake has the right first and second derivatives, and its node is called {snake(x, a).grad_fn}")

# %%
# A wrong rule, and who is to blame
# ---------------------------------
# Now the classic mistake. Somebody computes the same op and forgets the chain rule's inner derivative, a factor of 2.
# Training with it *works*: the loss falls, only not as well as it could. No error will ever say so. Deep inside a
# network, ``blame=True`` names the op.


@op
def wavy(xp, x, a, /):
    """x + sin(a x)^2 / a"""
    return x + xp.sin(a * x) ** 2 / a


wavy.derivative(
    x=lambda g, x, a: g * (1 + minigrad.sin(a * x) * minigrad.cos(a * x)),  # planted: 2 sin cos would be right
    a=snake.rules["a"],
)


def small_network(x, a):
    return wavy((2 * x).tanh(), a).exp().mean()


report = gradcheck(small_network, [x, a], blame=True, raise_exception=False)
print(f"\n{report.wrong} of {report.checked} derivatives are wrong. {report.culprit}")
assert not report and "wavy" in report.culprit

# %%
# A layer
# -------
# A layer is a ``Module``: what is to be trained is a ``Parameter``, what is to be computed stands in ``forward``, and
# ``extra_repr`` says what is printed. It takes part in ``parameters()``, ``state_dict()`` and ``to()`` without more.


class Snake(nn.Module):
    """Snake with a trainable frequency for each feature."""

    def __init__(self, features, frequency=1.0):
        super().__init__()
        self.frequency = nn.Parameter(minigrad.full((features,), float(frequency)))

    def forward(self, x):
        return snake(x, self.frequency)

    def extra_repr(self):
        return f"features={len(self.frequency)}"


print(f"\n{Snake(3)} keeps {list(Snake(3).state_dict())}")

# %%
# A backward that is not the derivative
# -------------------------------------
# Sometimes you *want* a wrong derivative. ``sign`` turns numbers into -1 or 1, which saves memory, but its slope is 0
# everywhere, so nothing before it can learn. The **straight-through estimator** (Bengio, Léonard and Courville, 2013)
# computes the sign, and passes the gradient on as if it had done nothing, unless the input is large. ``Function``
# leaves forward and backward to you: read ``minigrad/autograd/function.py``.


class StraightThrough(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * (x.abs() <= 1).float()


# %%
# A gradient check must refuse this function, and does: away from 0 its true slope is 0, not 1. To use such a thing is a
# decision, and its proof is that training gets better. We train a network for digits whose 64 hidden features are -1 or
# 1, once with ``sign``, once with ours. What to expect: with ``sign`` the gradient of the first layer is 0, and the
# last one has to make do with random features. Straight through, both learn.

point = minigrad.tensor([0.3, -0.6], device=args.device, requires_grad=True)
assert not gradcheck(StraightThrough.apply, point, raise_exception=False)

train_images, train_labels = (tensor.to(args.device) for tensor in Digits("train").tensors)
test_images, test_labels = (tensor.to(args.device) for tensor in Digits("test").tensors)


def train_binary(binary, steps=100 if args.quick else 600):
    """Losses, and the accuracy in the end."""
    minigrad.manual_seed(0)
    first, last = nn.Linear(64, 64).to(args.device), nn.Linear(64, 10).to(args.device)
    optimizer = optim.Adam([*first.parameters(), *last.parameters()], lr=0.003)
    losses = []
    for _ in range(steps):
        batch = minigrad.randint(0, len(train_images), (64,)).to(args.device)
        loss = F.cross_entropy(last(binary(first(train_images[batch] - 0.3))), train_labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with minigrad.no_grad():
        right = last(binary(first(test_images - 0.3))).argmax(dim=1) == test_labels
    return losses, 100 * right.float().mean().item()


with_sign, sign_score = train_binary(minigrad.sign)
straight, straight_score = train_binary(StraightThrough.apply)
print(f"\nfeatures of -1 and 1: {sign_score:.1f} per cent with sign, {straight_score:.1f} straight through")
figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
curves = (with_sign, sign_score, ORANGE, "sign"), (straight, straight_score, BLUE, "straight through")
for losses, score, colour, name in curves:
    smooth = np.convolve(losses, np.full(20, 1 / 20), mode="valid")
    axis.semilogy(smooth, color=colour, linewidth=2, label=f"{name}: {score:.0f} per cent of the test images right")
axis.set(xlabel="step", ylabel="cross entropy, mean of 20 steps", title="A useful lie: the gradient passes the sign")
axis.legend(frameon=False)
figure.savefig(args.out / "18_straight_through.png", dpi=120)

# %%
# An optimizer
# ------------
# A subclass of ``Optimizer`` says what it remembers of each parameter (``buffers``) and how it moves (``update``, which
# gets flat arrays and changes ``p`` and the ``state`` in place). Groups of parameters and ``state_dict()`` are seen to.
# Ours is Lion (Chen and others, "Symbolic discovery of optimization algorithms", 2023): an average of the gradients
# decides on the *direction*, and every weight moves by exactly the learning rate.


class Lion(optim.Optimizer):
    """c = beta1 m + (1 - beta1) g;  p <- p - lr sign(c);  m <- beta2 m + (1 - beta2) g"""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    def buffers(self, group):
        return {"exp_avg": 0.0}

    def update(self, xp, p, g, state, group, scratch):
        m, (beta1, beta2) = state["exp_avg"], group["betas"]
        p -= group["lr"] * xp.sign(beta1 * m + (1 - beta1) * g)
        m *= beta2
        m += (1 - beta2) * g


# %%
# The proof of an optimizer is three steps by hand, on a loss whose gradient is known: of p² it is 2p.

p = minigrad.tensor([0.3, -1.0], device=args.device, requires_grad=True)
optimizer = Lion([p], lr=0.25)
by_hand, m = np.array([0.3, -1.0]), np.zeros(2)
for _ in range(3):
    optimizer.zero_grad()
    (p**2).sum().backward()
    optimizer.step()
    g = 2 * by_hand
    by_hand, m = by_hand - 0.25 * np.sign(0.9 * m + 0.1 * g), 0.99 * m + 0.01 * g
assert np.allclose(p.detach().cpu(), by_hand) and np.allclose(optimizer.state[p]["exp_avg"].cpu(), m)

# %%
# A data set and a metric
# -----------------------
# A data set knows how many samples it has, and makes sample number i when it is asked; the loader does the rest. Here
# the week is the seed of its weather, so that a sample is the same in every epoch.
#
# A metric names its state, says how a batch changes it, and how it becomes a value. It keeps counts, not a mean of
# means, so the value is right even if the last batch is smaller.


class Seasons(Dataset):
    """A temperature for every week: a yearly wave, a slow rise, and weather. Time is in years."""

    def __init__(self, weeks):
        self.weeks = weeks

    def __len__(self):
        return len(self.weeks)

    def __getitem__(self, index):
        years = self.weeks[index] / 52
        weather = np.random.default_rng(1000 + self.weeks[index]).normal(0, 0.25)
        return minigrad.tensor([years]), minigrad.tensor([math.sin(2 * math.pi * years) + 0.1 * years + weather])


class Within(Metric):
    """The share of predictions that are at most ``tolerance`` away."""

    def __init__(self, tolerance):
        super().__init__()
        self.tolerance = tolerance
        self.add_state("close", minigrad.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("total", minigrad.tensor(0.0), dist_reduce_fx="sum")

    def update(self, prediction, target):
        self.close = self.close + ((prediction - target).abs() <= self.tolerance).float().sum()
        self.total = self.total + target.numel()

    def compute(self):
        return self.close / self.total


metric = Within(0.5)
metric.update(minigrad.tensor([1.0, 2.0, 3.0]), minigrad.tensor([1.4, 2.6, 3.0]))
metric.update(minigrad.tensor([0.0]), minigrad.tensor([9.0]))
assert metric.compute().item() == 0.5

# %%
# All together
# ------------
# Four years to learn from, two to predict. Two networks, trained by our optimizer on our data with our loss and judged
# by our metric; they differ in the hidden layer alone. Before you look: what can a network of tanh say about the time
# after the last point? There each tanh is nearly straight, so their sum is too: whichever way it leaves, it cannot turn
# back. (Four waves in the past are too much for it already.) Snake has learned a wave, and goes on.

past, future = Seasons(range(-104, 104)), Seasons(range(104, 208))
shown = minigrad.linspace(-2, 4, 400, device=args.device).reshape(-1, 1)
figure, axes = plt.subplots(2, 1, figsize=(8, 5.4), sharex=True, sharey=True, layout="constrained")
scores = {}
print("\nwithin 0.5 degrees        four years learned   two years ahead")
for axis, (name, layer) in zip(axes, (("tanh", nn.Tanh()), ("snake", Snake(32, frequency=3.0))), strict=True):
    minigrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), layer, nn.Linear(32, 1)).to(args.device)
    epochs = 30 if args.quick else 300
    optimizer = Lion(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for _ in range(epochs):
        for years, temperature in DataLoader(past, batch_size=52, shuffle=True):
            loss = pinball_loss(model(years.to(args.device)), temperature.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    scores[name] = []
    for data, colour, label in ((past, "0.6", "learned"), (future, GREEN, "not seen")):
        years, temperature = next(iter(DataLoader(data, batch_size=len(data))))
        scores[name].append(Within(0.5)(model(years.to(args.device)), temperature.to(args.device)).item())
        axis.plot(years, temperature, ".", color=colour, markersize=4, label=label)
    print(f"{name:25s} {scores[name][0]:18.0%} {scores[name][1]:17.0%}")
    with minigrad.no_grad():
        axis.plot(shown.cpu(), model(shown).cpu(), color=BLUE, linewidth=2, label=f"network with {name}")
    axis.set(ylabel="temperature", ylim=(-2.2, 2.6))
    axis.legend(frameon=False, loc="lower left", ncols=3)
axes[1].set_xlabel("time in years")
axes[0].set_title("The layer decides what is thought of the future")
figure.savefig(args.out / "18_seasons.png", dpi=120)
print(f"\nfigures: 18_straight_through.png, 18_seasons.png in {args.out}")

# %%
# What must hold, beside the proofs above: the straight-through features are better than random ones, and snake predicts
# the two years far better than tanh. (Other seeds keep the rhythm as well, but not always the level: between 57 and 88
# per cent are within half a degree.)

assert straight_score > sign_score + 3, (straight_score, sign_score)
if not args.quick:
    assert straight_score > 93
    assert scores["snake"][1] > max(0.5, scores["tanh"][1] + 0.3), scores

# %%
# Exercises
# ---------
# 1. Write an op for ``x / (1 + |x|)`` and its rule; the slope is ``1 / (1 + |x|)**2``. Check it, also at 0. Then plant
#    a sign error and read what the check says.
# 2. Write ``pinball_loss`` as a ``Function`` with a backward of its own. Is it worth the trouble? Time both.
# 3. Write a **gradient reversal**: a ``Function`` with ``x.clone()`` as forward and ``-g`` as backward. Through it one
#    part of a network is trained *against* the loss that all others minimise (Ganin and Lempitsky, 2015). Take the loss
#    ``(a - 1)**2 - (r + 1)**2 - a * r`` with r = ``Reversed.apply(b)``: if SGD minimises it over a and b, only a wants
#    it small, b wants it large. Where do they meet? (At the saddle point, (0.4, -1.2).)
# 4. Give tanh a better start, steeper first weights: ``nn.init.uniform_(model[0].weight, -3, 3)``. Does it learn the
#    past now? And the future?
# 5. Give Lion a decoupled weight decay (one line: multiply ``p``), and prove it by three steps by hand.

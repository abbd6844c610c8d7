"""
The first weights
=================

Before the first step of training somebody has to choose the weights, and the choice decides whether a deep network can
learn at all. Here twenty layers are watched from inside: how large the numbers are on the way forward, how large the
gradients on the way back, and how three lines of mathematics keep both the same size from the first layer to the last.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="What the first weights do to a deep network.")
parser.add_argument("--seed", type=int, default=0, help="for weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="train for two epochs only, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
images, labels = (tensor.to(args.device) for tensor in (Digits("train").data, Digits("train").targets))
val_images, val_labels = (tensor.to(args.device) for tensor in (Digits("val").data, Digits("val").targets))

# %%
# Not zero, and not all the same
# ------------------------------
# The first idea is to start with every weight at 0. It is the classic mistake. Take two neurons of one layer with the
# same weights: they compute the same thing, so they get the same gradient, so they take the same step, and they are
# twins for ever. A layer of 32 twins is a layer of one neuron. With zeros it is worse: the gradient on its way back is
# multiplied by the weights, and nothing comes through.
#
# What you should see: after training, one distinct neuron from equal weights, 32 from random ones.


def accuracy_of(model):
    with minigrad.no_grad():
        return (model(val_images).argmax(dim=1) == val_labels).float().mean().item()


def train_shallow(first_weight):
    """One hidden layer of 32; return how many different neurons it ends with, and the accuracy."""
    minigrad.manual_seed(args.seed)
    model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)).to(args.device)
    with minigrad.no_grad():
        for parameter in model.parameters():
            first_weight(parameter)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    different = len(np.unique(model[0].weight.detach().cpu().numpy().round(4), axis=0))
    return different, accuracy_of(model)


twins = {
    "all 0": train_shallow(nn.init.zeros_),
    "all 0.1": train_shallow(lambda parameter: nn.init.constant_(parameter, 0.1)),
    "normal, std 0.1": train_shallow(lambda parameter: nn.init.normal_(parameter, std=0.1)),
}
print("first weights      different neurons   accuracy")
for name, (different, accuracy) in twins.items():
    print(f"{name:17} {different:14d} of 32 {accuracy:10.1%}")

# %%
# So the weights must be random. Only their *size* is left to choose, and that is what the rest is about.
#
# The variance of a sum
# ---------------------
# A neuron adds up n products. Say the weights are independent, with mean 0. Then the mean of the sum is 0, and its
# variance (the mean of its square) is, in three lines:
#
# .. math::
#
#    y &= w_1 x_1 + w_2 x_2 + \dots + w_n x_n \\
#    \operatorname{Var}(y) &= \textstyle\sum_j \mathrm{E}[w_j^2]\,\mathrm{E}[x_j^2]
#        \qquad \text{for } i \ne j \text{ the mean of } w_i x_i w_j x_j \text{ is } 0 \\
#        &= n \operatorname{Var}(w)\, \mathrm{E}[x^2]
#
# The size of a signal is measured by the root of its mean square, its RMS. Each layer multiplies it by
# :math:`\sqrt{n}\,\mathrm{std}(w)`, so it stays the same exactly when :math:`\mathrm{std}(w) = 1/\sqrt{n}`. n is called
# ``fan_in``. Backwards the same sum runs over the neurons that come after: there the number is ``fan_out``.

print("\n    n   std(w)   RMS of y   predicted")
for n in (16, 256, 4096):
    for std in (1.0, 1 / n**0.5):
        y = minigrad.randn(500, n, device=args.device) @ (std * minigrad.randn(n, 40, device=args.device))
        print(f"{n:5d} {std:8.4f} {y.square().mean().sqrt().item():10.3f} {n**0.5 * std:11.3f}")

# %%
# Twenty layers
# -------------
# A factor of 1.5 in one layer is nothing. Twenty layers make it 3325, and a factor of 0.5 becomes a millionth. Now the
# network: 20 layers of 128 neurons without bias, and random inputs. ``retain_grad()`` asks a tensor in the middle to
# keep its gradient. At the end we put in gradients of size 1 and look at what arrives at each layer.

DEPTH, WIDTH, BATCH = 20, 128, 400


def signals(activation, first_weight):
    """Return the activations of each layer, and the gradients that reach them, as two lists of arrays."""
    minigrad.manual_seed(args.seed)
    h, layers = minigrad.randn(BATCH, WIDTH, device=args.device), []
    for _ in range(DEPTH):
        weight = minigrad.empty(WIDTH, WIDTH, device=args.device)
        first_weight(weight)
        weight.requires_grad_()
        h = activation(nn.functional.linear(h, weight))
        h.retain_grad()
        layers.append(h)
    h.backward(minigrad.randn(BATCH, WIDTH, device=args.device))
    return [h.detach().cpu().numpy() for h in layers], [h.grad.cpu().numpy() for h in layers]


CHOICES = {
    "too small (std 0.02)": lambda weight: nn.init.normal_(weight, std=0.02),
    "too large (std 0.5)": lambda weight: nn.init.normal_(weight, std=0.5),
    "Xavier": nn.init.xavier_normal_,
    "He": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
}
seen = {
    (kind, name): signals(activation, first_weight)
    for kind, activation in (("tanh", minigrad.tanh), ("ReLU", minigrad.relu))
    for name, first_weight in CHOICES.items()
}

# %%
# First tanh, whose outputs lie between -1 and 1. The histograms show how often each value occurs. What you should see:
# with small weights the signal dies within a few layers (it *vanishes*), and all outputs are 0. With large weights most
# outputs are pressed against -1 or 1, where the curve of tanh is flat; such a neuron is *saturated*, and a small change
# of its input changes nothing. In between there is a size that keeps the signal alive.

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
COLOURS = dict(zip(CHOICES, (BLUE, RED, GREEN, ORANGE), strict=True))
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
steps = np.arange(1, DEPTH + 1)

figure, axes = plt.subplots(3, 4, figsize=(10, 6), sharex=True, layout="constrained")
for row, name in zip(axes, list(CHOICES)[:3], strict=True):
    activations, _ = seen["tanh", name]
    for axis, layer in zip(row, (1, 3, 10, 20), strict=True):
        shares = 100 * np.histogram(activations[layer - 1], bins=41, range=(-1, 1))[0] / activations[0].size
        axis.bar(np.linspace(-1, 1, 83)[1::2], shares, width=2 / 41, color=COLOURS[name])
        axis.set(xlim=(-1.05, 1.05), xticks=(-1, 0, 1))
        if name == "too small (std 0.02)":
            axis.set_title(f"layer {layer}")
    row[0].set_ylabel(f"{name}\n% of outputs")
for axis in axes[-1]:
    axis.set_xlabel("output of tanh")
figure.suptitle("tanh: small weights let the signal die, large ones press it to the ends")
figure.savefig(args.out / "09_tanh.png", dpi=120)

# %%
# ReLU loses half
# ---------------
# ReLU sets everything below 0 to 0. Where the sums are as often negative as positive, that is half of their mean
# square, so with Xavier's weights each layer keeps :math:`\sqrt{1/2}` of the size. He's weights make up for it with
# twice the variance. In ``nn.init`` such a correction is called the *gain* of an activation:
#
# ====================  ================================  ===================
# ``nn.init``           std of the weights                for
# ====================  ================================  ===================
# ``xavier_normal_``    gain · √(2 / (fan_in + fan_out))  tanh, sigmoid
# ``kaiming_normal_``   gain / √fan_in                    ReLU, with gain √2
# ====================  ================================  ===================
#
# Xavier's takes the mean of the two fans, a compromise between the way forward and the way back. For both there is a
# ``uniform`` form of the same std. They are short to read in ``minigrad/nn/init.py``. The names: Xavier Glorot (with
# Bengio, 2010) and Kaiming He (with others, 2015).
#
# What you should see: on these logarithmic axes a constant factor per layer is a straight line. For tanh Xavier's line
# is nearly level, for ReLU only He's. Read the gradients from right to left, as they travel.


def rms(arrays):
    return np.array([np.sqrt(np.mean(np.square(array, dtype=np.float64))) for array in arrays])


figure, axes = plt.subplots(2, 2, figsize=(10, 7), sharex=True, layout="constrained")
for (kind, name), both in seen.items():
    row = ("tanh", "ReLU").index(kind)
    for axis, arrays in zip(axes[row], both, strict=True):
        axis.semilogy(steps, rms(arrays), color=COLOURS[name], linewidth=2, label=name)
for axis, title in zip(
    axes.flat,
    ("tanh, forward: outputs", "tanh, backward: gradients", "ReLU, forward: outputs", "ReLU, backward: gradients"),
    strict=True,
):
    axis.set(title=title, ylabel="RMS (input or last gradient: 1)", xticks=(1, 5, 10, 15, 20))
    axis.axhline(1, color="0.8", linewidth=1, zorder=0)
for axis in axes[1]:
    axis.set_xlabel("layer")
axes[1, 0].legend(frameon=False, loc="lower left")
figure.savefig(args.out / "09_signals.png", dpi=120)

print("\nReLU: each layer multiplies the size by")
print("first weights          forward   backward   predicted")
predicted = dict(
    zip(CHOICES, WIDTH**0.5 * np.array([0.02, 0.5, WIDTH**-0.5, (2 / WIDTH) ** 0.5]) / 2**0.5, strict=True)
)
factors = {}
for name in CHOICES:
    forward, backward = (rms(arrays) for arrays in seen["ReLU", name])
    factors[name] = (forward[-1] / forward[0]) ** (1 / (DEPTH - 1)), (backward[0] / backward[-1]) ** (1 / (DEPTH - 1))
    print(f"{name:22} {factors[name][0]:7.3f} {factors[name][1]:10.3f} {predicted[name]:11.3f}")

# %%
# Look once more at tanh with large weights: the gradients grow on the way back although most neurons are saturated. The
# few that are not pass on their gradient times large weights, and those few are enough. Such a network is chaotic: the
# smallest change of the input ends up anywhere.
#
# Does it train?
# --------------
# Now real training: digits, 20 hidden layers of 128 with ReLU. The loss of a network that guesses is ln 10 = 2.30. One
# more candidate joins: what ``nn.Linear`` does if nobody says anything. That is ``kaiming_uniform_(a=5**0.5)``, a
# uniform distribution on ±1/√fan_in, as in PyTorch. Its std is 1/√(3 fan_in), so with ReLU each layer multiplies by
# √(1/6) = 0.41. Good enough for three layers; what do you expect for twenty?


def linears(model):
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def train_deep(first_weight, epochs):
    """Return the loss at each step and the accuracy in the end."""
    minigrad.manual_seed(args.seed)
    layers = [nn.Linear(64 if k == 0 else WIDTH, WIDTH) for k in range(DEPTH)]
    model = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())), nn.Linear(WIDTH, 10)).to(
        args.device
    )
    if first_weight is not None:
        for layer in linears(model):
            first_weight(layer.weight)
            nn.init.zeros_(layer.bias)
    optimizer = optim.SGD(model.parameters(), lr=0.003, momentum=0.9)
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True, drop_last=True)
    losses = []
    for _ in range(epochs):
        for some, their_labels in loader:
            loss = nn.functional.cross_entropy(model(some), their_labels)
            losses.append(loss.item())
            if not losses[-1] < 1e4:  # it exploded, and what follows is only larger
                return losses, float("nan")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return losses, accuracy_of(model)


epochs = 2 if args.quick else 20
runs = {name: train_deep(first_weight, epochs) for name, first_weight in CHOICES.items()}
runs["nn.Linear's own"] = train_deep(None, epochs)
print("\nfirst weights          first loss   last loss   accuracy")
for name, (losses, accuracy) in runs.items():
    verdict = "exploded" if np.isnan(accuracy) else f"{accuracy:.1%}"
    print(f"{name:22} {losses[0]:10.3g} {np.mean(losses[-19:]):11.3g} {verdict:>10}")

figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for name, (losses, _) in runs.items():
    style = (0, (3, 3)) if name == "nn.Linear's own" else "-"  # lies on that of the weights that are too small
    label = f"{name}: {losses[0]:.0e}, off the chart" if losses[0] > 3 else name
    axis.plot(losses, color=COLOURS.get(name, "0.1"), linestyle=style, linewidth=1.8, label=label)
axis.annotate(
    "guessing: ln 10", (0.78, np.log(10)), (0, 8), xycoords=("axes fraction", "data"), textcoords="offset points"
)
axis.set(xlabel="step", ylabel="cross entropy", ylim=(0, 3.2), title="Only He's weights let twenty ReLU layers learn")
axis.legend(frameon=True, edgecolor="none")
figure.savefig(args.out / "09_training.png", dpi=120)
print(f"\nfigures: 09_tanh.png, 09_signals.png, 09_training.png in {args.out}")

# %%
# Twins stayed twins; the measured factors of the ReLU layers agree with the formula; and of the deep networks the one
# with He's weights has learned while the one with small weights still guesses:

assert [different for different, _ in twins.values()] == [1, 1, 32]
for name, measured in factors.items():
    assert np.allclose(measured, predicted[name], rtol=0.06), (name, measured, predicted[name])
assert abs(np.mean(runs["too small (std 0.02)"][0][-19:]) - np.log(10)) < 0.05
if not args.quick:
    assert runs["He"][1] > 0.8, runs["He"][1]
    assert runs["nn.Linear's own"][1] < 0.3, runs["nn.Linear's own"][1]

# %%
# Exercises
# ---------
# 1. Give Xavier's weights the gain that ``nn.init.calculate_gain("tanh")`` returns. What changes in the first figure?
# 2. ``nn.init.orthogonal_`` fills a matrix that keeps the length of every vector. Add it to ``CHOICES`` for tanh and
#    for ReLU (with which gain?), and compare how level the lines are with those of Xavier and He.
# 3. A residual network computes ``h + f(h)`` in each layer. Change ``signals`` to do so, and see what becomes of
#    weights that are too small.

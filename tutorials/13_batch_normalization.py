"""
Batch normalisation
===================

Networks learn best from numbers of a comfortable size: mean 0, variance 1. For the inputs one can arrange that once and
for all. Batch normalisation arranges it between the layers as well, in every step anew. Here it is taken apart: the
formulas by hand, the way back by hand, what changes between training and use, and what it is good for.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import autograd, nn, optim
from minigrad.datasets import Digits
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Batch normalisation, by hand and in a network.")
parser.add_argument("--seed", type=int, default=0, help="for data, first weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="few epochs only, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Normalising the inputs
# ----------------------
# Flats have an area around 80 m² and about 3 rooms; the rent is a line through both. One feature is thirty times as
# large as the other, so the loss is steep along its weight and flat along the other: the narrow valley in which
# gradient descent zigzags. Subtracting the mean and dividing by the standard deviation makes the features alike. (To
# divide by the variance itself is a common slip; the new variance is then 1 over the old one.)
#
# What you should see: raw, the road drops into a trench at once and then creeps along it; 40 steps are nothing.
# Normalised, it goes straight to the star. New data must be treated with the mean and std *of the training data*: they
# are a part of the model.

flats = (minigrad.tensor([80.0, 3.0]) + minigrad.tensor([20.0, 1.0]) * minigrad.randn(200, 2)).to(args.device)
rent = 9 * flats[:, 0] + 40 * flats[:, 1] + 20 * minigrad.randn(200).to(args.device)
rent = (rent - rent.mean()) / rent.std()
normalised = (flats - flats.mean(dim=0)) / flats.std(dim=0)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for axis, x, title in ((axes[0], flats - flats.mean(dim=0), "raw (but centred)"), (axes[1], normalised, "normalised")):
    moments = (x.T @ x / 200).cpu().numpy()
    steepness = np.linalg.eigvalsh(2 * moments)
    best = np.linalg.solve(moments, (x.T @ rent / 200).cpu().numpy())
    w = minigrad.tensor(best - 0.5, device=args.device, requires_grad=True)
    optimizer, path = optim.SGD([w], lr=float(1 / steepness[-1])), [w.tolist()]
    for _ in range(40):
        optimizer.zero_grad()
        ((x @ w - rent) ** 2).mean().backward()
        optimizer.step()
        path.append(w.tolist())
    dx, dy = np.meshgrid(np.linspace(-0.7, 0.7, 100), np.linspace(-0.7, 0.7, 100))
    above = np.log10(moments[0, 0] * dx**2 + 2 * moments[0, 1] * dx * dy + moments[1, 1] * dy**2 + 1e-9)
    axis.contour(best[0] + dx, best[1] + dy, above, levels=12, colors="0.85", linestyles="solid")
    axis.plot(*np.transpose(path), "o-", color=BLUE, markersize=3, linewidth=1)
    axis.plot(*best, "*", color=RED, markersize=14)
    axis.set(xlabel="weight of the area", ylabel="weight of the rooms")
    axis.set_title(f"{title}: {steepness[-1] / steepness[0]:.3g} times as steep across")
figure.savefig(args.out / "13_inputs.png", dpi=120)

# %%
# The formulas
# ------------
# z is what a layer computes for a batch of m samples, each column a *channel* (one neuron). For each channel:
#
# .. math::
#
#    \mu = \frac1m \sum_i z_i, \qquad \sigma^2 = \frac1m \sum_i (z_i - \mu)^2, \qquad
#    \hat z_i = \frac{z_i - \mu}{\sqrt{\sigma^2 + \epsilon}}, \qquad y_i = \gamma\, \hat z_i + \beta
#
# :math:`\gamma` and :math:`\beta` are learned like weights; in the layer they are called ``weight`` and ``bias``. They
# look like a step back: why normalise, and then scale and shift? Because now the size is *one* number that training can
# set, instead of the outcome of everything that happens in the layers before.


def batch_norm(z, gamma, beta, eps=1e-5):
    mean, var = z.mean(dim=0), z.var(dim=0, unbiased=False)
    return gamma * (z - mean) / (var + eps).sqrt() + beta


z = (5 + 3 * minigrad.randn(32, 4, dtype=minigrad.float64, device=args.device)).requires_grad_()
layer = nn.BatchNorm1d(4, dtype=minigrad.float64, device=args.device)
nn.init.uniform_(layer.weight, 0.5, 2.0)
nn.init.normal_(layer.bias)
y = layer(z)
print("by hand = nn.BatchNorm1d:", minigrad.allclose(batch_norm(z, layer.weight, layer.bias), y))

# %%
# The way back
# ------------
# Each input acts on the output in three ways: directly, through the mean, and through the variance. So the gradient has
# three terms. With g for dL/dy, and a bar for the mean over the batch:
#
# .. math::
#
#    \frac{dL}{d\beta} = \sum_i g_i, \qquad \frac{dL}{d\gamma} = \sum_i g_i \hat z_i, \qquad
#    \frac{dL}{dz_i} = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
#        \left( g_i - \overline{g} - \hat z_i\, \overline{g \hat z} \right)
#
# Those few lines are ``batch_norm`` in ``minigrad/ops/normalization.py``. ``explain`` shows them at work, on a batch of
# three numbers. The gradient asks for the first output only, and yet all three inputs get a share: in batch norm
# the samples of a batch depend on each other.

x = minigrad.tensor([[1.0], [3.0], [8.0]], device=args.device, requires_grad=True)
small = nn.BatchNorm1d(1, affine=False).to(args.device)
first_output = small(x)[0, 0]
print(f"\n{minigrad.explain(first_output)}\n")

g = minigrad.randn(32, 4, dtype=minigrad.float64, device=args.device)
y.backward(g)
with minigrad.no_grad():
    mean, root = z.mean(dim=0), (z.var(dim=0, unbiased=False) + 1e-5).sqrt()
    z_hat = (z - mean) / root
    by_hand = {
        "z": layer.weight / root * (g - g.mean(dim=0) - z_hat * (g * z_hat).mean(dim=0)),
        "gamma": (g * z_hat).sum(dim=0),
        "beta": g.sum(dim=0),
    }
by_autograd = {"z": z.grad, "gamma": layer.weight.grad, "beta": layer.bias.grad}
for name, grad in by_hand.items():
    print(f"gradient of {name:5} by hand and by autograd differ by {(grad - by_autograd[name]).abs().max().item():.1e}")

# %%
# The classic mistake on paper is to treat mean and variance as constants. ``gradcheck`` compares with the effect of
# small steps, and does not let it pass:


class Forgetful(autograd.Function):
    @staticmethod
    def forward(ctx, z):
        root = (z.var(dim=0, unbiased=False) + 1e-5).sqrt()
        ctx.save_for_backward(root)
        return (z - z.mean(dim=0)) / root

    @staticmethod
    def backward(ctx, g):
        (root,) = ctx.saved_tensors
        return g / root


few = minigrad.randn(5, 2, dtype=minigrad.float64, device=args.device, requires_grad=True)
right = autograd.gradcheck(lambda z: batch_norm(z, 1.0, 0.0), few)
wrong = autograd.gradcheck(Forgetful.apply, few, raise_exception=False)
print(f"\nwith all three terms: {bool(right)}\nforgetful: {wrong}")

# %%
# A bias before it is useless
# ---------------------------
# Whatever a bias adds to all samples alike, the mean takes away again. Its gradient is 0, so it never learns anything:
# write ``nn.Linear(..., bias=False)`` before batch norm, and let batch norm's own bias do the work.

linear, norm = nn.Linear(8, 4).to(args.device), nn.BatchNorm1d(4).to(args.device)
out = norm(linear(minigrad.randn(64, 8, device=args.device)))
(out * minigrad.randn_like(out)).sum().backward()
sizes = {name: p.grad.abs().max().item() for name, p in (("weight", linear.weight), ("bias", linear.bias))}
print(f"\nlargest gradient before batch norm: weight {sizes['weight']:.2g}, bias {sizes['bias']:.2g}")

# %%
# Training and use are different
# ------------------------------
# When the network is used, there may be one image and no batch. So during training the layer also keeps moving averages
# (lesson 10), ``running_mean`` and ``running_var``: in each batch they move a tenth of the way to the
# batch's mean and variance. ``model.eval()`` makes the layer use them. They are *buffers*: saved with the model, not
# trained. (A detail: the batch is normalised with the variance divided by m, the running one takes that divided by
# m - 1, as in PyTorch.) To forget ``eval()`` is the mistake everybody makes once: then the answer for one image depends
# on which others happen to be in its batch.
#
# What you should see: the averages start at 0 and 1 and need some thirty batches to arrive. And the smaller the
# batch, the noisier its statistics: the same sample comes out differently in every batch. With two per batch each
# output is +1 or -1, whatever went in. Where batches must be small, ``nn.GroupNorm`` and ``nn.LayerNorm`` are better.

norm, history = nn.BatchNorm1d(1).to(args.device), []
for _ in range(80):
    history.append((norm.running_mean.item(), norm.running_var.item()))
    norm(3 + 2 * minigrad.randn(32, 1, device=args.device))
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for values, true, colour, name in zip(zip(*history, strict=True), (3, 4), (BLUE, ORANGE), ("mean", "var"), strict=True):
    left.plot(values, color=colour, linewidth=2, label=f"running_{name}")
    left.axhline(true, color=colour, linestyle=":", linewidth=1.5, label=f"true {name}")
left.set(xlabel="batches of 32 seen", ylabel="value", title="The running statistics take time to arrive")
left.legend(frameon=False, ncols=2)

sample, spread = minigrad.tensor([[5.0]], device=args.device), {}  # one std above the mean, so it should come out as 1
for size in (2, 4, 8, 16, 32, 64, 128):
    norm.train()
    batches = 3 + 2 * minigrad.randn(200, size, 1, device=args.device)
    batches[:, 0] = sample
    outs = [norm(batch)[0, 0].item() for batch in batches]
    spread[size] = np.std(outs)
    right.scatter(size * np.exp(0.15 * np.random.default_rng(0).normal(size=200)), outs, s=6, color=BLUE, alpha=0.4)
norm.eval()
right.axhline(norm(sample).item(), color=RED, label="eval(): the same each time")
right.set_xscale("log", base=2)
right.set(xlabel="batch size", ylabel="output for the same sample", title="Small batches are noisy")
right.legend(frameon=False)
figure.savefig(args.out / "13_statistics.png", dpi=120)

# %%
# When the data shifts
# --------------------
# A network is used on data that differ from those it was trained on. That is *dataset shift*, of three kinds.
# *Covariate shift*: other inputs, the same rule. *Prior shift*: the classes come in other shares. *Concept shift*: the
# rule itself has changed. Below are two classes in the plane, before and after; the line is the true boundary.


def draw(axis, title, centre=(0, 0), share=0.5, tilt=0.0):
    rng = np.random.default_rng(3)
    points = rng.normal(centre, 1.0, (400, 2))
    above = points[:, 1] > (1 + tilt) * points[:, 0]
    for side, part, colour, mark in ((above, share, BLUE, "o"), (~above, 1 - share, ORANGE, "^")):
        axis.scatter(*points[side][: int(150 * part)].T, s=16, color=colour, marker=mark)
    axis.axline((0, 0), slope=1 + tilt, color="0.3", linewidth=1)
    axis.set(title=title, xlim=(-4, 4), ylim=(-4, 4), xticks=(), yticks=(), xlabel="feature 1")


figure, axes = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
draw(axes[0], "training")
draw(axes[1], "covariate shift", centre=(1.6, 1.2))
draw(axes[2], "prior shift", share=0.1)
draw(axes[3], "concept shift", tilt=-1.6)
axes[0].set_ylabel("feature 2")
figure.savefig(args.out / "13_shift.png", dpi=120)

# %%
# Inside a network, each layer suffers something of the kind in every step of training: the layers before have changed,
# so its inputs have. Ioffe and Szegedy (2015) called that *internal* covariate shift and invented batch norm against
# it. Later work found that the gain comes rather from a smoother loss that allows higher rates (Santurkar and others,
# 2018). Nobody disputes that it works. Here are 20 hidden layers with the first weights of ``nn.Linear``, which do not
# learn at all, as lesson 09 showed, and the same with batch norm after each layer.

train_set, val_set, test_set = (
    TensorDataset(digits.data.to(args.device), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("val"), Digits("test"))
)
EPOCHS = 2 if args.quick else 15


def accuracy(model, images, labels):
    model.eval()
    with minigrad.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def train(depth, normalise, rate):
    minigrad.manual_seed(args.seed)
    parts = []
    for _ in range(depth):
        parts += [nn.Linear(64, 64, bias=False), nn.BatchNorm1d(64)] if normalise else [nn.Linear(64, 64)]
        parts.append(nn.ReLU())
    model = nn.Sequential(*parts, nn.Linear(64, 10)).to(args.device)
    optimizer, losses = optim.SGD(model.parameters(), lr=rate, momentum=0.9), []
    for _ in range(EPOCHS):
        model.train()
        for images, labels in DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True):
            loss = nn.functional.cross_entropy(model(images), labels)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model, losses, accuracy(model, *val_set.tensors)


deep = {(normalise, rate): train(20, normalise, rate) for normalise in (False, True) for rate in (0.01, 0.05)}
print("\n20 layers            rate   last loss   validation accuracy")
figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for ((normalise, rate), (_, losses, right_ones)), colour in zip(deep.items(), ("0.1", RED, BLUE, GREEN), strict=True):
    name = "with batch norm" if normalise else "without"
    print(f"{name:18} {rate:6g} {np.mean(losses[-19:]):11.3f} {right_ones:21.1%}")
    style = (0, (4, 4)) if (normalise, rate) == (False, 0.05) else "-"
    axis.plot(losses, color=colour, linestyle=style, linewidth=1.6, label=f"{name}, rate {rate:g}")
axis.set(
    xlabel="step", ylabel="training loss", ylim=(0, 3), title="Twenty layers learn with batch norm, and not without"
)
axis.legend(frameon=False)
figure.savefig(args.out / "13_training.png", dpi=120)

# %%
# Batch norm against real covariate shift
# ---------------------------------------
# Last, the digits again, scanned badly: grey paper and pale ink. The rule is the same, but every input has moved, and
# the running statistics are those of good scans. The remedy needs no labels: forget the statistics and collect them
# anew on the new images (Li and others, 2016). ``momentum=None`` weighs all batches alike. Here it is perfect, because
# all pixels were scaled and shifted alike, and that is what the first batch norm takes away; real shifts are less kind.

model, _, _ = train(3, True, 0.05)
images, labels = test_set.tensors
pale = 0.5 + 0.3 * images
shifted = {"good scans": accuracy(model, images, labels), "pale scans": accuracy(model, pale, labels)}
for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm1d)):
    norm.reset_running_stats()
    norm.momentum = None
model.train()
with minigrad.no_grad():
    for k in range(0, len(pale), 60):
        model(pale[k : k + 60])
shifted["pale scans, new statistics"] = accuracy(model, pale, labels)
print()
for name, right_ones in shifted.items():
    print(f"{name:28} {right_ones:.1%}")
print(f"\nfigures: 13_inputs.png, 13_statistics.png, 13_shift.png, 13_training.png in {args.out}")

# %%
# The promises: hand and machine agree, forward and backward; a forgotten term is found; the bias has nothing to learn;
# small batches are noisy; the deep network learns with batch norm only; and new statistics repair the pale scans.

assert minigrad.allclose(batch_norm(z, layer.weight, layer.bias), y)
assert all(minigrad.allclose(grad, by_autograd[name]) for name, grad in by_hand.items())
assert right and not wrong
assert sizes["bias"] < 1e-4 * sizes["weight"]
assert spread[128] < 0.2 < spread[4]
assert abs(np.mean(deep[False, 0.01][1][-19:]) - np.log(10)) < 0.05
assert deep[True, 0.01][2] > (0.3 if args.quick else 0.8), deep[True, 0.01][2]
assert shifted["pale scans, new statistics"] > shifted["pale scans"] + 0.2, shifted

# %%
# Exercises
# ---------
# 1. Leave out ``model.eval()`` in ``accuracy`` and hand in the images one by one. Read the message, and say why the
#    layer cannot do what it is asked.
# 2. Put batch norm after ReLU instead of before it. Is the network of 20 layers better or worse?
# 3. Replace ``BatchNorm1d`` by ``LayerNorm``. Which numbers of this page change? Is the cure for pale scans still
#    possible, and is it still needed?

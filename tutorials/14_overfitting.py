"""
Overfitting and its cures
=========================

A network with more weights than examples can learn every example by heart, the mistakes in them included, and know
nothing about the next one. Here you see it happen, and then seven cures are tried on the same patient, each several
times, so that the table at the end says how much each helps and how sure one can be.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import copy
import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="See a network overfit, and compare the cures.")
parser.add_argument("--seeds", type=int, default=8, help="how often each cure is tried (default: 8)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="each cure twice, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
seeds = range(2 if args.quick else args.seeds)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Too stiff, right, too flexible
# ------------------------------
# Twenty-four points of a sine wave, each a little off: there is noise in every measurement. Three networks try to draw
# the curve behind the points. They differ in one thing, the number of features in each of their two hidden layers. How
# rich the curves are that a network can draw is its **capacity**; the number of weights is a rough measure of it.
#
# Before you look: the network with 1 feature cannot bend often enough. It misses the points as well as the curve
# between them; that is **underfitting**. The one with 100 can bend as often as it likes. It passes through every point,
# noise included, and takes the noise for part of the curve; that is **overfitting**. Judged by the points alone, it
# would be the best of the three.

VERDICTS = {1: "1 feature: too stiff", 3: "3 features: about right", 100: "100 features: too flexible"}
minigrad.manual_seed(0)
x = minigrad.linspace(-6, 6, 24).reshape(-1, 1)
y = (x.sin() + 0.4 * minigrad.randn(24, 1)).to(args.device)
x, between = x.to(args.device), minigrad.linspace(-6, 6, 400, device=args.device).reshape(-1, 1)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
print("features  weights  error at the points  error of the curve")
curve_errors = {}
for axis, width in zip(axes, VERDICTS, strict=True):
    minigrad.manual_seed(3)
    model = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))
    model.to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(2000):
        loss = F.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with minigrad.no_grad():
        curve = model(between)
        at_points, curve_errors[width] = F.mse_loss(model(x), y).item(), F.mse_loss(curve, between.sin()).item()
    weights = sum(parameter.numel() for parameter in model.parameters())
    print(f"{width:8d}  {weights:7,d}  {at_points:19.3f}  {curve_errors[width]:18.3f}")
    axis.plot(between.cpu(), between.sin().cpu(), color="0.6", linestyle=":", label="the wave")
    axis.plot(between.cpu(), curve.cpu(), color=BLUE, linewidth=2, label="the network")
    axis.plot(x.cpu(), y.cpu(), "o", color=ORANGE, markersize=5, label="the points")
    axis.set(xlabel="x", ylim=(-2.2, 1.8), title=VERDICTS[width])
axes[0].set(ylabel="y")
axes[0].legend(frameon=False, loc="lower left", ncols=3, columnspacing=1, handlelength=1.3, fontsize=9)
figure.savefig(args.out / "14_capacity.png", dpi=120)

# %%
# The lesson of the picture: whether a network overfits can only be seen on examples that it was not trained on. Hence
# the three parts of the data: **training** images to learn from, **validation** images to watch and to choose by,
# **test** images for one number at the end.
#
# The patient
# -----------
# Handwritten digits, but under bad conditions: only 200 images, and one label in five is wrong, as happens when tired
# people label data in a hurry. The network has 26,122 weights. (The validation and test labels are right.)

train_set, val_set, test_set = (
    TensorDataset(digits.data.to(args.device), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("val"), Digits("test"))
)


def sample(seed, count=200, wrong=0.2):
    """A random choice of training images, with their labels, and which of these are wrong."""
    generator = np.random.default_rng(seed)
    images, labels = train_set[generator.permutation(len(train_set))[:count].tolist()]
    spoiled = np.arange(count) < round(wrong * count)
    added = minigrad.tensor(spoiled * generator.integers(1, 10, count), device=args.device)
    return TensorDataset(images, (labels + added) % 10), spoiled.nonzero()[0].tolist()


def network(width=128, dropout=0.0):
    hidden = [nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Dropout(dropout), nn.Linear(width, 10)).to(args.device)


def evaluate(model, data):
    """Loss and accuracy, with dropout off."""
    images, labels = data.tensors
    model.eval()
    with minigrad.no_grad():
        scores = model(images)
        loss, accuracy = F.cross_entropy(scores, labels), (scores.argmax(dim=1) == labels).float().mean()
    model.train()
    return loss.item(), accuracy.item()


# %%
# The cures
# ---------
# All in one loop, each switched on by an argument, so that everything else stays the same.
#
# * **L2 penalty**: add :math:`\tfrac{\lambda}{2}\sum w^2` to the loss. Its gradient is :math:`\lambda w`: each step
#   pulls each weight towards zero, the large ones most. A steep network needs large weights, so it becomes smoother.
#   ``optim.Adam(..., weight_decay=λ)`` does it.
# * **Decoupled weight decay** (``AdamW``): multiply each weight by :math:`1 - \mathrm{lr}\,\lambda`, apart from
#   the gradient. For plain gradient descent that is the same thing. For Adam it is not, because Adam divides gradients
#   by their usual size: a penalty inside the gradient is divided too, and just the weights with large gradients, the
#   busy ones, are hardly held back. Read ``Optimizer.gradient`` in ``minigrad/optim/optimizer.py``: two branches, one
#   for each.
# * **L1 penalty**: add :math:`\lambda\sum |w|`. The pull is the same for small weights as for large ones, so it drives
#   many all the way to zero and leaves a few alone.
# * **Dropout**: switch off a random half of the features in each step (``nn.Dropout``). No feature can rely on another.
# * **Data augmentation**: change each image a little, anew in each step, in a way that keeps the digit.
# * **Early stopping**: keep the state with the lowest validation loss. It costs a copy: ``state_dict()`` hands out the
#   weights themselves, which training goes on to change. Without ``deepcopy`` you keep the last state, not the best.
# * **Fewer features**, and **more images** to learn from, if you can have them.


def train(data, seed, epochs=80, width=128, dropout=0, l1=0, l2=0, decay=0, change=None, stop_early=False, watch=False):
    """Train on ``data``. Return the model and, if watched, its loss and accuracy on both parts after each epoch."""
    minigrad.manual_seed(seed)
    model = network(width, dropout)
    kind, strength = (optim.AdamW, decay) if decay else (optim.Adam, l2)
    optimizer = kind(model.parameters(), lr=0.003, weight_decay=strength)
    loader = DataLoader(data, batch_size=50, shuffle=True)
    curves, best_loss, best_state = [], math.inf, None
    for _ in range(epochs):
        for images, labels in loader:
            loss = F.cross_entropy(model(change(images) if change else images), labels)
            if l1:
                loss = loss + l1 * sum(weight.abs().sum() for weight in model.parameters() if weight.ndim == 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if watch:
            curves.append((*evaluate(model, data), *evaluate(model, val_set)))
        if stop_early and (val_loss := evaluate(model, val_set)[0]) < best_loss:
            best_loss, best_state = val_loss, copy.deepcopy(model.state_dict())
    if stop_early:
        model.load_state_dict(best_state)
    return model, np.array(curves)


# %%
# Watching it happen
# ------------------
# First without any cure. What you should see: the training loss falls all the way to zero. The validation loss falls
# with it at first, while the network learns what digits look like, and then climbs to twice its lowest value: now the
# network learns by heart which image has which wrong label, and that is of no use for other images. The training
# accuracy reaches 100 per cent, which with these labels is no success. (At the beginning validation looks better than
# training. Its labels are right, and those of the training part cannot all be guessed.)

data, spoiled = sample(seed=0)
_, curves = train(data, seed=0, watch=True)
epochs, best = np.arange(1, len(curves) + 1), int(curves[:, 2].argmin())
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.axhline(math.log(10), color="0.6", linestyle=":", label="blind guessing, ln 10")
for axis, columns in ((left, curves[:, [0, 2]]), (right, 100 * curves[:, [1, 3]])):
    axis.plot(epochs, columns[:, 0], color=BLUE, linewidth=2, label="training")
    axis.plot(epochs, columns[:, 1], color=ORANGE, linewidth=2, label="validation")
    axis.axvline(best + 1, color="0.75", linestyle="--", zorder=0, label="lowest validation loss")
    axis.set_xlabel("epoch")
left.set(ylabel="cross entropy", title="One loss falls, the other turns", ylim=0)
right.set(ylabel="per cent right", title="Accuracy", ylim=(0, 102))
left.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.95))
right.legend(frameon=False, loc="lower right")
figure.savefig(args.out / "14_curves.png", dpi=120)
print(f"\nvalidation accuracy {curves[best, 3]:.1%} after {best + 1} epochs, {curves[-1, 3]:.1%} after {len(curves)}")

# %%
# How far the validation loss lies above the training loss in the end measures the overfitting. Two bad losses without a
# gap would be underfitting, which no cure on this page helps against; more features or longer training would.
#
# A classic mistake is to watch the *test* images for the moment to stop. They then have a hand in the choice, and their
# number is no longer honest.
#
# More images out of few
# ----------------------
# A digit that is turned by a few degrees and pushed by less than a pixel is still the same digit, but for the network
# it is 64 new numbers. ``affine_grid`` says for each pixel of the new image where in the old one to look, and
# ``grid_sample`` looks there: a different place for each image of the batch. To *zoom* in, ``interpolate`` makes the
# image larger, and the middle is cut out. (``minigrad.transforms`` has both, as RandomAffine and RandomResizedCrop.)
#
# The change must keep the label. Here is the classic mistake: photographs of cats one may flip left and right, and
# pictures from a satellite turn by quarters as well (``rot90``). A flipped 3 is no digit, and a 6 on its head is a 9.


def wiggle(images, degrees=15, pixels=1.0):
    """Turn and push each image at random, by at most so much."""
    n = len(images)
    angle, right, down = 2 * minigrad.rand(3, n, device=images.device) - 1
    cos, sin = (math.radians(degrees) * angle).cos(), (math.radians(degrees) * angle).sin()
    right, down = pixels / 4 * right, pixels / 4 * down  # a grid counts from -1 to 1, so a pixel is a quarter
    matrices = minigrad.stack([cos, -sin, right, sin, cos, down], dim=1).reshape(n, 2, 3)
    grid = F.affine_grid(matrices, (n, 1, 8, 8), align_corners=False)
    return F.grid_sample(images.reshape(n, 1, 8, 8), grid, align_corners=False).reshape(n, 64)


def flip(images):
    """Mirror a random half of the images, left to right."""
    mirrored = images.reshape(-1, 8, 8).flip(2).reshape(-1, 64)
    return minigrad.where(minigrad.rand(len(images), 1, device=images.device) < 0.5, mirrored, images)


two, six = (train_set.tensors[0][train_set.tensors[1] == digit][9].cpu() for digit in (2, 6))
larger = F.interpolate(two.reshape(1, 1, 8, 8), size=(10, 10), mode="bilinear")
figure, axes = plt.subplots(1, 8, figsize=(11, 2), layout="constrained")
upset = [two.reshape(8, 8).flip(1), six.reshape(8, 8).rot90(2)]
versions = [two, *wiggle(two.expand(4, 64)), larger[0, 0, 1:9, 1:9], *upset]
for axis, version in zip(axes, versions, strict=True):
    axis.imshow(version.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="0.8")
titles = {0: "the image", 1: "turned and pushed: still a 2", 5: "zoomed", 6: "flipped: no 2", 7: "a 6, turned"}
for place, title in titles.items():
    axes[place].set_title(title, loc="left", color=ORANGE if place > 5 else "0.1")
figure.savefig(args.out / "14_augmentation.png", dpi=120)

# %%
# The table
# ---------
# Each cure is tried with several seeds. A seed decides on the 200 images, on the wrong labels, on the first weights and
# on the batches. The gain is the difference to the network without a cure *with the same seed*, and behind the ± is the
# standard error of its mean: a gain of less than twice that may well be luck. The same is done a second time with all
# labels right. The strengths (λ and so on) were chosen by the validation accuracy on the patient, with other seeds.
#
# What you should expect: with wrong labels there is much to gain, and whatever keeps the network from learning them by
# heart (last column) helps. With right labels a network may know its images by heart and still be right about others:
# there the gains are small, some cures do harm, and only more images are a big step.

CURES = {
    "no cure": {},
    "fewer features (16)": {"width": 16},
    "L1 penalty": {"l1": 0.001},
    "L2 penalty": {"l2": 0.02},
    "decoupled decay (AdamW)": {"decay": 3.0},
    "dropout": {"dropout": 0.5},
    "augmentation": {"change": wiggle},
    "early stopping": {"stop_early": True},
    "the last three, 200 epochs": {"dropout": 0.5, "change": wiggle, "stop_early": True, "epochs": 200},
    "flipped images": {"change": flip},
    "800 images": {"epochs": 20},  # as many steps as the others
}
if args.quick:
    del CURES["the last three, 200 epochs"]
accuracy = {wrong: {name: [] for name in CURES} for wrong in (0.2, 0.0)}
learned = {name: [] for name in CURES}  # how many of the wrong labels
for wrong, seed in [(wrong, seed) for wrong in accuracy for seed in seeds]:
    for name, cure in CURES.items():
        data, spoiled = sample(seed, 800 if name == "800 images" else 200, wrong)
        model, _ = train(data, seed, **cure)
        accuracy[wrong][name].append(100 * evaluate(model, test_set)[1])
        if spoiled:
            learned[name].append(100 * evaluate(model, TensorDataset(*data[spoiled]))[1])

gains = {wrong: {} for wrong in accuracy}
print(f"\nper cent right on the test images, mean of {len(seeds)} seeds")
print("                            one label in five wrong       all labels right       wrong labels")
print("                              right           gain       right           gain      learned")
for name in CURES:
    line = f"{name:27s}"
    for wrong, results in accuracy.items():
        gain = np.subtract(results[name], results["no cure"])
        gains[wrong][name] = gain.mean(), gain.std(ddof=1) / math.sqrt(len(gain))
        line += f"{np.mean(results[name]):8.1f} {gains[wrong][name][0]:+8.1f} ± {gains[wrong][name][1]:3.1f}"
    print(f"{line} {np.mean(learned[name]):10.0f} %")

# %%
# The same as a picture. A bar that crosses the line in the middle proves nothing.

figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
names = list(CURES)[1:]
places = np.arange(len(names))[::-1]
for wrong, shift, look, label in ((0.2, 0.13, "o", "one label in five wrong"), (0.0, -0.13, "s", "all labels right")):
    means, errors = np.array([gains[wrong][name] for name in names]).T
    colour = ORANGE if wrong else BLUE
    axis.errorbar(means, places + shift, xerr=2 * errors, fmt=look, color=colour, capsize=3, label=label)
axis.axvline(0, color="0.3", linewidth=1)
axis.set(yticks=places, yticklabels=names, xlabel="gain on the test images in percentage points, ± 2 standard errors")
axis.set_title("What each cure is worth depends on the illness")
axis.grid(axis="x", color="0.9")
axis.legend(frameon=False, loc="upper right")
figure.savefig(args.out / "14_cures.png", dpi=120)
print(f"\nfigures: 14_capacity.png, 14_curves.png, 14_augmentation.png, 14_cures.png in {args.out}")

# %%
# What the numbers carry: the network without a cure learns the wrong labels by heart, the main cures are worth several
# percentage points there, more images are worth most, and flipping does harm where the labels are right. They do not
# carry a ranking of L2, AdamW, dropout and early stopping: their bars overlap. And no cure is free: early stopping uses
# up 180 labelled images, which could have been trained on.

assert curve_errors[3] < min(curve_errors[1], curve_errors[100])
assert np.mean(learned["no cure"]) > 95
if not args.quick:
    for name in ("decoupled decay (AdamW)", "dropout", "augmentation", "early stopping", "800 images"):
        mean, error = gains[0.2][name]
        assert mean > 5 and mean > 2 * error, (name, mean, error)
    assert max(gains[0.2], key=lambda name: gains[0.2][name][0]) == "800 images"
    assert gains[0.0]["flipped images"][0] < -1

# %%
# Exercises
# ---------
# 1. Leave out ``copy.deepcopy``. What does early stopping restore now? (The gain in the table tells you.)
# 2. Train on the 800 images for 80 epochs, not 20. Does having more data make the other cures superfluous?
# 3. Draw a histogram of the first layer's weights without a cure, with L1 and with L2. Which of the three has a peak at
#    zero? Count the weights smaller than 0.001.

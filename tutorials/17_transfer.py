"""
Transfer learning
=================

A network that has learned one task from many images can be most of the way to another task for which there are only a
few. Keep its first layers, give it a new last one, train a little: that is transfer learning. This page measures when
it helps, which way of it is best, and when it does not help. On the way, weights are saved, loaded, and handed to
PyTorch.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import math
import sys
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.nn import functional as F

parser = argparse.ArgumentParser(description="Pre-train on some digits, fine-tune on others.")
parser.add_argument("--seeds", type=int, default=8, help="how often each way is tried (default: 8)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="short training, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
seeds = range(2 if args.quick else args.seeds)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Two tasks
# ---------
# The **source** task: tell 0, 1, 2, 3, 4 apart, however they are turned (by up to 40 degrees) and pushed (by up to a
# pixel). There are 630 images for it, and every time one is used it is turned anew. The **target** task: the same for
# 5, 6, 7, 8, 9, but of these there are only 1, 3, 10 or 30 images of each digit, each in one position. It is like that
# with photos that somebody had to label by hand.
#
# What could be carried over? Not the digits, which are others. But that a turned stroke is still the same stroke.


def wiggle(images, degrees=40, pixels=1.0):
    """Turn and push each image at random, by at most so much."""
    n = len(images)
    angle, right, down = 2 * minigrad.rand(3, n, device=images.device) - 1
    cos, sin = (math.radians(degrees) * angle).cos(), (math.radians(degrees) * angle).sin()
    right, down = pixels / 4 * right, pixels / 4 * down  # a grid counts from -1 to 1, so a pixel is a quarter
    matrices = minigrad.stack([cos, -sin, right, sin, cos, down], dim=1).reshape(n, 2, 3)
    grid = F.affine_grid(matrices, (n, 1, 8, 8), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def digits(part, first):
    """Images of the five digits from ``first`` on, and labels from 0 to 4."""
    data = Digits(part)
    chosen = ((data.targets >= first) & (data.targets < first + 5)).numpy()
    return data.data[chosen].reshape(-1, 1, 8, 8).to(args.device), (data.targets[chosen] - first).to(args.device)


minigrad.manual_seed(0)
source_images, source_labels = digits("train", first=0)
upright_images, target_labels = digits("train", first=5)
upright_test, test_labels = digits("test", first=5)
target_images, test_images = wiggle(upright_images), wiggle(upright_test)

figure, axes = plt.subplots(2, 10, figsize=(11, 2.8), layout="constrained")
for axis, image in zip(axes[0], wiggle(source_images[:10]), strict=True):
    axis.imshow(image[0].cpu(), cmap="gray_r")
for axis, image in zip(axes[1], target_images[:10], strict=True):
    axis.imshow(image[0].cpu(), cmap="gray_r")
for axis, label in zip(axes.flat, minigrad.cat([source_labels[:10], target_labels[:10] + 5]).tolist(), strict=True):
    axis.set(xticks=[], yticks=[])
    axis.set_title(label, fontsize=10)
    axis.spines[:].set(visible=True, color="0.8")
axes[0, 0].set_ylabel("source")
axes[1, 0].set_ylabel("target")
figure.savefig(args.out / "17_tasks.png", dpi=120)

# %%
# Body and head
# -------------
# The network has two parts: a **body** that makes 128 features of an image, and a **head**, one linear layer, that
# makes five scores of the features. The body is what can be carried over; the head is about these five digits and no
# others.


def network():
    body = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(body, nn.Linear(128, 5)).to(args.device)


def train(model, optimizer, images, labels, steps, change=None):
    taken = 0
    while taken < steps:
        for batch in minigrad.randperm(len(images)).to(args.device).split(32):
            if 1 < len(batch) < min(32, len(images)):
                continue  # a short rest
            some = change(images[batch]) if change else images[batch]
            loss = F.cross_entropy(model(some), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            taken += 1


def accuracy(model, images, labels):
    with minigrad.no_grad():
        return 100 * (model(images).argmax(dim=1) == labels).float().mean().item()


# %%
# Pre-training
# ------------

minigrad.manual_seed(0)
pretrained = network()
optimizer = optim.Adam(pretrained.parameters(), lr=0.003)
train(pretrained, optimizer, source_images, source_labels, 300 if args.quick else 1500, change=wiggle)
source_test, source_test_labels = digits("test", first=0)
source_accuracy = accuracy(pretrained, wiggle(source_test), source_test_labels)
print(f"pre-trained: {source_accuracy:.1f} per cent of the turned test images of 0 to 4 are read rightly")

# %%
# Saving and loading
# ------------------
# ``state_dict()`` is a dict from names to tensors, and a file of it is all that has to be kept of a training. minigrad
# writes ``.npz``, which NumPy can read too, or ``.safetensors``, if the name ends so and that library is installed.
# Neither can contain a program; a pickle can, so minigrad neither writes nor reads one. The names are PyTorch's, so the
# same weights fit the same layers there.

for ending in (".npz", ".safetensors")[: 1 if find_spec("safetensors") is None else 2]:
    file = args.out / f"17_digits{ending}"
    minigrad.save(pretrained.state_dict(), file)
    state = minigrad.load(file)
    print(f"{file.name}: {file.stat().st_size:,} bytes")
    file.unlink()
print(f"in the file: {', '.join(f'{name} {tuple(value.shape)}' for name, value in state.items())}")

if find_spec("torch") is None:
    print("PyTorch is not installed, so the weights are not taken there")
else:
    import torch

    there = torch.nn.Sequential(
        torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        ),
        torch.nn.Linear(128, 5),
    )  # fmt: skip
    there.load_state_dict({name: torch.from_numpy(value.cpu().numpy()) for name, value in state.items()})
    with torch.no_grad():
        scores = there(torch.from_numpy(test_images.cpu().numpy())).numpy()
    with minigrad.no_grad():
        apart = np.abs(scores - pretrained(test_images).cpu().numpy()).max()
    back = {name: minigrad.tensor(value.numpy()) for name, value in there.state_dict().items()}
    pretrained.load_state_dict(back)
    print(f"the same weights in PyTorch give the same scores: they differ by at most {apart:.1e}")
    assert apart < 1e-3

# %%
# Four ways
# ---------
# * **from scratch**: new weights everywhere, for comparison;
# * **frozen body**: its weights stay as they are, only the new head is trained. ``requires_grad_(False)`` does it, and
#   saves the work of their gradients;
# * **low rate for the body**: everything is trained, the body ten times more slowly than the head. A parameter
#   group has a learning rate of its own: read ``add_param_group`` in ``minigrad/optim/optimizer.py``;
# * **one rate for all**.
#
# The classic mistake is to load the old head as well. Here it has the right shape by accident, five scores, and so no
# error warns you; but its first score means "0", and now it should mean "5". Only the entries of the body are taken.


def fine_tune(way, images, labels, seed, steps=150):
    minigrad.manual_seed(seed)
    model = network()
    body, head = model
    if way != "from scratch":
        body.load_state_dict({name[2:]: value for name, value in state.items() if name.startswith("0.")})
    groups = [{"params": list(head.parameters())}]
    if way == "frozen body":
        body.requires_grad_(False)
    elif way == "low rate for the body":
        groups.append({"params": list(body.parameters()), "lr": 0.0003})
    else:
        groups.append({"params": list(body.parameters())})
    train(model, optim.Adam(groups, lr=0.003), images, labels, steps)
    if way == "frozen body":
        assert all((value == state[f"0.{name}"]).all() for name, value in body.state_dict().items())
    return model


# %%
# What to expect: with 1 or 3 images of each digit the pre-trained body is a great help, and may as well be left
# alone: the fewer weights are trained, the less there is to get wrong. With more images it pays to let the body adapt,
# and at 30 the frozen one has no advantage left.

WAYS = {"frozen body": (BLUE, "s"), "low rate for the body": (GREEN, "^"), "one rate for all": (ORANGE, "D")}
COUNTS = (1, 3, 10, 30)


def compare(images, images_of_test, counts=COUNTS, ways=("from scratch", *WAYS)):
    """Accuracies on the target's test images, for each way and each number of images: an array of one per seed."""
    found = {}
    for count in counts:
        for seed in seeds:
            order = np.random.default_rng(seed).permutation(len(images))
            of_each = [order[target_labels.cpu().numpy()[order] == label][:count] for label in range(5)]
            few = np.concatenate(of_each).tolist()
            for way in ways:
                model = fine_tune(way, images[few], target_labels[few], seed, steps=30 if args.quick else 150)
                found.setdefault((way, count), []).append(accuracy(model, images_of_test, test_labels))
    return {key: np.array(scores) for key, scores in found.items()}


results = compare(target_images, test_images)
print(f"\nper cent right on the turned 5 to 9, mean of {len(seeds)} seeds; in brackets what was gained over scratch")
print("images of each digit     " + "".join(f"{count:15d}" for count in COUNTS))
for way in ("from scratch", *WAYS):
    cells = []
    for count in COUNTS:
        gain = results[way, count] - results["from scratch", count]
        cells.append(f"{results[way, count].mean():6.1f} " + (f"({gain.mean():+5.1f})" if gain.any() else "       "))
    print(f"{way:25s}" + "".join(f"{cell:>15s}" for cell in cells))

# %%
# The gain as a picture: how far each way is ahead of a network from scratch that got the same images. The bars are
# standard errors over the seeds, which also draw the few images. Up to 10 images all three are clearly ahead of the
# line, and too close to each other to be told apart; at 30 the frozen body has fallen back.

figure, axis = plt.subplots(figsize=(8, 4.4), layout="constrained")
for shift, (way, (colour, marker)) in zip((0.94, 1.0, 1.06), WAYS.items(), strict=True):
    gains = [results[way, count] - results["from scratch", count] for count in COUNTS]
    means, errors = [gain.mean() for gain in gains], [gain.std(ddof=1) / math.sqrt(len(gain)) for gain in gains]
    axis.errorbar(
        shift * np.array(COUNTS), means, errors, color=colour, marker=marker, linewidth=2, capsize=3, label=way
    )
axis.axhline(0, color="0.4", linewidth=1)
axis.annotate("from scratch", (0.87, -0.6), color="0.3")
axis.set(xscale="log", xticks=COUNTS, xticklabels=COUNTS, xlabel="images of each digit to learn from")
axis.minorticks_off()
axis.set(ylabel="gain on the test images, percentage points", title="Freezing pays off only while images are few")
axis.set_ylim(bottom=-3.2)
axis.legend(frameon=False, loc="lower center", ncols=3)
figure.savefig(args.out / "17_transfer.png", dpi=120)

# %%
# When it does not help
# ---------------------
# Take the same body to an easier target: the digits 5 to 9 upright, as they were written. Before you look: what has the
# body learned that this target needs? To put up with turned strokes, which here is of no use, and features in which 0
# to 4 differ. A new network finds what it needs by itself, even from 3 images. So transfer should gain nothing, and a
# frozen body should do a little harm. That is called **negative transfer**. Always train one network from scratch, to
# know.

upright = compare(
    upright_images, upright_test, counts=(3, 10), ways=("from scratch", "frozen body", "one rate for all")
)
print("\nper cent right on the upright 5 to 9")
print("images of each digit     " + "".join(f"{count:15d}" for count in (3, 10)))
for way in ("from scratch", "frozen body", "one rate for all"):
    print(f"{way:25s}" + "".join(f"{upright[way, count].mean():15.1f}" for count in (3, 10)))
print(f"\nfigures: 17_tasks.png, 17_transfer.png in {args.out}")

# %%
# What must hold: with 3 images of each digit, the frozen body is ahead of a network from scratch by more than twice the
# standard error, on the turned digits and not on the upright ones.

gain = results["frozen body", 3] - results["from scratch", 3]
loss = upright["frozen body", 3] - upright["from scratch", 3]
assert source_accuracy > (85 if args.quick else 95)
if not args.quick:
    assert gain.mean() > max(3, 2 * gain.std(ddof=1) / math.sqrt(len(gain))), gain
    assert loss.mean() < 0, loss

# %%
# Exercises
# ---------
# 1. Load the old head as well and train on with 3 images. How much does the mistake cost, and why does it get smaller
#    with more steps?
# 2. Freeze the body for 75 steps, then let it join with ``optimizer.add_param_group({"params": body.parameters(), "lr":
#    0.0003})`` and ``requires_grad_(True)``. Is that better than either?
# 3. Put a ``BatchNorm2d`` into the body. Its weights can be frozen like the others, but in ``train()`` its running mean
#    still moves. What has to be called on the body, and when?

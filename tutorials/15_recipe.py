"""
A recipe for training
=====================

Most networks that do not learn are not too small or badly tuned: something is wired up wrong, and no error says so. The
recipe on this page finds such faults early. Look at the data, find a number to beat, make the network learn one batch
by heart, look into its health, and only then train, regularise and tune, in this order.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import math
import sys
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="A recipe for training, step by step.")
parser.add_argument("--seeds", type=int, default=5, help="how often each network is trained (default: 5)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="short training runs, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"  # colour-blind safe
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# 1. Look at the data
# -------------------
# Before any network: what is in there? Shapes, the range of the numbers, how many of each class, whether anything is
# there twice (an image in the training *and* in the test part makes the test dishonest), and a few examples with their
# labels, drawn from the very tensors that will go into the network.
#
# Here the images come as the scanner made them, as counts of black points from 0 to 16. You should see ten classes of
# nearly the same size, no duplicates, and one trap: three pixels never see any ink. To **standardise** a column means
# to subtract its mean and divide by its standard deviation; for these three that is 0/0.

parts = {part: Digits(part) for part in ("train", "val", "test")}
counts = {part: 16 * digits.data for part, digits in parts.items()}
labels = {part: digits.targets.to(args.device) for part, digits in parts.items()}
everything = np.concatenate([images.numpy() for images in counts.values()])
mean, std = counts["train"].mean(dim=0), counts["train"].std(dim=0)
smallest, largest = counts["train"].min().item(), counts["train"].max().item()
print(f"training images: {tuple(counts['train'].shape)}, {counts['train'].dtype}, from {smallest:g} to {largest:g}")
print(f"images of each digit: {np.bincount(parts['train'].targets).tolist()}")
print(f"images that are there twice: {len(everything) - len(np.unique(everything, axis=0))}")
print(f"pixels that are always the same: {(std == 0).sum().item()}")

# %%
# Mean and deviation come from the training part alone; the test images are not to be touched, not even for a mean. The
# 0.5 in the divisor takes care of 0/0, and keeps pixels that hardly ever see ink from becoming huge. In the lower row,
# orange is more ink than usual for the pixel, purple is less, white is as usual.

images = {part: ((values - mean) / (std + 0.5)).to(args.device) for part, values in counts.items()}
figure, axes = plt.subplots(2, 10, figsize=(11, 2.8), layout="constrained")
for digit, (top, bottom) in enumerate(axes.T):
    index = int((labels["train"] == digit).float().argmax())  # the first of its kind
    top.imshow(counts["train"][index].reshape(8, 8), cmap="gray_r")
    bottom.imshow(images["train"][index].reshape(8, 8).cpu(), cmap="PuOr_r", vmin=-3, vmax=3)
    top.set_title(f"label {digit}", fontsize=11)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="0.8")
axes[0, 0].set_ylabel("ink")
axes[1, 0].set_ylabel("standardised")
figure.savefig(args.out / "15_data.png", dpi=120)

# %%
# 2. A number to beat
# -------------------
# An accuracy means nothing by itself. So first what is possible without a network: always saying the most frequent
# class; the class whose mean image is nearest; and a single linear layer. You should see about 10, 90 and 95 per cent
# on the validation images. A network with 93 per cent would look like a success, and be a waste.

train_set = TensorDataset(images["train"], labels["train"])


def fit(model, epochs=30, lr=0.003, decay=0.0, seed=0):
    minigrad.manual_seed(seed)
    optimizer = optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    model.train()
    for _ in range(3 if args.quick else epochs):
        for some_images, some_labels in DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True):
            loss = F.cross_entropy(model(some_images), some_labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model


def accuracy(model, part):
    """How many of the images of a part are read rightly, in per cent."""
    model.eval()
    with minigrad.no_grad():
        return 100 * (model(images[part]).argmax(dim=1) == labels[part]).float().mean().item()


means = minigrad.stack([images["train"][labels["train"] == digit].mean(dim=0) for digit in range(10)])
nearest = minigrad.cdist(images["val"], means).argmin(dim=1)
most = int(np.bincount(parts["train"].targets).argmax())
minigrad.manual_seed(0)
linear = accuracy(fit(nn.Linear(64, 10).to(args.device), lr=0.01), "val")
print("\nto beat, per cent right on the validation images")
print(f"  always the most frequent digit {100 * (labels['val'] == most).float().mean().item():6.1f}")
print(f"  nearest mean image             {100 * (nearest == labels['val']).float().mean().item():6.1f}")
print(f"  one linear layer               {linear:6.1f}")

# %%
# 3. One batch by heart
# ---------------------
# Now the network, and the most useful test there is: train on a *single* batch of 32 images, again and again. There is
# nothing to generalise, so every network of this size must bring the loss to nearly zero. One that does not is broken.
#
# The first loss is a test too. A fresh network should know nothing, that is, give every digit a tenth:
# :math:`-\ln \tfrac{1}{10} = 2.303`. A first loss of 20 says that the inputs or the first weights are too large.


def network(width=100, dropout=0.0):
    hidden = [nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Dropout(dropout), nn.Linear(width, 10)).to(args.device)


def overfit_one_batch(model, some_labels=labels["train"][:32], parameters=None, lr=0.003):
    """Train on the first 32 images only; return the losses."""
    optimizer = optim.Adam(parameters or model.parameters(), lr=lr)
    losses = []
    for _ in range(100):
        loss = F.cross_entropy(model(images["train"][:32]), some_labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
# Six networks. One is right, the others have faults of the kind that raises no error:
#
# * a softmax as the last layer. ``cross_entropy`` has one inside, and the second one gets numbers between 0 and 1 only:
#   the loss cannot fall below :math:`\ln(1 + 9/e) = 1.461`. (minigrad looks where the scores come from and warns; other
#   libraries do not.)
# * a ReLU as the last layer: no score can be negative, and one that is 0 has no gradient.
# * an optimizer made with the parameters of another network, say, from before the network was made anew;
# * a learning rate that is a thousand times too small;
# * images and labels in a different order, as happens when one of the two is shuffled.
#
# Before you look: which of the five faults will this test *not* find?


def fresh(*more):
    minigrad.manual_seed(0)
    return nn.Sequential(network(), *more)


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    curves = {
        "right": overfit_one_batch(fresh()),
        "softmax at the end": overfit_one_batch(fresh(nn.Softmax(dim=1))),
        "ReLU at the end": overfit_one_batch(fresh(nn.ReLU())),
        "optimizer of another network": overfit_one_batch(fresh(), parameters=network().parameters()),
        "rate 1000 times too small": overfit_one_batch(fresh(), lr=3e-6),
        "labels in another order": overfit_one_batch(fresh(), labels["train"][:32][minigrad.randperm(32).tolist()]),
    }

print(f"\n{'one batch by heart':30s}  first loss  last loss")
for name, losses in curves.items():
    print(f"{name:30s}  {losses[0]:10.3f}  {losses[-1]:9.4f}")
print(f"minigrad's warning: {caught[0].message}")

figure, axis = plt.subplots(figsize=(8.5, 4.4), layout="constrained")
colours = ("black", ORANGE, PURPLE, BLUE, SKY, GREEN)
dashes = ("-", "-", "-.", "-", "--", ":")
for (name, losses), colour, dash in zip(curves.items(), colours, dashes, strict=True):
    axis.semilogy(losses, color=colour, linestyle=dash, linewidth=2, label=name)
axis.set(xlabel="step", ylabel="loss on the one batch", title="What cannot learn 32 images by heart is broken")
axis.legend(frameon=False, loc="lower left")
figure.savefig(args.out / "15_one_batch.png", dpi=120)

# %%
# Four faults show at once, and the shape of the curve says where to look:
#
# ============================  =======================================================================
# the loss                      check
# ============================  =======================================================================
# does not move at all          the optimizer has these parameters? the loss has a history?
# falls too slowly              ten times the rate, and again ten times
# stops at a strange number     what the last layer can put out; what the loss expects
# jumps, or becomes NaN         a tenth of the rate; the range of the inputs; ``detect_anomaly()``
# starts far from ln(classes)   the range of the inputs; the initialisation of the last layer
# ============================  =======================================================================
#
# The fifth is not found: labels in the wrong order can be learned by heart as well as any others. Only the figure of
# step 1 finds that, *if* it shows what goes into the network. No test finds everything, so there are several.
#
# 4. Health
# ---------
# A network may pass and still be half dead. Three numbers for each layer say more than the loss:
#
# * how many features are **dead**, that is, 0 behind the ReLU for every image, so that no gradient comes through;
# * how large the gradient of the weights is (none at all: the layer is cut off from the loss);
# * how far one step moves the weights, relative to their size. In a healthy training it is about 1/1000, at the
#   beginning rather 1/100. That is a rule of thumb which Andrej Karpathy teaches; only powers of ten matter.


def health(model, optimizer, some_images, some_labels):
    """For each linear layer: share of dead features, size of the gradient, size of a step relative to the weights."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    outputs = {}
    hooks = [layer.register_forward_hook(lambda layer, _, out: outputs.update({layer: out})) for layer in layers]
    loss = F.cross_entropy(model(some_images), some_labels)
    for hook in hooks:
        hook.remove()
    optimizer.zero_grad()
    loss.backward()
    before = [layer.weight.detach().clone() for layer in layers]
    optimizer.step()
    rows = []
    for layer, weight in zip(layers, before, strict=True):
        dead = (outputs[layer].detach() <= 0).all(dim=0).float().mean().item()
        gradient = math.nan if layer.weight.grad is None else layer.weight.grad.std().item()
        rows.append((dead, gradient, ((layer.weight.detach() - weight).std() / weight.std()).item()))
    return rows


cut = fresh()  # a hook can change an output: here the history ends, as after ``.numpy()`` or in a wrong ``no_grad``
cut[0][1].register_forward_hook(lambda layer, _, out: out.detach())
patients = {  # the model, the inputs, the optimizer, the rate
    "right": (fresh(), images["train"], optim.Adam, 0.003),
    "rate far too small": (fresh(), images["train"], optim.Adam, 0.00001),
    "rate far too large": (fresh(), images["train"], optim.Adam, 0.1),
    "inputs 255 times too large": (fresh(), 255 * images["train"], optim.SGD, 0.1),
    "cut off behind layer 1": (cut, images["train"], optim.Adam, 0.003),
}
steps = 150
batches = np.random.default_rng(0).integers(0, len(labels["train"]), (steps, 64)).tolist()
records = {}
print(f"\nafter {steps} steps              layer  dead features   gradient  step / weight")
for name, (model, inputs, kind, rate) in patients.items():
    optimizer = kind(model.parameters(), lr=rate)
    records[name] = [health(model, optimizer, inputs[batch], labels["train"][batch]) for batch in batches]
    for number, (dead, gradient, step) in enumerate(records[name][-1], start=1):
        shown = f"{dead:13.0%}" if number < 3 else f"{'-':>13s}"  # behind the last layer there is no ReLU
        print(f"{name if number == 1 else '':27s} {number:5d}  {shown}  {gradient:9.1e}  {step:13.1e}")

# %%
# Read the table like a doctor. With the large rate most features of the second layer died in the first steps, and
# nothing will wake them. The large inputs killed all of them: every gradient is exactly 0. In the last patient the
# first layer has no gradient at all (nan), and yet this network would pass the test of step 3.
#
# In the picture: the steps of the first layer, and what came of it. The grey band is the healthy size.

figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
axis.axhspan(1e-3, 1e-2, color="0.9", zorder=0)
for name, colour in (("rate far too large", ORANGE), ("right", BLUE), ("rate far too small", GREEN)):
    sizes = [rows[0][2] for rows in records[name]]
    axis.semilogy(sizes, color=colour, linewidth=2)
    axis.text(1.02 * steps, sizes[-1], f"{name}:\n{accuracy(patients[name][0], 'val'):.0f} % right", va="center")
axis.set(xlabel="step", ylabel="size of the step / size of the weights", xlim=(0, 195), xticks=(0, 50, 100, 150))
axis.set_title("The steps of the first layer: 1/100 to 1/1000 is healthy")
figure.savefig(args.out / "15_health.png", dpi=120)

# %%
# 5. Train, regularise, tune
# --------------------------
# Now the wiring is known to be right, and each further question is answered by the validation images, one change at a
# time. First a network that is large enough to get every training image right. Then less overfitting (lesson 14 has the
# cures). Then the numbers, the learning rate first (lesson 16).
#
# Each is trained with several seeds, and you should see why: one image is half a per cent here, the seeds differ by as
# much as the changes do, and with a single run each you could "improve" the network by luck.

ladder = {  # features, dropout, and options of fit()
    "20 features": (20, 0.0, {}),
    "200 features": (200, 0.0, {}),
    "+ dropout": (200, 0.3, {}),
    "+ weight decay": (200, 0.3, {"decay": 0.3}),
    "+ a third of the rate": (200, 0.3, {"decay": 0.3, "lr": 0.001}),
    "+ 3 times the rate": (200, 0.3, {"decay": 0.3, "lr": 0.009}),
}
seeds = range(1 if args.quick else args.seeds)
trained = {}
print("\nper cent right              training  validation   (from - to)")
for name, (width, dropout, options) in ladder.items():
    trained[name] = []
    for seed in seeds:
        minigrad.manual_seed(seed)
        model = fit(network(width, dropout), seed=seed, **options)
        trained[name].append((accuracy(model, "train"), accuracy(model, "val"), model))
    train_score, val_scores = np.mean([run[0] for run in trained[name]]), [run[1] for run in trained[name]]
    print(f"{name:27s} {train_score:8.1f}  {np.mean(val_scores):10.2f}", end="   ")
    print(f"({min(val_scores):.1f} - {max(val_scores):.1f})")

# %%
# In the picture every dot is one training. Only the large step is certain: more features help, and bring the network
# above the linear layer. Dropout seems to add half a per cent, which is one image. The rest moves the mean by less than
# seeds move the dots: here the page has reached the end of what 180 validation images can decide.

figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
for place, runs in enumerate(trained.values()):
    scores = [run[1] for run in runs]
    axis.plot(scores, np.full(len(scores), -place), "o", color=BLUE, alpha=0.5, markeredgewidth=0)
    axis.plot(np.mean(scores), -place, "|", color=ORANGE, markersize=18, markeredgewidth=3)
axis.axvline(linear, color="0.5", linestyle=":")
axis.annotate("one linear layer", (linear, 0.55), color="0.3", ha="center")
axis.set(xlabel="per cent right on the validation images", ylim=(-len(trained) + 0.5, 0.9))
axis.set(yticks=[-place for place in range(len(trained))], yticklabels=list(trained))
axis.set_title("One change at a time (dots: seeds, bars: their means)", pad=12)
figure.savefig(args.out / "15_ladder.png", dpi=120)

# %%
# 6. The test, once
# -----------------
# The settings with the best mean on the validation images are taken, and for them alone the test images are read.
# Expect a little less than on the validation images: these had a hand in the choice.

chosen = max(trained, key=lambda name: np.mean([run[1] for run in trained[name]]))
test_scores = [accuracy(run[2], "test") for run in trained[chosen]]
print(f"\nchosen: {chosen!r}; test {np.mean(test_scores):.1f} ({min(test_scores):.1f} - {max(test_scores):.1f})")
print(f"figures: 15_data.png, 15_one_batch.png, 15_health.png, 15_ladder.png in {args.out}")

# %%
# The checklist, to copy:
#
# 1. **Data**: shapes, ranges, classes, duplicates, constant columns; a picture of a batch *as the network gets it*.
# 2. **Baseline**: the most frequent class, the nearest mean, a linear layer.
# 3. **First loss**: ln(classes) for cross entropy, the variance of the targets for squared error. **One batch by
#    heart**: loss nearly 0, with dropout and augmentation off. If not: the table in step 3.
# 4. **Health**: no dead layers, no missing gradients, steps of 1/1000 to 1/100 of the weights.
# 5. **Capacity**: learn the whole training set. **Then** regularise. **Then** tune: one change at a time, several
#    seeds, judged by the validation part.
# 6. **Test**: once, at the end, with the number that goes into the report.
#
# What must hold here: the faults are found where the text says, and the whole beats the linear layer.

assert curves["right"][-1] < 0.001 and abs(curves["right"][0] - math.log(10)) < 0.1
assert abs(curves["softmax at the end"][-1] - math.log(1 + 9 / math.e)) < 0.01
assert min(curves["ReLU at the end"][-1], curves["optimizer of another network"][-1]) > 1
assert records["rate far too large"][-1][1][0] > 0.5 and records["inputs 255 times too large"][-1][1][0] == 1
assert math.isnan(records["cut off behind layer 1"][-1][0][1])
if not args.quick:
    assert np.mean([run[1] for run in trained[chosen]]) > linear
    assert np.mean(test_scores) > 95.5, test_scores

# %%
# Exercises
# ---------
# 1. Plant a fault of your own (no ``zero_grad()``, a ``Dropout(0.99)``, a network in ``eval()``), hand it to a
#    neighbour, and see which step of the checklist finds it.
# 2. ``overfit_one_batch`` for a regression: which loss would you ask for, and what should the first loss be?
# 3. Give the ReLUs of the patient "rate far too large" a slope on the left (``nn.LeakyReLU``). Does it recover?

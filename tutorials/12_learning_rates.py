"""
Learning rates and their schedules
==================================

If you can tune only one number, tune the learning rate. This tutorial shows what too much and too little look like, how
to find the right size in one short run, why the rate should fall during training, and the dozen ways to let it fall
that are in common use.
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
from minigrad.datasets import Digits
from minigrad.optim import lr_scheduler
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Learning rates, a range test, and schedules.")
parser.add_argument("--seed", type=int, default=0, help="for first weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer epochs and repeats, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
train_set, val_set = (
    TensorDataset(digits.data.to(args.device), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("val"))
)
criterion = nn.CrossEntropyLoss()

# %%
# Too low, right, too high
# ------------------------
# Lesson 01 had one parameter, and the rate could be read off a formula. A network has no formula, but the same
# three pictures. What you should see: with 0.01 the loss falls as if it had all day; with 0.5 it falls at once and
# stays down; with 5 it leaps up in the first steps, and then the network guesses (ln 10 = 2.30) or does worse.


def new_run(lr, seed=args.seed, momentum=0.0):
    minigrad.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model.to(args.device)
    return model, optim.SGD(model.parameters(), lr=lr, momentum=momentum)


def train_step(model, optimizer, images, labels):
    loss = criterion(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def batches(epochs, batch_size=32):
    for _ in range(epochs):
        yield from DataLoader(train_set, batch_size=batch_size, shuffle=True, drop_last=True)


three = {}
for rate in (0.01, 0.5, 5.0):
    model, optimizer = new_run(rate)
    three[rate] = [train_step(model, optimizer, *batch) for batch in batches(2 if args.quick else 6)]

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def smooth(values, width=20):
    return np.convolve(values, np.ones(width) / width, mode="valid")


figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (rate, losses), colour, verdict in zip(three.items(), (BLUE, GREEN, RED), ("low", "right", "high"), strict=True):
    label = f"rate {rate:g}: " + ("right" if verdict == "right" else f"too {verdict}")
    axis.plot(smooth(losses), color=colour, linewidth=2, label=label)
axis.set(xlabel="step", ylabel="training loss, mean of 20 steps", ylim=(0, 4), title="One network, three rates")
axis.legend(frameon=False)
figure.savefig(args.out / "12_three_rates.png", dpi=120)

# %%
# The range test
# --------------
# Where is "right"? Let one short run find out (Smith, 2017). The rate starts far too low and grows by the same factor
# in every step; each batch is trained on with another rate, and the loss is noted. As long as the rate is too low the
# loss stands still. Then it falls. Then the rate is too high, and the loss rises steeply. A good rate is a few times
# lower than the one at which the loss is lowest, because what a network survives for a step it need not survive for
# a thousand.


def range_test(lowest=1e-3, highest=10.0, steps=200):
    model, optimizer = new_run(lowest)
    schedule = lr_scheduler.ExponentialLR(optimizer, gamma=(highest / lowest) ** (1 / steps))
    rates, losses, best = [], [], math.inf
    for images, labels in batches(epochs=6):
        rates.append(optimizer.param_groups[0]["lr"])
        losses.append(train_step(model, optimizer, images, labels))
        schedule.step()
        average = np.mean(losses[-10:])
        best = min(best, average) if len(losses) >= 10 else best
        if average > 4 * best or len(losses) == steps:
            return np.array(rates), np.array(losses)


rates, losses = range_test()
curve, at = smooth(losses, 10), rates[9:]
lowest_at = at[np.argmin(curve)]
suggested = lowest_at / 3
print(f"range test: the loss is lowest at a rate of {lowest_at:.2f}; take about {suggested:.2f}")

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.semilogx(rates, losses, color="0.8", linewidth=1, label="one step")
axis.semilogx(at, curve, color=BLUE, linewidth=2, label="mean of 10 steps")
axis.axvline(lowest_at, color="0.5", linestyle=":", label=f"lowest at {lowest_at:.2f}")
axis.axvline(suggested, color=GREEN, linestyle="--", label=f"a third of that: {suggested:.2f}")
axis.set(xlabel="learning rate, growing from step to step", ylabel="training loss", ylim=(0, 4))
axis.set_title("One run of 200 steps shows which rates are good")
axis.legend(frameon=False, loc="upper left")
figure.savefig(args.out / "12_range_test.png", dpi=120)

# %%
# Why the rate should fall
# ------------------------
# Each mini-batch pulls in a slightly different direction. Take the simplest valley, f(x) = x²/2, and add noise of size
# 1 to its gradient. A walker with a constant rate η arrives at the floor and is thrown about there for ever, at a mean
# height of η/(2 - η)/2: high rates are fast but noisy, low ones slow but calm. A falling rate is both. Here are 2,000
# walkers at once; a scheduler sets ``optimizer.param_groups[0]["lr"]``, which one could as well do by hand.

STEPS = 1000
FALLS = {
    "constant 0.5": (0.5, lambda k: 1.0),
    "constant 0.02": (0.02, lambda k: 1.0),
    "falling: 0.5 / (1 + 0.5 k)": (0.5, lambda k: 1 / (1 + 0.5 * k)),
}
heights = {}
for name, (rate, factor) in FALLS.items():
    minigrad.manual_seed(args.seed)
    x = minigrad.full((2000,), 10.0, device=args.device, requires_grad=True)
    optimizer = optim.SGD([x], lr=rate)
    schedule = lr_scheduler.LambdaLR(optimizer, factor)
    heights[name] = []
    for _ in range(STEPS):
        heights[name].append((x.detach() ** 2 / 2).mean().item())
        optimizer.zero_grad()
        (x**2 / 2 + x * minigrad.randn_like(x)).sum().backward()
        optimizer.step()
        schedule.step()

print("\nnoisy valley: mean height after 1000 steps")
for name, (rate, _) in FALLS.items():
    predicted = f"(predicted {rate / (2 - rate) / 2:.4f})" if "constant" in name else ""
    print(f"{name:28} {heights[name][-1]:.4f} {predicted}")

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, height), colour in zip(heights.items(), (RED, BLUE, GREEN), strict=True):
    axis.loglog(range(1, STEPS + 1), height, color=colour, linewidth=2, label=name)
axis.set(xlabel="step", ylabel="mean height of 2,000 walkers", title="Noise sets a floor; a falling rate gets below")
axis.legend(frameon=False)
figure.savefig(args.out / "12_why_fall.png", dpi=120)

# %%
# A dozen schedules
# -----------------
# A schedule is a rule for the rate of each epoch (or of each batch, if you call ``step()`` there). ``preview`` tells
# what a schedule is going to do without doing it. The sources are short: ``decay.py``, ``cycles.py``, ``plateau.py``
# and ``composed.py`` in ``minigrad/optim/lr_scheduler``. They come in three families:
#
# * *falling*: by steps, by a formula, or along half a cosine, which stays high for long and lands softly;
# * *rising first*: a warm-up spares a fresh network the full rate while its gradients are still wild (one-cycle: Smith
#   and Topin, 2018), then it falls; restarts and cycles rise again and again to leave a place that was not so good;
# * *listening*: the plateau rule watches a number, usually the validation loss, and lowers the rate when it has not
#   improved for a while.

EPOCHS = 60
watched = [max(0.6, 2.2 - 0.1 * k) - 0.2 * (k > 22) - 0.2 * (k > 40) for k in range(EPOCHS)]  # a loss with plateaus


def warm_up(optimizer, length=10, total=EPOCHS):
    rising = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=length)
    falling = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total - length)
    return lr_scheduler.SequentialLR(optimizer, [rising, falling], milestones=[length])


SCHEDULES = {
    "piecewise: 1, 1/2, 1/10": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1.0 if k < 10 else 0.5 if k < 20 else 0.1),
    "1 / (1 + 0.1 k)": lambda o: lr_scheduler.LambdaLR(o, lambda k: 1 / (1 + 0.1 * k)),
    "1 / √(k + 1)": lambda o: lr_scheduler.LambdaLR(o, lambda k: (k + 1) ** -0.5),
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=20, gamma=0.3),
    "ExponentialLR: 0.95ᵏ": lambda o: lr_scheduler.ExponentialLR(o, gamma=0.95),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=EPOCHS),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=EPOCHS),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=20),
    "warm-up, then cosine": warm_up,
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=8, mode="triangular2"),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=EPOCHS),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.3, patience=5, threshold=0.01),
}


def fresh(lr=0.1):
    return optim.SGD([minigrad.zeros(1, device=args.device, requires_grad=True)], lr=lr, momentum=0.9)


figure, axes = plt.subplots(3, 4, figsize=(12, 7), sharex=True, sharey=True, layout="constrained")
for axis, (name, make) in zip(axes.flat, SCHEDULES.items(), strict=True):
    schedule = make(fresh())
    listening = {"metrics": watched} if name == "ReduceLROnPlateau" else {}
    axis.step(range(EPOCHS), schedule.preview(EPOCHS, **listening), where="mid", color=BLUE, linewidth=2)
    axis.set_title(name, fontsize=11)
    axis.set(ylim=(0, 0.108), yticks=(0, 0.05, 0.1), xticks=(0, 20, 40, 60))
for axis in axes[:, 0]:
    axis.set_ylabel("learning rate")
for axis in axes[-1]:
    axis.set_xlabel("epoch k")
figure.savefig(args.out / "12_schedules.png", dpi=120)

# %%
# Many rules can be written in several ways. ``LambdaLR`` is told the factor on the first rate, ``MultiplicativeLR`` the
# factor on the rate *before*, and ``MultiStepLR`` the epochs at which the rate is multiplied by gamma.

piecewise = lr_scheduler.MultiplicativeLR(fresh(), lambda k: {10: 0.5, 20: 0.2}.get(k, 1.0)).preview(EPOCHS)
assert np.allclose(piecewise, SCHEDULES["piecewise: 1, 1/2, 1/10"](fresh()).preview(EPOCHS))
stepped = lr_scheduler.MultiStepLR(fresh(), milestones=[20, 40], gamma=0.3).preview(EPOCHS)
assert np.allclose(stepped, SCHEDULES["StepLR"](fresh()).preview(EPOCHS))

# %%
# Three classic mistakes
# ----------------------
# * *Epochs start at 0.* The formula c/√epoch from a book divides by zero at the first one; use epoch + 1.
# * *Batches are not epochs.* A schedule that was made for 20 epochs and is stepped after each of 39 batches has run its
#   course after half an epoch. Ask ``preview`` when in doubt.
# * *Order.* First ``optimizer.step()``, then ``schedule.step()``; the other way round the first rate is never used, and
#   there is a warning.

by_formula = lr_scheduler.LambdaLR(fresh(lr=0.2), lambda k: 1 / (1 + k))
print("\n0.2 / (1 + epoch):", "  ".join(f"{rate:.3f}" for rate in by_formula.preview(5)))

# %%
# Schedules on digits
# -------------------
# SGD with momentum, 20 epochs, and the same highest rate for all schedules. Each is run with several seeds, because
# one run says little: the spread between seeds is of the size of the differences. What you should see: a rate that
# stays high does not settle. Every rule that lets the rate fall ends lower on the training images, and the last digits
# of the validation loss are not worth a dispute.

LENGTH, PEAK = (3, 0.2) if args.quick else (20, 0.2)
SEEDS = range(args.seed, args.seed + (1 if args.quick else 4))
BATCHES = len(train_set) // 32
CONTENDERS = {  # name -> schedule, and when it is stepped
    "constant 0.2": (lambda o: lr_scheduler.ConstantLR(o, factor=1.0), "epoch"),
    "constant 0.01": (lambda o: lr_scheduler.LambdaLR(o, lambda k: 0.05), "epoch"),
    "StepLR": (lambda o: lr_scheduler.StepLR(o, step_size=max(1, LENGTH // 3), gamma=0.2), "epoch"),
    "CosineAnnealingLR": (lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=LENGTH), "epoch"),
    "warm-up, cosine": (lambda o: warm_up(o, LENGTH // 5 + 1, LENGTH), "epoch"),
    "OneCycleLR": (lambda o: lr_scheduler.OneCycleLR(o, max_lr=PEAK, total_steps=LENGTH * BATCHES), "batch"),
    "ReduceLROnPlateau": (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.2, patience=1), "metric"),
}


def full_loss(model, data):
    images, labels = data.tensors
    with minigrad.no_grad():
        return criterion(model(images), labels).item()


def train(make_schedule, when, seed):
    """Return the training loss after each epoch, and the validation loss at the end."""
    model, optimizer = new_run(PEAK, seed, momentum=0.9)
    schedule, curve = make_schedule(optimizer), []
    for _ in range(LENGTH):
        for images, labels in batches(1):
            train_step(model, optimizer, images, labels)
            if when == "batch":
                schedule.step()
        curve.append(full_loss(model, train_set))
        if when == "epoch":
            schedule.step()
        elif when == "metric":
            schedule.step(full_loss(model, val_set))
    return curve, full_loss(model, val_set)


runs = {name: [train(*contender, seed) for seed in SEEDS] for name, contender in CONTENDERS.items()}
print("\ndigits               training loss (median)   validation loss (lowest to highest of the seeds)")
final = {}
for name, results in runs.items():
    final[name] = float(np.median([curve[-1] for curve, _ in results]))
    ends = [end for _, end in results]
    print(f"{name:20} {final[name]:22.5f}   {min(ends):15.3f} to {max(ends):.3f}")

figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
styles = zip(runs.items(), (RED, BLUE, "#CC79A7", GREEN, ORANGE, "0.1", "#56B4E9"), "osD^vX*", strict=True)
for (name, results), colour, mark in styles:
    curve = np.median([curve for curve, _ in results], axis=0)
    axis.semilogy(range(1, LENGTH + 1), curve, color=colour, marker=mark, markersize=5, linewidth=1.5, label=name)
axis.set_title("Falling rates settle, a high constant one does not")
axis.set(xlabel="epoch", ylabel="training loss (median of the seeds)", xticks=range(1, LENGTH + 1, 2))
axis.legend(frameon=False, fontsize=9)
figure.savefig(args.out / "12_digits.png", dpi=120)
print(f"\nfigures: 12_three_rates, 12_range_test, 12_why_fall, 12_schedules, 12_digits (.png) in {args.out}")

# %%
# The promises: the formula of the book gives its numbers; 0.95 to the power k is ``ExponentialLR``; the noise floors
# are where they were predicted, and the falling rate gets below both; on digits the cosine ends far below the constant:

assert np.allclose(by_formula.preview(5), [0.2, 0.1, 0.0667, 0.05, 0.04], atol=1e-4)
powers = lr_scheduler.LambdaLR(fresh(), lambda k: 0.95**k).preview(EPOCHS)
assert np.allclose(SCHEDULES["ExponentialLR: 0.95ᵏ"](fresh()).preview(EPOCHS), powers)
for name in ("constant 0.5", "constant 0.02"):
    rate = FALLS[name][0]
    assert abs(np.mean(heights[name][-100:]) / (rate / (2 - rate) / 2) - 1) < 0.1
assert heights["falling: 0.5 / (1 + 0.5 k)"][-1] < 0.5 * heights["constant 0.02"][-1]
if not args.quick:
    assert final["CosineAnnealingLR"] < 0.2 * final["constant 0.2"], final

# %%
# Exercises
# ---------
# 1. Run the range test for Adam and for SGD with momentum 0.9. By which factors do the suggested rates differ, and why
#    is it about ten for momentum?
# 2. Step the cosine of the last figure after every batch, with ``T_max=LENGTH`` left as it is. What does the rate do
#    after the first half epoch? (It is not zero for ever: look at a preview.)
# 3. Average the parameters of the last five epochs with ``optim.swa_utils.AveragedModel`` while the rate stays at 0.2.
#    Does averaging do what a falling rate does?

"""
Gradient descent on one number
==============================

Training a network means: walk downhill until the loss is small. Here the whole landscape is f(x) = x², a valley with
its floor at 0, and the walker is one number. Everything that makes training fast, slow or impossible can already be
seen.
"""

# portable: runs on PyTorch with the imports changed

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad

parser = argparse.ArgumentParser(description="Gradient descent on x².")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# %%
# One step
# --------
# The derivative says which way is up and how steeply: f'(x) = 2x. A step goes the other way, and its length is the
# derivative times a number that we choose, the learning rate:
#
# .. math:: x_{k+1} = x_k - \mathrm{lr} \cdot f'(x_k)
#
# minigrad finds the derivative by itself. A tensor made with ``requires_grad=True`` is watched; ``backward()`` on a
# result leaves the derivative of that result in the tensor's ``grad``.

x = minigrad.tensor(4.0, device=args.device, requires_grad=True)
loss = x**2
loss.backward()
print(f"f({x.item():g}) = {loss.item():g} and f'({x.item():g}) = {x.grad.item():g}")

# %%
# The table
# ---------
# The same thing ten times, starting at 4 with a learning rate of 0.1. Two lines deserve a word. The step happens under
# ``no_grad``, because moving the walker is not part of the landscape. And the gradient is set to ``None`` after each
# step, because ``backward()`` adds to what is there.

rate = 0.1
x = minigrad.tensor(4.0, device=args.device, requires_grad=True)
print("\n  k      x_k   f(x_k)  f'(x_k)")
for k in range(11):
    loss = x**2
    loss.backward()
    print(f"{k:3d} {x.item():8.4f} {loss.item():8.4f} {x.grad.item():8.4f}")
    with minigrad.no_grad():
        x -= rate * x.grad
    x.grad = None

# %%
# Every row is 0.8 times the one above, and that is no accident: x - 0.1 · 2x = 0.8 x. After k steps of any rate the
# walker stands at (1 - 2 lr)ᵏ · 4, so the factor 1 - 2 lr tells the whole story in advance.
#
# Too small, right, too large
# ---------------------------
# Four rates, and what the factor says about them:
#
# ======  ========  ==========================================
# rate    factor    what happens
# ======  ========  ==========================================
# 0.01    0.98      right direction, but after 20 steps still far away
# 0.1     0.8       arrives
# 0.9     -0.8      jumps over the floor each time, and arrives as fast
# 1.05    -1.1      each jump lands higher than it started
# ======  ========  ==========================================


def descend(rate, steps, start=4.0):
    """All the places visited, the start included."""
    x = minigrad.tensor(start, device=args.device, requires_grad=True)
    path = [x.item()]
    for _ in range(steps):
        loss = x**2
        loss.backward()
        with minigrad.no_grad():
            x -= rate * x.grad
        x.grad = None
        path.append(x.item())
    return path


STEPS = 20
paths = {rate: descend(rate, STEPS) for rate in (0.01, 0.1, 0.9, 1.05)}
print()
for rate, path in paths.items():
    print(f"rate {rate:4}: after {STEPS} steps x = {path[-1]:9.4f}, predicted {4 * (1 - 2 * rate) ** STEPS:9.4f}")

# %%
# Below, the walker on its valley, and how high it still is after each step. On a logarithmic scale all four are
# straight lines: each step multiplies the height by the same number, (1 - 2 lr)². Only the sign of the slope decides
# between training and disaster.

COLOURS = {0.01: "#56B4E9", 0.1: "#009E73", 0.9: "#E69F00", 1.05: "#D55E00"}  # told apart by colour-blind eyes too
VERDICTS = {0.01: "too small", 0.1: "right", 0.9: "jumps across", 1.05: "too large"}
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), sharey=True, layout="constrained")
valley = np.linspace(-6.5, 6.5, 200)
for axis, (rate, path) in zip(axes, paths.items(), strict=True):
    places = np.array(path[:8])
    axis.plot(valley, valley**2, color="0.75", zorder=1)
    axis.plot(places, places**2, color=COLOURS[rate], linewidth=1, zorder=2)
    axis.scatter(places, places**2, color=COLOURS[rate], s=24, zorder=3)
    axis.annotate("start", (4, 16), (12, -3), textcoords="offset points", va="center")
    axis.set(title=f"rate {rate}: {VERDICTS[rate]}", xlabel="x", ylim=(-2, 42), xticks=(-5, 0, 5))
axes[0].set_ylabel("f(x) = x²")
figure.savefig(args.out / "01_steps.png", dpi=120)

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for rate, path in paths.items():
    heights = np.array(path) ** 2
    dashes = (0, (4, 4)) if rate == 0.9 else "-"  # 0.1 and 0.9 lie on top of each other
    axis.semilogy(heights, color=COLOURS[rate], linestyle=dashes, linewidth=2)
label_at = {0.01: (20.3, 0), 0.1: (20.3, 5), 0.9: (20.3, -8), 1.05: (20.3, 0)}
for rate, (where, lift) in label_at.items():
    axis.annotate(f"rate {rate}", (where, paths[rate][-1] ** 2), (0, lift), textcoords="offset points", color="0.2")
axis.set(xlabel="step k", ylabel="f(x_k)", xlim=(0, 23), xticks=range(0, 21, 5), title="Height left after each step")
figure.savefig(args.out / "01_rates.png", dpi=120)
print(f"\nfigures: {args.out / '01_steps.png'}, 01_rates.png")

# %%
# When to stop
# ------------
# Nobody tells the walker that it has arrived. Three questions are asked after each step, and the first yes ends the
# walk:
#
# 1. Is the slope small? On the floor it is 0.
# 2. Did the height hardly change? Then the next step will not change much either.
# 3. Have we taken as many steps as we can afford? This one always ends the walk, so it must never be left out.
#
# A fourth one is for accidents: if the height is many times what it was at the start, no patience will help.


def descend_until(rate, start=4.0, small_slope=1e-3, small_change=1e-8, most_steps=5000):
    """Return why the walk ended, after how many steps, and where."""
    x = minigrad.tensor(start, device=args.device, requires_grad=True)
    before = None
    for step in range(most_steps + 1):
        loss = x**2
        loss.backward()
        height, slope = loss.item(), x.grad.item()
        if abs(slope) < small_slope:
            return "slope small", step, x.item()
        if before is not None and abs(height - before) < small_change:
            return "change small", step, x.item()
        if height > 1000 * start**2:
            return "flying away", step, x.item()
        before = height
        with minigrad.no_grad():
            x -= rate * x.grad
        x.grad = None
    return "out of steps", most_steps, x.item()


# %%
# Before you run it, guess: which of these five walks ends for which reason, and which ends in the wrong place?

endings = {rate: descend_until(rate) for rate in (0.1, 0.001, 0.0001, 1e-9, 1.05)}
print("\n  rate   ended because   steps   x at the end")
for rate, (reason, steps, place) in endings.items():
    print(f"{rate:6g}   {reason:13} {steps:7d} {place:14.4f}")

# %%
# The first two have arrived. The third was good but slow, and ran out of steps on the slope. The fourth is the classic
# mistake: with a rate of 10⁻⁹ nothing changes, not because this is the floor but because the walker hardly moves. A
# step changes the height by about lr · f'(x)², so the second question also says yes to a small rate. Ask about the
# slope as well, and never read "it has stopped falling" as "it has arrived" before you have tried a larger rate.
#
# In a network the same three questions come back in other clothes: the number of epochs is the limit, and "hardly
# changed" is asked of the loss on data that the network has not seen. That is early stopping, see 08_digits.py.
#
# The last row of the first table must be 4 · 0.8¹⁰, and the endings must be as described:

assert abs(paths[0.1][10] - 4 * 0.8**10) < 1e-6, paths[0.1][10]
assert [reason for reason, _, _ in endings.values()] == [
    "slope small", "change small", "out of steps", "change small", "flying away",
]  # fmt: skip
assert endings[0.1][1] == 41  # the first k with 8 · 0.8ᵏ < 0.001
assert abs(endings[0.001][2]) < 0.002 < 1 < endings[0.0001][2] < endings[1e-9][2]

# %%
# Exercises
# ---------
# 1. Which rate reaches the floor in a single step? Work it out from the factor, then try it.
# 2. Leave out ``x.grad = None``. What does the walker do now, and why does it look like a ball rolling in the valley?
# 3. Replace x² by x⁴ - 2x², which has two valleys. To which one does the walker go from 0.1, from -0.1, and from 0?

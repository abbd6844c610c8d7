"""
Momentum
========

Gradients are noisy, and in a narrow valley they point across it rather than along it. The cure for both is a memory: an
average over the recent past. First the average itself, on the weather of a year; then the same formula moves the
parameters, and a walker becomes a ball that rolls.
"""

# portable

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import optim

parser = argparse.ArgumentParser(description="Moving averages, bias correction and momentum.")
parser.add_argument("--seed", type=int, default=0, help="for the weather (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)

# %%
# A year of weather
# -----------------
# One temperature a day, in degrees Fahrenheit: 40, 49, 45 in the first days of January, 60 and 56 in the middle of the
# year. Nobody can see the seasons from two neighbouring days; the noise of one day is larger than the change of a week.

days = np.arange(1, 366)
temperature = minigrad.tensor(50 - 10 * np.cos(2 * np.pi * days / 365)).float() + 4 * minigrad.randn(365)
for day, degrees in ((1, 40), (2, 49), (3, 45), (180, 60), (181, 56)):
    temperature[day - 1] = degrees
temperature = temperature.to(args.device)

# %%
# The moving average needs a single number of memory, v. Each day it keeps the share β of what it was and takes the rest
# from the new value θ (an *exponentially weighted moving average*, EWMA for short):
#
# .. math:: v_0 = 0, \qquad v_t = \beta\, v_{t-1} + (1 - \beta)\, \theta_t
#
# v starts at 0, although no day was that cold. So the first averages are far too small: with β = 0.98, v₁ is 0.02 · 40
# = 0.8. The weights given out in t days sum to 1 - βᵗ and not to 1; dividing by that sum puts it right. This is the
# *bias correction*:
#
# .. math:: \hat v_t = \frac{v_t}{1 - \beta^t}


def averages(values, beta, corrected=True):
    v, result = 0.0, []
    for t, value in enumerate(values, start=1):
        v = beta * v + (1 - beta) * value
        result.append(v / (1 - beta**t) if corrected else v)
    return minigrad.stack(result)


plain, corrected = averages(temperature, 0.98, corrected=False), averages(temperature, 0.98)
print("beta = 0.98\n day   degrees   average   sum of weights   corrected")
for t in (1, 2, 3, 10, 50, 180, 365):
    row = temperature[t - 1].item(), plain[t - 1].item(), 1 - 0.98**t, corrected[t - 1].item()
    print(f"{t:4d} {row[0]:9.1f} {row[1]:9.3f} {row[2]:16.3f} {row[3]:11.2f}")

# %%
# Two slips are often seen in print: 1 - β² in place of 1 - βᵗ, which is right on the second day only; and "after ten
# steps the correction makes no difference". With β = 0.9 the factor 0.9¹⁰ is still 0.35, so an average without the
# correction is 35 % too small on the tenth day.
#
# What you should see: a larger β gives a smoother curve that comes later. β = 0.5 follows every whim of the weather,
# 0.98 sees spring a month and a half after it came. There is no β that is both smooth and up to date.

SKY, BLUE, RED, GREEN = "#56B4E9", "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
COLOURS = {0.5: SKY, 0.9: BLUE, 0.98: RED}
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
axis.scatter(days, temperature.cpu(), s=7, color="0.7", label="one day")
for beta, colour in COLOURS.items():
    width = 1 if beta == 0.5 else 2.2
    axis.plot(days, averages(temperature, beta).cpu(), color=colour, linewidth=width, label=f"β = {beta}")
axis.set(xlabel="day", ylabel="temperature (°F)", title="The longer the memory, the smoother and the later")
axis.legend(frameon=False, ncols=4, loc="lower center")
figure.savefig(args.out / "10_temperature.png", dpi=120)

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.scatter(days[:60], temperature[:60].cpu(), s=12, color="0.7", label="one day")
axis.plot(days[:60], plain[:60].cpu(), color=RED, linestyle="--", linewidth=2, label="v, from 0")
axis.plot(days[:60], corrected[:60].cpu(), color=RED, linewidth=2, label="v / (1 - βᵗ)")
axis.set(
    xlabel="day", ylabel="temperature (°F)", ylim=0, title="β = 0.98: without correction the start is far too cold"
)
axis.legend(frameon=False, loc="lower right")
figure.savefig(args.out / "10_bias.png", dpi=120)

# %%
# How long is the memory?
# -----------------------
# Unrolled, the average is a weighted sum, and the value of k days ago has the weight (1 - β) βᵏ. There is no sharp end,
# but after 1/(1 - β) days the weight has fallen to about a third (βⁿ is close to 1/e = 0.37). That is why one says
# that β = 0.5 remembers 2 days, 0.9 ten days and 0.98 fifty. Averaging also shrinks independent noise: its standard
# deviation (std for short, the typical distance from the mean) gets smaller by √((1 - β)/(1 + β)):

noise = minigrad.randn(300, 400, device=args.device)  # 300 days in 400 places
print("\nbeta   window 1/(1-b)   weight left there   noise left   predicted")
for beta in COLOURS:
    window, left = 1 / (1 - beta), averages(noise, beta)[200:].std().item()
    print(f"{beta:4} {window:16.0f} {beta**window:19.2f} {left:12.3f} {((1 - beta) / (1 + beta)) ** 0.5:11.3f}")

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
ago = np.arange(0, 101)
for beta, colour in COLOURS.items():
    window = round(1 / (1 - beta))
    axis.semilogy(ago, (1 - beta) * beta**ago, color=colour, linewidth=2)
    axis.plot(window, (1 - beta) * beta**window, "o", color=colour, label=f"β = {beta}: {window} days")
axis.set(
    xlabel="days ago", ylabel="weight", ylim=(1e-3, 1), title="At 1/(1 - β) days about a third of the weight is left"
)
axis.legend(frameon=False, title="window")
figure.savefig(args.out / "10_weights.png", dpi=120)

# %%
# From weather to gradients
# -------------------------
# Momentum puts gradients in the place of temperatures and walks along their average. Books write it in four ways, and
# it pays to know which one is in front of you. g is the gradient, and p the parameter, p ← p - lr · (direction):
#
# ====================  ===============================================  ===========================================
# form                  direction                                        in minigrad and PyTorch
# ====================  ===============================================  ===========================================
# velocity              v ← β v + g                                      ``SGD(momentum=β)``
# EWMA                  v ← β v + (1 - β) g                              ``SGD(lr=lr·(1-β), momentum=β)``
# EWMA, corrected       v / (1 - βᵗ)                                     the upper half of Adam
# dampened              v ← β v + (1 - β) g, but v = g at first          ``SGD(momentum=β, dampening=β)``
# ====================  ===============================================  ===========================================
#
# Let the gradient be 1 all the time and look at the direction. What you should see: the velocity form grows to
# 1/(1 - β) = 10, so its steps become *ten times* as long as those of SGD with the same rate. The classic mistake is to
# switch on momentum and keep the rate, or to take a rate from a book with the other form.

BETA, STEPS = 0.9, 40


def directions_of(optimizer_options):
    """What SGD subtracts at each step when the gradient is always 1 and the rate is 1."""
    p = minigrad.zeros(1, device=args.device, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0, **optimizer_options)
    places = [0.0]
    for _ in range(STEPS):
        p.grad = minigrad.ones_like(p)
        optimizer.step()
        places.append(p.item())
    return -np.diff(places)


ones = minigrad.ones(STEPS, device=args.device)
forms = {
    "velocity": directions_of({"momentum": BETA}),
    "EWMA": averages(ones, BETA, corrected=False).cpu().numpy(),
    "EWMA, corrected": averages(ones, BETA).cpu().numpy(),
    "dampened": directions_of({"momentum": BETA, "dampening": BETA}),
}
print("\nstep              " + "".join(f"{t:8d}" for t in (1, 2, 3, 10, 40)))
for name, directions in forms.items():
    print(f"{name:18}" + "".join(f"{directions[t - 1]:8.3f}" for t in (1, 2, 3, 10, 40)))

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
for (name, directions), colour in zip(forms.items(), (BLUE, RED, GREEN, "0.1"), strict=True):
    style = (0, (2, 2)) if name == "dampened" else "-"
    axis.semilogy(range(1, STEPS + 1), directions, color=colour, linestyle=style, linewidth=2, label=name)
axis.set(xlabel="step", ylabel="direction, for gradients of 1", yticks=(0.1, 1, 10), yticklabels=("0.1", "1", "10"))
axis.set_title("Four forms of momentum (β = 0.9): same memory, other lengths")
axis.legend(frameon=False)
figure.savefig(args.out / "10_forms.png", dpi=120)

# %%
# Velocity and EWMA differ by the factor 1 - β only, for whatever gradients, so one is the other with another rate. The
# dampened form is an average that starts from its first value instead of 0, which also takes away the bias. Corrected
# or not matters in the first steps: they are either of full length or, with β = 0.9, a tenth of it. The rule is five
# lines of ``update`` in ``minigrad/optim/sgd.py``.
#
# A narrow valley
# ---------------
# f(x, y) = (x² + 50 y²)/2 is 50 times as steep across as along. The gradient points across. A step may not be longer
# than the steep direction allows (a rate below 2/50), and with such steps the flat direction takes for ever. Memory
# helps twice: across the valley the gradients change their sign and cancel in the average; along it they agree and
# add up.
#
# Nesterov's form asks where the velocity is about to carry us and uses the gradient of there. In ``SGD(nesterov=True)``
# the direction is g + β v, with the new v: one move of the velocity ahead.
#
# What you should see, each after 30 steps: SGD jumps from slope to slope and creeps towards the floor. Momentum, with
# less than half the rate, swings and arrives. Nesterov's look ahead brakes the swinging.


def roll(**options):
    """All the places visited on the way from (-10, 1), as an array (steps + 1, 2)."""
    p = minigrad.tensor([-10.0, 1.0], device=args.device, requires_grad=True)
    optimizer = optim.SGD([p], **options)
    path = [p.tolist()]
    for _ in range(400):
        optimizer.zero_grad()
        (0.5 * (p[0] ** 2 + 50 * p[1] ** 2)).backward()
        optimizer.step()
        path.append(p.tolist())
    return np.array(path)


def height(path):
    return 0.5 * (path[..., 0] ** 2 + 50 * path[..., 1] ** 2)


rolls = {
    "SGD, rate 0.038": roll(lr=0.038),
    "momentum 0.8, rate 0.015": roll(lr=0.015, momentum=0.8),
    "Nesterov 0.8, rate 0.015": roll(lr=0.015, momentum=0.8, nesterov=True),
}
x, y = np.meshgrid(np.linspace(-11, 5, 200), np.linspace(-1.4, 1.4, 200))
figure, axes = plt.subplots(3, 1, figsize=(8, 7.5), sharex=True, sharey=True, layout="constrained")
for axis, (name, path), colour in zip(axes, rolls.items(), (SKY, BLUE, RED), strict=True):
    axis.contour(x, y, height(np.stack([x, y], axis=-1)), levels=np.geomspace(0.2, 100, 9), colors="0.85")
    axis.plot(*path[:31].T, "o-", color=colour, markersize=4, linewidth=1.5)
    axis.plot(0, 0, "*", color="0.1", markersize=12)
    axis.set(title=f"{name}: height {height(path[30]):.2g} after 30 steps", ylabel="y", xlim=(-11, 5), ylim=(-1.4, 1.4))
axes[-1].set_xlabel("x (the floor is at the star)")
figure.savefig(args.out / "10_bowl.png", dpi=120)

# %%
# How much is best?
# -----------------
# On a bowl the answer is known. With the steepness between μ and L, and κ = L/μ (here 50), the distance to the floor
# shrinks in each step at best by
#
# .. math::
#
#    \text{SGD: } \frac{\kappa - 1}{\kappa + 1} \text{ with } \mathrm{lr} = \frac{2}{L + \mu}, \qquad
#    \text{momentum: } \frac{\sqrt\kappa - 1}{\sqrt\kappa + 1} = \sqrt\beta
#    \text{ with } \mathrm{lr} = \frac{4}{(\sqrt L + \sqrt\mu)^2}
#
# (Polyak, 1964). The root is the whole gain, and it is large: a valley 10,000 times as steep across as along needs 100
# times fewer steps. More β than that is too much: the ball rolls past the floor and comes back, again and again;
# with β = 0.99 it loses no more than √0.99 of its distance in a step.

L, MU = 50.0, 1.0
best_beta = ((L**0.5 - MU**0.5) / (L**0.5 + MU**0.5)) ** 2
tuned = {
    "SGD": (roll(lr=2 / (L + MU)), (L - MU) / (L + MU)),
    "momentum": (roll(lr=4 / (L**0.5 + MU**0.5) ** 2, momentum=best_beta), best_beta**0.5),
}
print("\n            factor per step: formula   measured   steps to 1/10,000 of the distance")
measured = {}
for name, (path, factor) in tuned.items():
    far = np.linalg.norm(path, axis=1)
    measured[name] = (far[60] / far[20]) ** (1 / 40), int(np.argmax(far < 1e-4 * far[0]))
    print(f"{name:10} {factor:25.3f} {measured[name][0]:10.3f} {measured[name][1]:23d}")

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for beta, colour in zip((0, 0.5, 0.9, 0.99), ("0.1", SKY, BLUE, RED), strict=True):
    axis.semilogy(height(roll(lr=0.01, momentum=beta))[:301], color=colour, linewidth=1.6, label=f"β = {beta}")
axis.set(
    xlabel="step", ylabel="height f(x, y)", ylim=(1e-9, 1e3), title="Rate 0.01: some memory helps, too much goes round"
)
axis.legend(frameon=False, ncols=2)
figure.savefig(args.out / "10_betas.png", dpi=120)
print(
    f"\nfigures: 10_temperature.png, 10_bias.png, 10_weights.png, 10_forms.png, 10_bowl.png, 10_betas.png in {args.out}"
)

# %%
# The promises: the first two days by hand; velocity and EWMA are one form with two rates, and the dampened one is the
# corrected one if gradients are constant; and momentum arrives in less than a fifth of the steps:

assert np.allclose(plain[:2].cpu(), [0.8, 0.98 * 0.8 + 0.02 * 49])
assert np.allclose(corrected[:2].cpu(), [40, 1.764 / 0.0396])
assert np.allclose(forms["velocity"] * (1 - BETA), forms["EWMA"], atol=1e-5)
assert np.allclose(forms["dampened"], forms["EWMA, corrected"], atol=1e-5)
assert abs(measured["SGD"][0] - 49 / 51) < 0.001
assert 5 * measured["momentum"][1] < measured["SGD"][1], measured

# %%
# Exercises
# ---------
# 1. Average the 90 days of a season with equal weights (a simple moving average). Which is later, this or β = 0.98, and
#    how many numbers does each have to remember?
# 2. Train with ``SGD(momentum=0.9, dampening=0.9)`` from the point (-10, 1). Which rate makes it as fast as momentum
#    without dampening and a rate of 0.02?
# 3. Give the ball a hill: f(x) = x⁴ - 2x² + 0.3x has a shallow valley on the right and a deep one on the left. Start at
#    x = 1.8 with a rate of 0.01. Which β takes it over the hill, and does it stay there?

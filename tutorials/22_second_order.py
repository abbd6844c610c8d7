"""
Curvature
=========

The gradient says which way is down; the second derivative says for how long. Whoever knows the curvature can take far
better steps, and can say in advance which learning rate is too large. Here second and third derivatives come from
differentiating gradients, Newton's method from five lines, and the curvature of a small network is laid open.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import func, nn, optim
from minigrad.autograd.functional import hvp
from minigrad.datasets import Digits

parser = argparse.ArgumentParser(description="Hessians, Newton's method, sharpness and the largest learning rate.")
parser.add_argument("--seed", type=int, default=0, help="for weights and directions (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer steps, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
F = nn.functional
DOUBLE = {"dtype": minigrad.float64, "device": args.device}
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# The derivative of the derivative
# --------------------------------
# ``minigrad.func.grad`` takes a function and returns its derivative, which is a function again. So it can be given back
# to ``grad``, as often as you like. This works because every rule of differentiation in minigrad is written in
# operations that can be differentiated themselves; look at any sheet in ``minigrad/ops``.
#
# The bell curve :math:`f(x) = e^{-x^2/2}` has derivatives that can be written down: :math:`f''' = (3x - x^3) f`. What
# you should see: where f' is steepest, f'' is largest; where f' has its peaks, f'' is 0; and no difference on paper
# between formula and machine. (``grad`` wants a single number, so we add up the values at all places; each place only
# influences its own term.)


def bell(x):
    return (-(x**2) / 2).exp()


def derivative(f):
    return func.grad(lambda x: f(x).sum())


x = minigrad.linspace(-4, 4, 201, **DOUBLE)
first_three = [derivative(bell), derivative(derivative(bell)), derivative(derivative(derivative(bell)))]
curves = [bell(x)] + [f(x) for f in first_three]
difference = (curves[3] - (3 * x - x**3) * curves[0]).abs().max().item()
print(f"third derivative, machine against formula: largest difference {difference:.1e}")
assert difference < 1e-13

figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
for curve, name, colour in zip(curves, ("f", "f'", "f''", "f'''"), ("0.3", BLUE, ORANGE, GREEN), strict=True):
    axis.plot(x.cpu(), curve.cpu(), color=colour, linewidth=2, label=name)
axis.axhline(0, color="0.8", linewidth=1, zorder=0)
axis.set(xlabel="x", ylabel="value", title="A bell curve and its first three derivatives")
axis.legend(frameon=False)
figure.savefig(args.out / "22_derivatives.png", dpi=120)

# %%
# Newton's method
# ---------------
# With n parameters the second derivatives form an n × n matrix, the *Hessian* H. Near a point the function looks like
#
# .. math:: f(x + d) \approx f(x) + g^\top d + \tfrac{1}{2} d^\top H d
#
# and this bowl has its lowest point at :math:`d = -H^{-1} g`. Go there, and start again. No learning rate is needed.


def newton(f, x, steps):
    path = [x]
    for _ in range(steps):
        x = x - minigrad.linalg.solve(func.hessian(f)(x), func.grad(f)(x))
        path.append(x)
    return minigrad.stack(path).cpu().numpy()


def descend(f, x, steps, rate):
    path, slope = [x], func.grad(f)
    for _ in range(steps):
        x = x - rate * slope(x)
        path.append(x)
    return minigrad.stack(path).cpu().numpy()


# %%
# The test track is Rosenbrock's banana, a curved valley with its lowest point at (1, 1). What you should see: gradient
# descent (with about the largest rate that works) falls into the valley and creeps along; after 2,000 steps it is still
# on the way. Newton needs six. Watch its last distances: the number of right digits *doubles* each time.


def banana(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


start = minigrad.tensor([-1.2, 1.0], **DOUBLE)
creeping, jumping = descend(banana, start, 2000, 0.001), newton(banana, start, 6)
distances = np.linalg.norm(jumping - 1, axis=1)
print("\nNewton's distance to (1, 1):", ", ".join(f"{distance:.1e}" for distance in distances))

figure, axis = plt.subplots(figsize=(7, 4.6), layout="constrained")
across, up = np.meshgrid(np.linspace(-1.6, 1.5, 200), np.linspace(-3.3, 1.8, 200))
axis.contourf(across, up, np.log10((1 - across) ** 2 + 100 * (up - across**2) ** 2 + 1e-3), 14, cmap="Greys", alpha=0.6)
axis.plot(*creeping.T, color=RED, linewidth=2, label="gradient descent, 2,000 steps")
axis.plot(*jumping.T, color=BLUE, marker="o", linewidth=2, label="Newton, 6 steps")
axis.plot(1, 1, marker="*", markersize=16, color="black", linestyle="none", label="lowest point")
axis.set(xlabel="$x_1$", ylabel="$x_2$", title="Two roads through the banana (darker: higher)")
axis.legend(loc="lower left")
figure.savefig(args.out / "22_newton.png", dpi=120)

# %%
# The classic mistake
# -------------------
# Newton's step goes to where the *gradient is zero*. That may be a lowest point, but just as well a saddle or a top: in
# a direction in which H has a negative eigenvalue, the bowl is upside down, and its "lowest point" the highest. Below
# is a function with two valleys and a saddle between them. The cure is to make H positive: here with the absolute
# values of its eigenvalues.


def two_valleys(x):
    return x[0] ** 4 / 4 - x[0] ** 2 / 2 + x[1] ** 2 / 2


def careful_newton(f, x, steps):
    for _ in range(steps):
        values, vectors = minigrad.linalg.eigh(func.hessian(f)(x))
        x = x - vectors @ ((vectors.T @ func.grad(f)(x)) / values.abs().clamp(min=0.1))
    return x.cpu().numpy()


start = minigrad.tensor([0.2, 1.0], **DOUBLE)
ends = {
    "Newton": newton(two_valleys, start, 8)[-1],
    "Newton with |eigenvalues|": careful_newton(two_valleys, start, 12),
    "gradient descent": descend(two_valleys, start, 60, 0.3)[-1],
}
print(f"\n{'':26} ends at           height (valleys: -0.25)")
for name, end in ends.items():
    print(f"{name:26} ({end[0] + 0.0:5.2f}, {end[1] + 0.0:5.2f})  {two_valleys(end):10.4f}")
assert abs(two_valleys(ends["Newton"])) < 1e-6
assert abs(two_valleys(ends["Newton with |eigenvalues|"]) + 0.25) < 1e-6

# %%
# A network's Hessian
# -------------------
# A network with a million parameters has a Hessian with 10¹² entries: nobody can store it. But a *product* of it with a
# vector v costs about as much as two gradients, for :math:`Hv` is the derivative of the single number
# :math:`g^\top v`. That is ``hvp`` (read ``minigrad/autograd/functional.py``). Our network is small enough for both:
# digits of 4 × 4 pixels, one hidden layer, 442 parameters, and a little weight decay.

digits = Digits("train")
labels = digits.targets.to(args.device)
images = F.avg_pool2d(digits.data.reshape(-1, 1, 8, 8).to(**DOUBLE), 2).reshape(-1, 16)
images = (images - images.mean(dim=0)) / (images.std(dim=0) + 0.1)
minigrad.manual_seed(args.seed)
model = nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 10)).to(**DOUBLE)
first = nn.utils.parameters_to_vector(model.parameters()).detach()


def outputs(w):
    """The network as a function of one long vector of parameters."""
    named, used = {}, 0
    for name, parameter in model.named_parameters():
        named[name] = w[used : used + parameter.numel()].reshape(parameter.shape)
        used += parameter.numel()
    return func.functional_call(model, named, (images,))


def loss(w):
    return F.cross_entropy(outputs(w), labels) + 0.002 * (w**2).sum()


def sharpness(f, w, v, rounds):
    """Largest eigenvalue (in size) and its vector: multiply by H again and again, the longest direction wins."""
    for _ in range(rounds):
        v = v / v.norm()
        product = hvp(f, w, v)[1]
        value, v = (v @ product).item(), product
    return value, v / v.norm()


v = minigrad.randn(len(first), **DOUBLE)
hessian = func.hessian(loss)(first)
difference = (hvp(loss, first, v)[1] - hessian @ v).abs().max().item()
print(f"\nhvp against the whole {len(first)} x {len(first)} Hessian: largest difference {difference:.1e}")
assert difference < 1e-12

# %%
# Training with L-BFGS, which builds an idea of the curvature from the last gradients (``minigrad/optim/lbfgs.py``). It
# calls a *closure*, as it may need the loss several times in a step. For comparison, gradient descent with a well
# chosen rate, and Adam. All see all images in each step, and we count evaluations of loss and gradient.

EVALUATIONS = 600


def minimize(make_optimizer, steps):
    w, losses = first.clone().requires_grad_(), []
    optimizer = make_optimizer([w])

    def closure():
        optimizer.zero_grad()
        value = loss(w)
        value.backward()
        losses.append(value.item())
        return value

    for _ in range(steps):
        optimizer.step(closure)
    return w.detach(), np.array(losses)


patient = {"max_iter": EVALUATIONS, "history_size": 40, "tolerance_grad": 1e-10, "tolerance_change": 0}
runs = {
    "gradient descent": minimize(lambda w: optim.SGD(w, lr=1.0), EVALUATIONS),
    "Adam": minimize(lambda w: optim.Adam(w, lr=0.03), EVALUATIONS),
    "L-BFGS": minimize(lambda w: optim.LBFGS(w, **patient, line_search_fn="strong_wolfe"), 1),
}
lowest, least = runs["L-BFGS"][0], min(losses.min() for _, losses in runs.values())

# %%
# What you should see: gradient descent and Adam do most of the work quickly and then crawl; L-BFGS gets faster and
# faster and arrives at a lowest point, to ten digits. Three steps of Newton put it right to the last digit, which we
# shall need. (With mini-batches it is different: the noise ruins the estimated curvature, and Adam wins.)

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, (_, losses)), colour in zip(runs.items(), (RED, ORANGE, BLUE), strict=True):
    axis.semilogy(np.maximum(losses - least, 1e-12), color=colour, linewidth=2, label=name)
axis.set(xlabel="evaluations of loss and gradient", ylabel="loss above the least", ylim=(1e-11, 5))
axis.set_title("Who arrives?")
axis.legend(frameon=False)
figure.savefig(args.out / "22_lbfgs.png", dpi=120)
lowest = minigrad.tensor(newton(loss, lowest, 3)[-1], **DOUBLE)

# %%
# The spectrum
# ------------
# The eigenvalues of H are the curvatures in 442 independent directions. What you should see: at the random start about
# as many directions curve down as up; it is a saddle, where plain Newton would be lost. At the lowest point all are
# positive, and they differ by a factor of more than a hundred: one stiff direction, many nearly flat ones. A learning
# rate that is safe in the stiff direction is far too small in the flat ones. That is why gradient descent crawls.

spectra = {}
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, w), colour in zip((("start", first), ("lowest point", lowest)), (ORANGE, BLUE), strict=True):
    spectra[name] = np.linalg.eigvalsh(func.hessian(loss)(w).cpu().numpy())[::-1]
    axis.plot(spectra[name], color=colour, linewidth=2, label=name)
axis.axhline(0, color="0.7", linewidth=1, zorder=0)
axis.set(xlabel="direction, from stiff to flat", ylabel="curvature", title="All 442 eigenvalues of the Hessian")
axis.legend(frameon=False)
figure.savefig(args.out / "22_spectrum.png", dpi=120)
largest, stiff = sharpness(loss, lowest, v, 200)
down = {name: (values < 0).sum() for name, values in spectra.items()}
print(f"largest eigenvalue: {spectra['lowest point'][0]:.6f}, by 200 products with H: {largest:.6f}")
print(f"negative eigenvalues: {down['start']} of 442 at the start, {down['lowest point']} at the lowest point")

# %%
# The largest learning rate
# -------------------------
# In a direction with curvature λ, one step of gradient descent multiplies the distance to the lowest point by
# 1 - lr · λ. That is larger than 1 in size as soon as lr > 2 / λ. So the stiffest direction decides for all; its λ is
# called the *sharpness*. What you should see, when we start a tiny bit beside the lowest point: below 2 / λ the
# distance shrinks, above it grows by exactly the predicted factor at each step, until it is far from the bowl.

slope = func.grad(loss)
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
print("\nrate           factor per step   predicted")
factors = {}
for share, colour in zip((0.5, 1.9, 2.1), (BLUE, GREEN, RED), strict=True):
    w, along = lowest + 1e-6 * stiff, []
    for _ in range(60):
        along.append(abs(((w - lowest) @ stiff).item()))
        w = w - share / largest * slope(w)
    factors[share] = (along[10] / along[0]) ** (1 / 10)
    print(f"{share} / sharpness {factors[share]:13.4f} {abs(1 - share):11.4f}")
    axis.semilogy(along, color=colour, linewidth=2, label=f"rate {share} / sharpness")
axis.set(xlabel="step", ylabel="distance in the stiffest direction", title="Stable up to 2 / sharpness, and not beyond")
axis.set_ylim(1e-12, 1e-3)
axis.legend(frameon=False)
figure.savefig(args.out / "22_stability.png", dpi=120)

# %%
# The edge of stability
# ---------------------
# And now a riddle that was only noticed in 2021 (Cohen and others). Train the same network from the start with plain
# gradient descent, here with the mean squared error, and measure the sharpness on the way. What you should see: it
# *rises*, until it reaches 2 / lr, the very edge; there it stays, and the loss goes on falling, no longer at every step
# but in the long run. A larger rate leads to a flatter place.

targets = F.one_hot(labels, 10).double()


def squared(w):
    return 10 * ((outputs(w) - targets) ** 2).mean()


figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
edges = {}
for rate, colour in zip((0.5, 0.3), (BLUE, ORANGE), strict=True):
    w, v, seen = first, minigrad.randn(len(first), **DOUBLE), []
    for step in range(300 if args.quick else 3000):
        if step % 25 == 0:
            value, v = sharpness(squared, w, v, 6)
            seen.append(value)
        w = w - rate * func.grad(squared)(w)
    edges[rate] = np.array(seen)
    axis.plot(25 * np.arange(len(seen)), seen, color=colour, linewidth=2, label=f"sharpness with rate {rate}")
    axis.axhline(2 / rate, color=colour, linestyle=":", label=f"2 / {rate}")
axis.set(xlabel="step", ylabel="largest eigenvalue of the Hessian", title="Training climbs to the edge and stays there")
axis.set_ylim(bottom=0)
axis.legend(frameon=False, loc="lower right")
figure.savefig(args.out / "22_edge.png", dpi=120)
print("\nfigures: 22_derivatives.png, 22_newton.png, 22_lbfgs.png, 22_spectrum.png, 22_stability.png, 22_edge.png")

# %%
# Newton arrives in six steps, 2 / sharpness is the border, and training with the rate 0.5 ends within a few per cent of
# the sharpness 4:

assert distances[-1] < 1e-8, distances
assert abs(largest / spectra["lowest point"][0] - 1) < 1e-3
assert all(abs(factor - abs(1 - share)) < 0.002 for share, factor in factors.items()), factors
assert abs(edges[0.5][-5:].mean() - 4) < 0.4, edges[0.5]

# %%
# Exercises
# ---------
# 1. Compute the fourth, sixth and eighth derivative of the bell curve at 0. They should be 3, -15 and 105. Which order
#    takes your computer a minute, and why does the time grow so fast?
# 2. In 22_stability, start in a random direction instead of ``stiff``, with 1.9 / sharpness. Why does the *whole*
#    distance shrink so slowly, although the stiffest direction is stable?
# 3. Repeat the last experiment with ``optim.SGD(momentum=0.9)``. The edge is now at (2 + 2 · 0.9) / lr; can you say
#    why, from x ← x - v, v ← 0.9 v + lr · λ · x?

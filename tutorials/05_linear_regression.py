"""
A line through points
=====================

The smallest model that learns from data: y = weight · x + bias. The points are made with a line that we know, so that
we can see whether training finds it; and for a line there is a formula for the best answer, so that we can see how
close training comes. It is the same loop that trains every network.
"""

# portable: runs on PyTorch with the imports changed

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Linear regression with SGD and Adam.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer steps, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# %%
# The data
# --------
# A hundred points near the line y = 2x + 1. Think of houses: x is the size, in hundreds of square metres, and y is the
# price, in hundreds of thousands. Each is moved up or down by random noise, so no line passes through all.

minigrad.manual_seed(0)
TRUE_WEIGHT, TRUE_BIAS = 2.0, 1.0
x = 4 * minigrad.rand(100, 1).to(args.device)
y = TRUE_WEIGHT * x + TRUE_BIAS + 0.5 * minigrad.randn(100, 1).to(args.device)

# %%
# The best line, by formula
# -------------------------
# The line with the smallest mean squared error solves a linear system, the normal equations; NumPy solves them for us.
# (Books often put 1/(2m) in front of the m squares, where ``MSELoss`` has 1/m. All gradients are then half as large;
# the best line is the same.)


def best_line(x, y):
    """Return the line with the smallest mean squared error, as (weight, bias), and this error."""
    x, y = x.cpu().numpy()[:, 0], y.cpu().numpy()[:, 0]
    line, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)
    return line, np.mean((line[0] * x + line[1] - y) ** 2)


(best_weight, best_bias), best_loss = best_line(x, y)
print(f"formula: y = {best_weight:.4f} x + {best_bias:.4f}, mean squared error {best_loss:.4f}")

# %%
# The training loop
# -----------------
# Five lines do the work. ``model(x)`` predicts, ``criterion`` measures the error, ``zero_grad`` forgets the gradients
# of the step before, ``backward`` finds the new ones, ``step`` moves the parameters. The loader hands out the points in
# mini-batches of 20, in a new random order each time; once through all of them is an epoch.
#
# Two words that are often mixed up: a *step* is one change of the parameters, an *epoch* is one pass through the data.
# With 100 points in batches of 20 an epoch is 5 steps.

criterion = nn.MSELoss()


def train(make_optimizer, epochs=60, batch_size=20, x=x, y=y, criterion=criterion):
    """Train a new line; return the model, the loss over all points after each epoch, and the path of the parameters."""
    minigrad.manual_seed(1)  # the same start and the same batches for every optimizer
    model = nn.Linear(1, 1).to(args.device)
    optimizer = make_optimizer(model.parameters())
    loader = DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    path = [(model.weight.item(), model.bias.item())]
    losses = [criterion(model(x), y).item()]
    for _ in range(epochs):
        for some_x, some_y in loader:
            loss = criterion(model(some_x), some_y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            path.append((model.weight.item(), model.bias.item()))
        losses.append(criterion(model(x), y).item())
    return model, losses, np.array(path)


runs = {
    "SGD": train(lambda parameters: optim.SGD(parameters, lr=0.03)),
    "Adam": train(lambda parameters: optim.Adam(parameters, lr=0.1)),
}
for name, (model, losses, _) in runs.items():
    print(f"{name:>7}: y = {model.weight.item():.4f} x + {model.bias.item():.4f}, mean squared error {losses[-1]:.4f}")

# %%
# What happened
# -------------
# On the left, the points and the lines. In the middle, how much worse than the formula each run is after every epoch;
# it never gets to zero, because each mini-batch is a little different from the whole and pulls the line its own way.
# On the right, the road from the start to the solution on the map of the loss. The valley is long and narrow, since a
# steeper line with a lower bias fits nearly as well. SGD follows the slope down into it, then creeps along its floor.
# Adam gives both parameters steps of about the same size, whatever their slopes, so it sets out diagonally; it carries
# its speed past the floor of the valley and comes back.

SGD_COLOUR, ADAM_COLOUR = "#0072B2", "#D55E00"
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def draw_map(axis, x, y):
    """Draw the mean squared error of every line: that of the best one plus a quadratic around it."""
    (best_weight, best_bias), best_loss = best_line(x, y)
    weights, biases = np.meshgrid(np.linspace(-0.6, 3.0, 120), np.linspace(-0.8, 2.8, 120))
    dw, db = weights - best_weight, biases - best_bias
    height = best_loss + (x**2).mean().item() * dw**2 + 2 * x.mean().item() * dw * db + db**2
    axis.contourf(weights, biases, np.log10(height), levels=12, cmap="Greys", alpha=0.6)


figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
ends = np.array([0.0, 4.0])
left.scatter(x.cpu(), y.cpu(), s=14, color="0.6", label="data")
left.plot(ends, TRUE_WEIGHT * ends + TRUE_BIAS, color="0.2", linestyle=":", label="the line behind the data")
draw_map(right, x, y)
for (name, (model, losses, path)), colour in zip(runs.items(), (SGD_COLOUR, ADAM_COLOUR), strict=True):
    style = (0, (4, 4)) if name == "Adam" else "-"  # the two lines lie on top of each other
    left.plot(ends, model.weight.item() * ends + model.bias.item(), color=colour, linestyle=style, label=name)
    middle.semilogy(np.array(losses) - best_loss, color=colour, label=name)
    right.plot(*path.T, color=colour, linewidth=1.5, label=name)
right.plot(*path[0], marker="o", color="0.1", linestyle="none", label="start")
right.plot(best_weight, best_bias, marker="*", markersize=13, color="0.1", linestyle="none", label="formula")
left.set(xlabel="x", ylabel="y", title="Points and lines")
middle.set(xlabel="epoch", ylabel="mean squared error above the best", title="Distance to the formula")
right.set(xlabel="weight", ylabel="bias", title="Roads to the solution (darker: larger loss)")
for axis in (left, middle, right):
    axis.legend(frameon=axis is right, loc="upper right" if axis is middle else "upper left")
figure.savefig(args.out / "05_linear_regression.png", dpi=120)
print(f"\nfigure: {args.out / '05_linear_regression.png'}")

# %%
# Squares or distances
# --------------------
# Squared, an error twice as large counts four times. ``nn.L1Loss`` takes the *absolute error*: 4 instead of 5 costs 1,
# and a point that is off by 100 pulls no harder than one that is off by 1. So spoil one price, that of the largest
# house. You should see this *outlier* drag the line of the squares away, and the other loss hardly notice it.

spoiled = y.clone()
spoiled[x.argmax()] += 100
steepness = {}
for loss in (nn.MSELoss(), nn.L1Loss()):
    model, _, _ = train(lambda p: optim.Adam(p, lr=0.1), batch_size=100, epochs=300, y=spoiled, criterion=loss)
    steepness[type(loss).__name__] = model.weight.item()
    print(f"one wrong price, {type(loss).__name__:>7}: y = {model.weight.item():.2f} x + {model.bias.item():.2f}")

# %%
# Three ways to use the data
# --------------------------
# The loss is a mean over all points, so its gradient is the mean of the gradients of the single points. How many of
# them should be averaged before a step is taken?
#
# ==========================  ================  ===========================================================
# name                        points per step   what it is like
# ==========================  ================  ===========================================================
# batch gradient descent      all               the exact slope, and one step per pass through the data
# stochastic, SGD             1                 a guess of the slope, and as many steps as there are points
# mini-batch                  some, often 64    a fair guess, and many steps
# ==========================  ================  ===========================================================
#
# "SGD" is today said of all three, and ``optim.SGD`` does not know which one it is doing: the batch size is chosen in
# the loader. Here each way gets the same work, five passes through 1024 new points near the same line, at the same
# learning rate. Before you look: who will come closest, and who will not come to rest?

many_x = 4 * minigrad.rand(1024, 1).to(args.device)
many_y = TRUE_WEIGHT * many_x + TRUE_BIAS + 0.5 * minigrad.randn(1024, 1).to(args.device)
many_best, many_best_loss = best_line(many_x, many_y)

passes = 2 if args.quick else 5
ways = {}
print("\npoints per step    rate    steps   loss above the best   wandering in the last epoch")
for batch_size, rate in ((1024, 0.03), (64, 0.03), (1, 0.03), (1, 0.003)):
    _, losses, path = train(lambda p, rate=rate: optim.SGD(p, lr=rate), passes, batch_size, many_x, many_y)
    steps = len(path) - 1
    wandering = path[-(steps // passes) :].std(axis=0).max()
    ways[batch_size, rate] = path, losses[-1] - many_best_loss, wandering
    print(f"{batch_size:15d} {rate:7g} {steps:8d} {losses[-1] - many_best_loss:21.4f} {wandering:29.3f}")

# %%
# Batch gradient descent took five good steps, and five are not enough. Single points took over five thousand steps,
# each of them wrong: a point says how *it* would like the line, so the parameters never come to rest. They wander in a
# cloud around the best line, and the cloud shrinks with the learning rate, as the last panel shows; that is one reason
# why rates are lowered towards the end of a training. Mini-batches are the compromise that everybody uses: nearly as
# many points seen per second as all at once, because computers like large arrays, and many steps.

figure, axes = plt.subplots(1, 4, figsize=(14, 4), layout="constrained", sharex=True, sharey=True)
for axis, ((batch_size, rate), (path, _, _)) in zip(axes, ways.items(), strict=True):
    draw_map(axis, many_x, many_y)
    axis.plot(*path.T, color=SGD_COLOUR, linewidth=0.8, marker="o" if len(path) < 10 else None, markersize=4)
    axis.plot(*path[0], marker="o", color="0.1", linestyle="none")
    axis.plot(*many_best, marker="*", markersize=13, color=ADAM_COLOUR, markeredgecolor="white", linestyle="none")
    name = {1024: "all points", 64: "64 points", 1: "1 point"}[batch_size]
    axis.set(xlabel="weight", title=f"{name}, rate {rate}\n{len(path) - 1} steps")
axes[0].set_ylabel("bias")
figure.savefig(args.out / "05_batches.png", dpi=120)

# %%
# How wrong is a guess? The mean of B independent points scatters by 1/√B as much as one point does. So a batch that is
# four times as large costs four times as much and is only twice as exact. You should see a straight line that falls by
# a half for every factor of four.

line = nn.Linear(1, 1).to(args.device)  # anywhere will do
sizes = np.array([1, 4, 16, 64, 256, 1024])
scatter = []
for size in sizes:
    slopes = []
    for _ in range(100 if args.quick else 300):
        some = minigrad.randint(0, 1024, (int(size),)).to(args.device)
        line.zero_grad()
        criterion(line(many_x[some]), many_y[some]).backward()
        slopes.append(line.weight.grad.item())
    scatter.append(np.std(slopes))
falls = np.polyfit(np.log(sizes), np.log(scatter), 1)[0]

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.loglog(sizes, scatter, "o", color=SGD_COLOUR, label="measured, many batches each")
axis.loglog(sizes, scatter[0] / np.sqrt(sizes), color="0.4", linestyle=":", label="1/√B")
axis.set(xlabel="points per batch B", ylabel="scatter of the slope (standard deviation)")
axis.set_title("Four times the batch, half the noise")
axis.legend(frameon=False)
figure.savefig(args.out / "05_noise.png", dpi=120)
print(f"\nthe noise falls like B to the power {falls:.2f}; figures: 05_batches.png, 05_noise.png in {args.out}")

# %%
# A last trap. Most programs print the mean of the losses of the batches. If the last batch is short, 4 points after
# five times 20, its points count five times as much as the others. Weigh each loss by the size of its batch, or measure
# once over all points, as ``train`` does here.
#
# Both runs must come within 0.05 of the formula's line, and within one percent of its error:

for model, losses, _ in runs.values():
    assert abs(model.weight.item() - best_weight) < 0.05
    assert abs(model.bias.item() - best_bias) < 0.05
    assert losses[-1] < 1.01 * best_loss

# %%
# The outlier must move the line of the squares only; mini-batches must have come close, the batch not; single points
# must wander at least three times as far, less with a smaller rate; and the noise must fall like B to the power -1/2:

assert abs(steepness["L1Loss"] - TRUE_WEIGHT) < 0.2 < 1 < steepness["MSELoss"] - TRUE_WEIGHT, steepness
(_, all_gap, _), (_, mini_gap, mini_wander), (_, _, single_wander), (_, _, slow_wander) = ways.values()
assert 5 * mini_gap < all_gap > 0.2
assert single_wander > 3 * mini_wander
assert single_wander > 1.5 * slow_wander
assert abs(falls + 0.5) < 0.05

# %%
# Exercises
# ---------
# 1. Set ``batch_size=100`` for SGD and Adam, so that every step sees all points. How do the curves in the middle of the
#    first figure change? Then go to the 1024 points: which batch size and rate come closer in five passes than 64 and
#    0.03?
# 2. Find the largest learning rate with which SGD still converges. It is the story of lesson 01 again: the
#    steepest direction of the valley sets the limit.
# 3. Subtract the mean from x before training. Look at the map: why is the road straight now?

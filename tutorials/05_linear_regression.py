"""
A line through points
=====================

The smallest model that learns from data: y = weight · x + bias. The points are made with a line that we know, so that
we can see whether training finds it; and for a line there is a formula for the best answer, so that we can see how
close training comes. It is the same loop that trains every network.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Linear regression with SGD and Adam.")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# %%
# The data
# --------
# A hundred points near the line y = 2x + 1. Each is moved up or down by random noise, so no line passes through all.

minigrad.manual_seed(0)
TRUE_WEIGHT, TRUE_BIAS = 2.0, 1.0
x = 4 * minigrad.rand(100, 1)
y = TRUE_WEIGHT * x + TRUE_BIAS + 0.5 * minigrad.randn(100, 1)

# %%
# The best line, by formula
# -------------------------
# The line with the smallest mean squared error solves a linear system, the normal equations; NumPy solves them for us.

columns = np.column_stack([x.numpy(), np.ones(100)])
(best_weight, best_bias), *_ = np.linalg.lstsq(columns, y.numpy()[:, 0], rcond=None)
best_loss = np.mean((columns @ [best_weight, best_bias] - y.numpy()[:, 0]) ** 2)
print(f"formula: y = {best_weight:.4f} x + {best_bias:.4f}, mean squared error {best_loss:.4f}")

# %%
# The training loop
# -----------------
# Five lines do the work. ``model(x)`` predicts, ``criterion`` measures the error, ``zero_grad`` forgets the gradients
# of the step before, ``backward`` finds the new ones, ``step`` moves the parameters. The loader hands out the points in
# mini-batches of 20, in a new random order each time; once through all of them is an epoch.

criterion = nn.MSELoss()


def train(make_optimizer, epochs=60, batch_size=20):
    """Train a new line; return the model, the loss over all points after each epoch, and the path of the parameters."""
    minigrad.manual_seed(1)  # the same start and the same batches for every optimizer
    model = nn.Linear(1, 1)
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
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
ends = np.array([0.0, 4.0])
left.scatter(x.numpy(), y.numpy(), s=14, color="0.6", label="data")
left.plot(ends, TRUE_WEIGHT * ends + TRUE_BIAS, color="0.2", linestyle=":", label="the line behind the data")
weights, biases = np.meshgrid(np.linspace(-0.6, 3.0, 120), np.linspace(-0.8, 2.8, 120))
# mean squared error at every point of the map: best loss plus a quadratic around the best line
moments = columns.T @ columns / 100
dw, db = weights - best_weight, biases - best_bias
height = best_loss + moments[0, 0] * dw**2 + 2 * moments[0, 1] * dw * db + moments[1, 1] * db**2
right.contourf(weights, biases, np.log10(height), levels=12, cmap="Greys", alpha=0.6)
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
# Both runs must come within 0.05 of the formula's line, and within one percent of its error:

for model, losses, _ in runs.values():
    assert abs(model.weight.item() - best_weight) < 0.05
    assert abs(model.bias.item() - best_bias) < 0.05
    assert losses[-1] < 1.01 * best_loss

# %%
# Exercises
# ---------
# 1. Set ``batch_size=100``, so that every step sees all points. How do the curves in the middle change?
# 2. Find the largest learning rate with which SGD still converges. It is the story of the first tutorial again: the
#    steepest direction of the valley sets the limit.
# 3. Subtract the mean from x before training. Look at the map: why is the road straight now?

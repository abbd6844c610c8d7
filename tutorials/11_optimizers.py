"""
The race of the optimizers
==========================

SGD, momentum, AdaGrad, RMSProp, Adam: each is a few lines, and each was invented because the one before got stuck
somewhere. Here they race over three landscapes that can be drawn, and then on handwritten digits. A fair race lets each
of them choose its own learning rate, so that is what happens here.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import collections
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Optimizers race on surfaces and on digits.")
parser.add_argument("--seed", type=int, default=0, help="for first weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="shorter races, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)

# %%
# The rules
# ---------
# g is the gradient, p the parameter, η the learning rate; all operations go element by element. *SGD* walks downhill.
# *Momentum* lets a velocity collect the gradients. Both are in ``minigrad/optim/sgd.py``:
#
# .. math::
#
#    \textbf{SGD} \quad p \leftarrow p - \eta\, g
#    \qquad\qquad
#    \textbf{momentum} \quad v \leftarrow \beta v + g, \quad p \leftarrow p - \eta\, v
#
# The others give each parameter a rate of its own. *AdaGrad* (Duchi and others, 2011) divides by the root of the sum of
# all *squared* gradients so far: much where it has been steep, little where it has been flat. The sum only grows, so
# the steps get shorter and shorter, and in a long training they die. A *window* mends that: sum the last k squares
# only. *RMSProp* (Tieleman and Hinton, 2012) does the same with one number of memory in place of k, a moving average.
# All but the window are in ``minigrad/optim/adagrad.py``:
#
# .. math::
#
#    \textbf{AdaGrad} \quad & s \leftarrow s + g^2 \\
#    \textbf{windowed} \quad & s \leftarrow g_t^2 + g_{t-1}^2 + \dots + g_{t-k+1}^2 \\
#    \textbf{RMSProp} \quad & s \leftarrow \alpha s + (1 - \alpha)\, g^2 \\
#    \textbf{all three} \quad & p \leftarrow p - \eta\, \frac{g}{\sqrt s + \epsilon}
#
# *RMSProp with momentum* collects the quotients :math:`g / (\sqrt s + \epsilon)` in a velocity v and walks along that.
# *Adam* (Kingma and Ba, 2015) does it the other way round, the average first and then the quotient, and corrects the
# bias of both averages, which matters: without it the first steps would be wrong by factors of 10 and of √1000. It is
# ``minigrad/optim/adam.py``:
#
# .. math::
#
#    \textbf{Adam} \quad & m \leftarrow \beta_1 m + (1 - \beta_1)\, g, \quad
#       s \leftarrow \beta_2 s + (1 - \beta_2)\, g^2 \\
#    & p \leftarrow p - \eta\, \frac{\hat m}{\sqrt{\hat s} + \epsilon}, \quad
#       \hat m = \frac{m}{1 - \beta_1^t}, \quad \hat s = \frac{s}{1 - \beta_2^t}
#
# The windowed form is not in the library, so we write it. An optimizer is no more than this: it holds the parameters,
# keeps a state for each, and moves them without being watched.


class WindowedAdagrad:
    def __init__(self, parameters, lr, window=20, eps=1e-10):
        self.parameters, self.lr, self.eps = list(parameters), lr, eps
        self.squares = [collections.deque(maxlen=window) for _ in self.parameters]  # a full one drops its oldest

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        with minigrad.no_grad():
            for p, squares in zip(self.parameters, self.squares, strict=True):
                squares.append(p.grad**2)
                p -= self.lr * p.grad / (minigrad.stack(list(squares)).sum(dim=0).sqrt() + self.eps)


OPTIMIZERS = {
    "SGD": lambda parameters, lr: optim.SGD(parameters, lr=lr),
    "momentum": lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9),
    "AdaGrad": lambda parameters, lr: optim.Adagrad(parameters, lr=lr),
    "windowed": lambda parameters, lr: WindowedAdagrad(parameters, lr=lr),
    "RMSProp": lambda parameters, lr: optim.RMSprop(parameters, lr=lr, alpha=0.9),
    "RMSProp, momentum": lambda parameters, lr: optim.RMSprop(parameters, lr=lr, alpha=0.9, momentum=0.9),
    "Adam": lambda parameters, lr: optim.Adam(parameters, lr=lr),
}

# %%
# Epsilon, inside or outside the root
# -----------------------------------
# ε keeps 0/0 away. PyTorch and minigrad add it to the root, √s + ε; some books write √(s + ε). The same 10⁻⁸ means
# something else there, for its root is 10⁻⁴. If all gradients are g, then √s = g, and the step should be η times 1:

print("gradient   step outside   step inside   (in units of the rate, epsilon 1e-8)")
for g in (1.0, 1e-3, 1e-4, 1e-5, 1e-7):
    print(f"{g:8.0e} {g / ((g * g) ** 0.5 + 1e-8):14.4f} {g / (g * g + 1e-8) ** 0.5:13.4f}")

# %%
# Three landscapes
# ----------------
# * a *bowl*, 50 times as steep across as along. It is *convex*: between two of its points the surface never rises above
#   the straight line that joins them. So it has one valley, and who walks downhill cannot end anywhere else;
# * a *saddle*: flat in the middle, where two slopes lead down to it and two lead further down. The start is a hair's
#   breadth beside a line that ends in the flat middle; the two floors lie left and right of it: not convex;
# * a *banana* after Rosenbrock: a steep curved valley whose floor is nearly flat, and not convex either.
#
# Each optimizer tries the same ladder of rates and keeps the one that is first within 0.001 of the height of the floor
# *and stays there* for 40 steps. To compare two optimizers with one rate for both is the classic mistake: a rate of 0.1
# is a length for Adam, about how far a parameter moves in a step, and a factor on the slope for SGD.

Surface = collections.namedtuple("Surface", "height start floor x_range y_range")
SURFACES = {
    "bowl": Surface(lambda x, y: 0.5 * (x**2 + 50 * y**2), (-4.0, 0.8), 0.0, (-5, 2), (-1.2, 1.2)),
    "saddle": Surface(lambda x, y: 10 * y**2 - x**2 + 0.5 * x**4, (0.001, 1.0), -0.5, (-1.6, 1.6), (-0.8, 1.2)),
    "banana": Surface(lambda x, y: (1 - x) ** 2 + 10 * (y - x**2) ** 2, (-1.5, 1.0), 0.0, (-2, 2), (-0.8, 3)),
}
RATES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
MOST, STAY = 60 if args.quick else 300, 40


def race(surface, make_optimizer, rate):
    """Return the path, and how many steps it took to be near the floor for good (None: not in time)."""
    p = minigrad.tensor(surface.start, device=args.device, requires_grad=True)
    optimizer = make_optimizer([p], rate)
    path, arrived = [p.tolist()], None
    for step in range(MOST):
        height = surface.height(p[0], p[1])
        if not abs(height.item()) < 1e6:  # flew away
            return np.array(path), None
        near = height.item() < surface.floor + 1e-3
        arrived = (step if arrived is None else arrived) if near else None
        if near and step == arrived + STAY:
            break
        optimizer.zero_grad()
        height.backward()
        optimizer.step()
        path.append(p.tolist())
    return np.array(path), arrived


best = {}
for place, surface in SURFACES.items():
    for name, make_optimizer in OPTIMIZERS.items():
        tries = [(*race(surface, make_optimizer, rate), rate) for rate in RATES]
        best[place, name] = min(tries, key=lambda try_: MOST + 1 if try_[1] is None else try_[1])

print("\nsteps to the floor (best rate)")
print(f"{'':17}" + "".join(f"{place:>16}" for place in SURFACES))
for name in OPTIMIZERS:
    cells = []
    for place in SURFACES:
        _, arrived, rate = best[place, name]
        cells.append(f"over {MOST}" if arrived is None else f"{arrived} ({rate:g})")
    print(f"{name:17}" + "".join(f"{cell:>16}" for cell in cells))

# %%
# AdaGrad wins where the floor is near: it starts with giant steps and shortens them by itself. On the banana the same
# shortening makes it late. RMSProp is soon near, and then cannot sit still: at the floor too it divides small gradients
# by their own size, and takes steps about as long as the rate. To stay within 0.001 of the floor of the bowl it needs a
# small rate and much time, or a schedule, which is lesson 12; or momentum, in which steps to and fro cancel.
#
# The roads
# ---------
# The fastest roads are wild. These are drawn with calmer rates, chosen by eye. What you should see: on the bowl SGD
# zigzags and momentum swings, while those with a rate for each parameter set out diagonally, because both parameters
# move at the same speed whatever their slopes. On the saddle SGD and momentum drop to the flat middle and wait there
# until the hair's breadth has grown; dividing by the size of the gradient makes even a tiny slope worth a full step,
# so the others turn off at once. On the banana every road first drops into the valley, and then has to find the bend.

CALM = {
    "bowl": (0.037, 0.004, 0.5, 0.05, 0.15),
    "saddle": (0.02, 0.006, 0.25, 0.03, 0.06),
    "banana": (0.015, 0.002, 0.3, 0.03, 0.08),
}
SHOWN = [name for name in OPTIMIZERS if name not in ("windowed", "RMSProp, momentum")]
roads = {
    (place, name): race(SURFACES[place], OPTIMIZERS[name], rate)[0]
    for place, rates in CALM.items()
    for name, rate in zip(SHOWN, rates, strict=True)
}
COLOURS = dict(zip(OPTIMIZERS, ("0.1", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#D55E00"), strict=True))
MARKS = dict(zip(OPTIMIZERS, "osD^vPX", strict=True))
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def draw_map(axis, place):
    surface = SURFACES[place]
    x, y = np.meshgrid(np.linspace(*surface.x_range, 150), np.linspace(*surface.y_range, 150))
    height = surface.height(x, y) - surface.floor
    axis.contour(x, y, height, levels=np.geomspace(0.02, height.max(), 12), colors="0.85", linewidths=1)
    axis.plot(*surface.start, "o", color="0.1", markersize=9, fillstyle="none")
    for floor in {"bowl": [(0, 0)], "saddle": [(-1, 0), (1, 0)], "banana": [(1, 1)]}[place]:
        axis.plot(*floor, "*", color="0.1", markersize=13)
    axis.set(xlabel="x", xlim=surface.x_range, ylim=surface.y_range, title=place)


figure, axes = plt.subplots(1, 3, figsize=(13, 4.6), layout="constrained")
for axis, place in zip(axes, SURFACES, strict=True):
    draw_map(axis, place)
    for name in SHOWN:
        path, style = roads[place, name][:101], dict(color=COLOURS[name], marker=MARKS[name], markersize=5)
        axis.plot(*path.T, **style, linewidth=1.6, markevery=0.1, label=name)
axes[0].set_ylabel("y")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SHOWN), frameon=False)
figure.suptitle("Roads from the circle towards a star, 100 steps")
figure.savefig(args.out / "11_roads.png", dpi=120)

# %%
# A road does not show how long somebody stood still, so here are the same roads as a film.

FRAMES = np.unique(np.geomspace(1, 20 if args.quick else 200, 6 if args.quick else 48).astype(int)) - 1
film, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
runners = []
for axis, place in zip(axes, SURFACES, strict=True):
    draw_map(axis, place)
    for name in SHOWN:
        (line,) = axis.plot([], [], color=COLOURS[name], linewidth=1)
        (dot,) = axis.plot([], [], MARKS[name], color=COLOURS[name], markersize=8, label=name)
        runners.append((line, dot, roads[place, name]))
film.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SHOWN), frameon=False)
caption = film.suptitle(" ")
film.canvas.draw()
film.set_layout_engine("none")  # worked out once, and not for every frame
writer = PillowWriter(fps=5)
with writer.saving(film, args.out / "11_race.gif", dpi=70):
    for frame in FRAMES:
        caption.set_text(f"after {frame} steps")
        for line, dot, path in runners:
            line.set_data(*path[: frame + 1].T)
            dot.set_data(*path[: frame + 1][-1:].T)
        writer.grab_frame()

# %%
# A small real network
# --------------------
# The same race on digits, 64 - 64 - 10 with ReLU, for a few epochs, and again for each rate of a ladder. On the left is
# the loss on images that were held out, on the right the training itself. What you should see: each optimizer has a
# valley of good rates. That of SGD lies thirty to a hundred times higher than those of RMSProp and Adam. At the bottom
# they differ by little, much less than a wrong rate costs.

train_set, val_set = (
    TensorDataset(digits.data.to(args.device), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("val"))
)
EPOCHS = 1 if args.quick else 6
LADDER = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0]


def train(make_optimizer, rate):
    """Return the training loss of every step and the validation loss at the end."""
    minigrad.manual_seed(args.seed)  # the same first weights and batches for all
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).to(args.device)
    optimizer = make_optimizer(model.parameters(), rate)
    losses = []
    for _ in range(EPOCHS):
        for images, labels in DataLoader(train_set, batch_size=64, shuffle=True, drop_last=True):
            loss = nn.functional.cross_entropy(model(images), labels)
            losses.append(loss.item())
            if not losses[-1] < 1e4:
                return losses, np.inf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    images, labels = val_set.tensors
    with minigrad.no_grad():
        return losses, nn.functional.cross_entropy(model(images), labels).item()


digits = {name: [train(make_optimizer, rate) for rate in LADDER] for name, make_optimizer in OPTIMIZERS.items()}
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
print("\ndigits               best rate   validation loss")
final = {}
for name, results in digits.items():
    ends = np.array([end for _, end in results])
    left.loglog(LADDER, np.where(ends < 30, ends, np.nan), color=COLOURS[name], marker=MARKS[name], label=name)
    k = int(np.argmin(ends))
    final[name] = ends[k]
    print(f"{name:17} {LADDER[k]:12g} {final[name]:17.3f}")
    smooth = np.convolve(results[k][0], np.ones(10) / 10, mode="valid")
    right.semilogy(np.arange(10, 10 + len(smooth)), smooth, color=COLOURS[name], label=f"{name} ({LADDER[k]:g})")
left.set(
    xlabel="learning rate", ylabel="validation loss (cross entropy)", title="Every optimizer has its own good rates"
)
right.set(xlabel="step", ylabel="training loss, mean of 10 steps", title="With its best rate each of them learns")
right.set_ylim(top=10)
right.legend(frameon=False, ncols=2, title="optimizer (rate)", loc="upper right")
left.legend(frameon=False, ncols=2)
left.set_ylim(0.05, 10)
figure.savefig(args.out / "11_digits.png", dpi=120)
print(f"\nfigures: 11_roads.png, 11_race.gif, 11_digits.png in {args.out}")

# %%
# The promises. A window that is never full is AdaGrad itself. On the bowl momentum needs less than half the steps of
# SGD, and on the saddle AdaGrad a quarter. On digits each optimizer with its best rate gets far below ln 10 = 2.30:

paths = []
for make_optimizer in (OPTIMIZERS["AdaGrad"], lambda parameters, lr: WindowedAdagrad(parameters, lr, window=MOST)):
    paths.append(race(SURFACES["banana"], make_optimizer, 0.5)[0])
assert np.allclose(*paths, atol=1e-3)
if not args.quick:
    arrived = {key: steps or MOST for key, (_, steps, _) in best.items()}
    assert 2 * arrived["bowl", "momentum"] < arrived["bowl", "SGD"], arrived
    assert 4 * arrived["saddle", "AdaGrad"] < arrived["saddle", "SGD"], arrived
    assert max(final.values()) < 0.3, final
assert max(final.values()) < 1.5, final

# %%
# Exercises
# ---------
# 1. Rotate the bowl by 45 degrees: replace x and y by (x + y)/√2 and (x - y)/√2. SGD takes as many steps as before. Who
#    does not, and why?
# 2. Leave the bias correction out of Adam: write it as a class like ``WindowedAdagrad``. Compare the first ten steps.
# 3. Let the saddle start exactly on that line, at (0, 1). Who gets away, and what would noise in the gradients do?

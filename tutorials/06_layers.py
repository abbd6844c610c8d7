"""
Neurons, layers, and why there is a bend
========================================

A network is built of very simple parts: weighted sums, and a bend after each. Here you see what one neuron does, why a
tower of weighted sums is no better than a single one, what the bend changes, and what width and depth are good for. On
the way you learn to count, name, save and freeze the parameters.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim

parser = argparse.ArgumentParser(description="What neurons, activations, width and depth do.")
parser.add_argument("--seed", type=int, default=0, help="for data and first weights (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer steps, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# A neuron
# --------
# A neuron multiplies each input by a *weight*, adds the products up, and adds one more number, the *bias*. A *layer* is
# several neurons that look at the same inputs; ``nn.Linear(2, 3)`` has 2 inputs and 3 neurons. Its weights are a table
# with a row for each neuron, so the shape is (3, 2): outputs first. Many write it the other way round by mistake.

minigrad.manual_seed(args.seed)
layer = nn.Linear(2, 3).to(args.device)
x = minigrad.tensor([4.0, -1.0], device=args.device)
print(f"weight {tuple(layer.weight.shape)}, bias {tuple(layer.bias.shape)}\n\nneuron   by hand    by the layer")
for k, output in enumerate(layer(x).tolist()):
    by_hand = sum(w * i for w, i in zip(layer.weight[k].tolist(), x.tolist())) + layer.bias[k].item()
    print(f"{k:6d} {by_hand:9.5f} {output:14.5f}")
    assert abs(by_hand - output) < 1e-6

# %%
# Two linear layers are one
# -------------------------
# Put one neuron behind another. The first computes y = 2x + 3, the second z = 5y - 1. Insert the first into the second:
#
# .. math:: z = 5\,(2x + 3) - 1 = 10x + 14
#
# A single neuron with weight 10 and bias 14 does the same: for x = 2, y is 7 and z is 34, and so is 10 · 2 + 14. For
# whole layers it is the same algebra with matrices: :math:`W_2 (W_1 x + b_1) + b_2 = (W_2 W_1)\, x + (W_2 b_1 + b_2)`.
# So here are four layers, folded into one. You should see that both compute the same, but for rounding.

tower = nn.Sequential(nn.Linear(8, 20), nn.Linear(20, 12), nn.Linear(12, 6), nn.Linear(6, 4)).to(args.device)
with minigrad.no_grad():
    weight, bias = minigrad.eye(8, device=args.device), minigrad.zeros(8, device=args.device)
    for layer in tower:
        weight, bias = layer.weight @ weight, layer.weight @ bias + layer.bias
    some = minigrad.randn(100, 8, device=args.device)
    difference = (tower(some) - (some @ weight.T + bias)).abs().max().item()
count = sum(parameter.numel() for parameter in tower.parameters())
print(f"\nfour layers with {count} parameters and one with {4 * 8 + 4}: largest difference {difference:.0e}")
assert difference < 1e-5

# %%
# A tower without a bend in between is the classic mistake of this lesson. Nothing complains; it is slow and stupid.
#
# The bend
# --------
# So after each layer but the last comes a function that is not a straight line, the *activation*. Any bend will do in
# principle. In practice its *slope* decides, because gradients are multiplied by it on their way back:

activations = {
    "Sigmoid": (nn.Sigmoid(), BLUE, "-"),
    "Tanh": (nn.Tanh(), GREEN, "--"),
    "ReLU": (nn.ReLU(), ORANGE, "-"),
    "LeakyReLU(0.1)": (nn.LeakyReLU(0.1), PINK, ":"),
}
figure, (values, slopes) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for name, (activation, colour, line) in activations.items():
    z = minigrad.linspace(-4, 4, 401, device=args.device, requires_grad=True)
    y = activation(z)
    y.sum().backward()  # each entry of z has its own slope
    places = z.detach().cpu()
    values.plot(places, y.detach().cpu(), color=colour, linestyle=line, linewidth=2, label=name)
    slopes.plot(places, z.grad.cpu(), color=colour, linestyle=line, linewidth=2)
values.set(xlabel="weighted sum z", ylabel="output", title="Four bends", ylim=(-1.2, 3))
slopes.set(xlabel="weighted sum z", ylabel="slope", title="Their slopes: what gradients are multiplied by")
values.legend(frameon=False)
figure.savefig(args.out / "06_activations.png", dpi=120)

# %%
# The sigmoid's slope is never more than 1/4 and dies out on both sides: ten of them leave at most a millionth of the
# gradient, unless large weights make up for it. This is the *vanishing gradient*. ReLU, max(0, z), lets it through
# whole or not at all. Many outputs are then exactly 0: they are *sparse*, and each point is described by a few neurons.
# But a neuron whose z is negative at every point of the data never learns again; LeakyReLU leaves a small slope there.
# (Its default is 0.01. Texts often print 0.1.) They are in minigrad/ops/activation.py, each with its slope beside it.
#
# What the bend changes
# ---------------------
# Two half moons that reach into each other, two kinds of points. The network returns one score for each point: above 0
# it says orange, below 0 purple. (The loss, cross entropy, is the subject of the next lesson.) Both networks have the
# same layers and the same number of parameters; only one has bends. Before you look: what can the other one draw?


def moons(count, noise=0.12):
    angle = minigrad.rand(count) * np.pi
    upper = minigrad.arange(count) % 2
    x = minigrad.where(upper == 1, angle.cos(), 1 - angle.cos())
    y = minigrad.where(upper == 1, angle.sin(), 0.5 - angle.sin())
    points = minigrad.stack([x, y], dim=1) + noise * minigrad.randn(count, 2)
    return points.to(args.device), upper.float().to(args.device)


def network(width, hidden_layers, bend=nn.ReLU):
    """2 inputs, some hidden layers with a bend after each, 1 score."""
    sizes = [2] + [width] * hidden_layers
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), bend()]
    return nn.Sequential(*layers, nn.Linear(width, 1)).to(args.device)


def train(model, points, labels, steps, rate=0.02):
    optimizer = optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(points)[:, 0], labels).backward()
        optimizer.step()
    return ((model(points)[:, 0] > 0) == (labels == 1)).float().mean().item()


def places_around(points, margin=0.4):
    """Return a grid of 100 by 100 places: their two coordinates for drawing, and both in a tensor for a model."""
    low, high = points.cpu().numpy().min(axis=0) - margin, points.cpu().numpy().max(axis=0) + margin
    across, up = np.meshgrid(np.linspace(low[0], high[0], 100), np.linspace(low[1], high[1], 100))
    return across, up, minigrad.tensor(np.stack([across, up], axis=-1), device=args.device).float()


def draw_scores(axis, model, points, labels, margin=0.4):
    """Colour the plane by the score, and draw the line where it is 0."""
    across, up, places = places_around(points, margin)
    with minigrad.no_grad():
        score = model(places)[..., 0].cpu().numpy()
    axis.contourf(across, up, np.clip(score, -6, 6), levels=np.linspace(-6, 6, 26), cmap="PuOr_r", alpha=0.6)
    if score.min() < 0 < score.max():
        axis.contour(across, up, score, levels=[0], colors="0.1")
    for kind, colour, marker in ((0, "#3B2A78", "o"), (1, ORANGE, "^")):
        axis.scatter(*points[labels == kind].T.cpu(), s=9, color=colour, marker=marker)
    axis.set(xticks=[], yticks=[], aspect="equal")


minigrad.manual_seed(args.seed)
points, labels = moons(400)
steps = 150 if args.quick else 600
accuracies = {}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for axis, (name, bend) in zip(axes, {"no bend": nn.Identity, "ReLU": nn.ReLU}.items()):
    minigrad.manual_seed(args.seed)
    model = network(16, 2, bend)
    accuracies[name] = train(model, points, labels, steps)
    draw_scores(axis, model, points, labels)
    axis.set(title=f"{name}: {accuracies[name]:.1%} right", xlabel="first input", ylabel="second input")
figure.savefig(args.out / "06_boundaries.png", dpi=120)
print(f"\nmoons: without bend {accuracies['no bend']:.1%} right, with ReLU {accuracies['ReLU']:.1%}")

# %%
# What single neurons do
# ----------------------
# Make the network so small that you can look at everything: 2 inputs, 8 neurons, 1 score. A ReLU neuron is 0 on one
# side of a straight line and rises like a ramp on the other. The score adds and subtracts eight ramps, and that is
# all: the border bends where a ramp begins. In the figure each ramp is multiplied by its weight in the score, so orange
# pulls a point towards orange. A neuron that is white on all points is *dead*. One that is coloured on all points never
# bends; it is a straight neuron, which alone can do no more than a network without bends.

luck, models = {}, {}
print("\nseed    right    neurons that bend among the points    nearly straight    nearly dead")
for seed in range(args.seed, args.seed + 5):
    minigrad.manual_seed(seed)
    models[seed] = network(8, 1)
    right = train(models[seed], points, labels, steps)
    share_on = (models[seed][:2](points) > 0).float().mean(dim=0)  # for each neuron, at how many of the points it is on
    straight, dead = (share_on > 0.95).sum().item(), (share_on < 0.05).sum().item()
    luck[seed] = right, 8 - straight - dead
    print(f"{seed:4d} {right:8.1%} {8 - straight - dead:37d} {straight:18d} {dead:14d}")
print(f"sparse: {1 - share_on.mean().item():.0%} of the last network's outputs at the points are 0")

# %%
# The same network, other first weights, and the result may be poor: where only two to four neurons have their bend
# among the points, the border cannot follow the moons. Larger networks have luck to spare. That is one reason for
# making them larger than seems necessary, and lesson 09 is about choosing first weights well.

small = models[args.seed]
across, up, places = places_around(points)
with minigrad.no_grad():
    ramps = small[:2](places).cpu().numpy()
figure, axes = plt.subplots(2, 5, figsize=(13, 4.6), layout="constrained")
for k, axis in enumerate(axes[:, :4].flat):
    weight = small[2].weight[0, k].item()
    axis.contourf(across, up, ramps[:, :, k] * weight, levels=np.linspace(-12, 12, 26), cmap="PuOr_r", extend="both")
    axis.plot(*points.T.cpu(), ".", color="0.5", markersize=1)
    axis.set(title=f"neuron {k}, weight {weight:+.1f}", xticks=[], yticks=[], aspect="equal")
draw_scores(axes[0, 4], small, points, labels)
axes[0, 4].set_title(f"their sum: {luck[args.seed][0]:.1%} right")
axes[1, 4].axis("off")
figure.savefig(args.out / "06_neurons.png", dpi=120)

# %%
# Width and depth
# ---------------
# *Width* is the number of neurons in a layer, *depth* the number of layers. Two spirals are harder than moons. More
# neurons in a layer are more folds; a second layer folds what is folded already, so folds multiply. You should see the
# narrow networks fail, and two layers of 16 succeed where a single layer of 16 lags behind. Depth is no magic: one
# layer of 64 manages too, with a ragged border. A panel of one colour is a network whose neurons all died.


def spirals(count, noise=0.03):
    kind = minigrad.arange(count) % 2
    turn = minigrad.rand(count).sqrt() * 3 * np.pi  # more points outside, where there is more room
    angle, radius = turn + np.pi * kind, turn / (3 * np.pi)
    x = minigrad.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    return (x + noise * minigrad.randn(count, 2)).to(args.device), kind.float().to(args.device)


minigrad.manual_seed(args.seed)
spiral_points, spiral_labels = spirals(400)
table = {}
figure, axes = plt.subplots(2, 4, figsize=(12, 6.4), layout="constrained")
for row, hidden_layers in enumerate((1, 2)):
    for column, width in enumerate((2, 4, 16, 64)):
        minigrad.manual_seed(args.seed)
        model = network(width, hidden_layers)
        right = table[hidden_layers, width] = train(model, spiral_points, spiral_labels, 2 * steps)
        draw_scores(axes[row, column], model, spiral_points, spiral_labels, margin=0.1)
        count = sum(parameter.numel() for parameter in model.parameters())
        axes[row, column].set_title(f"{hidden_layers} × {width}: {count:,} parameters\n{right:.0%} right", fontsize=11)
figure.savefig(args.out / "06_width_depth.png", dpi=120)

# %%
# Counting
# --------
# A layer from n inputs to m neurons has n · m weights and m biases: ``nn.Linear(10, 5)`` has 55 parameters. ``summary``
# counts a whole network. A multiply-add is one product and one sum, the unit in which work is measured; here there are
# as many as weights, for each point.

model = network(16, 2)
summary = minigrad.summary(model, points[:1])
print(f"\n{summary}")
by_hand = (2 * 16 + 16) + (16 * 16 + 16) + (16 * 1 + 1)
assert summary.total_parameters == by_hand == 337
assert sum(parameter.numel() for parameter in nn.Linear(10, 5).parameters()) == 55

# %%
# Modules
# -------
# ``nn.Sequential`` is a module made of modules, one after the other. Where a network is no chain, write a class: make
# the parts in ``__init__``, connect them in ``forward``. A module notices parts that are assigned to it; that is how
# ``parameters()`` finds them (read ``__setattr__`` in minigrad/nn/module.py). This one adds its input to its output.


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, x):
        return x + self.outer(self.inner(x).relu())


net = nn.Sequential(nn.Linear(2, 4), Block(4), nn.Linear(4, 1)).to(args.device)
print("\nname            shape     numbers")
for name, parameter in net.named_parameters():
    print(f"{name:15} {tuple(parameter.shape)!s:9} {parameter.numel():7d}")
print(f"\n{minigrad.draw(net, points[:5])}")

# %%
# The names are the keys of ``state_dict()``, a dictionary with every number that was learned. It is all that has to be
# stored: build the same network again, load the dictionary, and both compute the same.

twin = nn.Sequential(nn.Linear(2, 4), Block(4), nn.Linear(4, 1)).to(args.device)
assert not minigrad.equal(net(points), twin(points))
twin.load_state_dict(net.state_dict())
assert minigrad.equal(net(points), twin(points))

# %%
# Freezing
# --------
# A parameter with ``requires_grad = False`` gets no gradient and is left as it is. So a layer that was trained on much
# data can be kept, while a new last layer is trained on little. Here everything but the last layer is frozen.

for name, parameter in net.named_parameters():
    parameter.requires_grad = name.startswith("2.")
before = {name: value.clone() for name, value in net.state_dict().items()}
train(net, points, labels, steps=5)
print("\nafter five steps    moved by")
moved = {name: (value - before[name]).abs().max().item() for name, value in net.state_dict().items()}
for name, distance in moved.items():
    print(f"{name:15} {distance:12.4f}")

# %%
# One more trap for those who train by hand. ``weight = weight - lr * weight.grad`` makes a *new* tensor and calls it by
# the old name; the network still has the old one. Change the parameter itself, under ``no_grad``: ``weight -= ...``.

weight = net[2].weight
weight.sum().backward()
weight = weight - 0.1 * weight.grad  # the network does not notice
assert not minigrad.equal(weight, net[2].weight)
print(f"\nfigures: 06_activations.png, 06_boundaries.png, 06_neurons.png, 06_width_depth.png in {args.out}")

# %%
# Without bends the border is a straight line, which gets about nine out of ten points right; with them nearly all must
# be right, and two layers of 16 must beat one. Only the last layer may have moved:

assert 0.8 < accuracies["no bend"] < 0.92, accuracies
assert accuracies["ReLU"] > (0.95 if args.quick else 0.985), accuracies
assert max(right for right, _ in luck.values()) > (0.93 if args.quick else 0.985), luck
assert {name for name, distance in moved.items() if distance > 0} == {"2.weight", "2.bias"}
if not args.quick:
    assert table[2, 16] > max(0.95, table[1, 16]), table
    assert table[1, 2] < 0.8, table

# %%
# Exercises
# ---------
# 1. How many parameters has a network 784-128-64-10? Work it out, then let ``summary`` count.
# 2. What is the smallest width with which a single hidden layer gets 98 % of the moons right? Try several seeds. Is it
#    that no solution exists, or that training does not find it? Then try LeakyReLU and Tanh.
# 3. Replace ReLU by Sigmoid and use 8 hidden layers of 16. It does not learn. Print ``weight.grad.abs().mean()`` of
#    each layer after one ``backward()`` and find out why; lesson 09 goes on from there.

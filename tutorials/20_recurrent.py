"""
Networks with a memory
======================

A sentence, a melody, a temperature curve: data that comes one piece after the other, and long or short. A recurrent
network reads it step by step and carries along what it has seen, in a state. Here such a network is built by hand and
differentiated through time; we watch its gradient fade, and then see how gates keep it alive.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim

parser = argparse.ArgumentParser(description="Recurrent networks, backpropagation through time, and gates.")
parser.add_argument("--seed", type=int, default=0, help="for weights and sequences (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="shorter sequences and fewer steps, to see that all runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
F = nn.functional
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# One step
# --------
# The state h is a row of numbers. A step takes the next input x and the state before, and makes the state after:
#
# .. math:: h_t = \tanh(W x_t + U h_{t-1} + b)
#
# It is a linear layer and a tanh, and the same W, U and b serve at every step: parameter sharing, as in a convolution,
# but in time. ``nn.RNN`` does this for whole batches. By hand it is a loop of one line; what you should see is that
# both agree, except for rounding. The input has the shape (time, batch, features): time comes first.


def rnn_by_hand(layer, x):
    W, U = layer.weight_ih_l0, layer.weight_hh_l0
    b = layer.bias_ih_l0 + layer.bias_hh_l0  # PyTorch has two, which always act as one
    h, states = minigrad.zeros(x.shape[1], layer.hidden_size, dtype=x.dtype, device=x.device), []
    for x_t in x:
        h = minigrad.tanh(x_t @ W.T + h @ U.T + b)
        states.append(h)
    return minigrad.stack(states)


x = minigrad.randn(12, 5, 3, dtype=minigrad.float64).to(args.device)
rnn = nn.RNN(3, 8).double().to(args.device)
difference = (rnn(x)[0] - rnn_by_hand(rnn, x)).abs().max().item()
print(f"nn.RNN against the loop: largest difference {difference:.1e}")
assert difference < 1e-12

# %%
# Back through time
# -----------------
# Written out, the loop is a deep network with one layer for each step, in which all layers have the same weights. So
# there is nothing new in its derivative; it only has a name, *backpropagation through time*. Here is the smallest one:
# state, input and weights are single numbers, and the loss looks at the last state only.
#
# ``u`` is used in four steps, and every use brings its part of the gradient (the first one 0, as the state was 0).
# ``explain_grad`` lists them:

w, u = (minigrad.tensor(value, device=args.device, requires_grad=True) for value in (0.9, 0.8))
inputs = (1.0, -0.5, 0.3, 0.2)
states = [minigrad.tensor(0.0, device=args.device)]
for x_t in inputs:
    states.append(minigrad.tanh(w * x_t + u * states[-1]))
    states[-1].retain_grad()
loss = (states[-1] - 1) ** 2
names = {"loss": loss, "u": u, **{f"h{t}": h for t, h in enumerate(states)}}
print(f"\n{minigrad.explain_grad(loss, u, names=names)}")
loss.backward()

# %%
# The picture shows the same walk. Forward (grey) the states are computed from left to right. Backward (orange) the
# gradient goes from right to left, and with each step it is multiplied by the slope of one state towards the one
# before:
#
# .. math:: \frac{\partial h_t}{\partial h_{t-1}} = u\,(1 - h_t^2)
#
# What you should see: every factor is below 1, so the gradient shrinks at every step. The first input hardly counts.

figure, axis = plt.subplots(figsize=(10, 2.6), layout="constrained")
box = {"boxstyle": "round,pad=0.45", "edgecolor": "0.3"}
for t, h in enumerate(states):
    grad = "" if h.grad is None else f"\ngrad {h.grad.item():.3f}"
    fill = "#CFE8F7" if t else "white"
    axis.text(t, 0, f"$h_{t}$ = {h.item():.3f}{grad}", ha="center", va="center", bbox={**box, "facecolor": fill})
    if t:
        axis.text(t, -1, f"$x_{t}$ = {inputs[t - 1]:g}", ha="center", va="center", bbox={**box, "facecolor": "white"})
        axis.annotate("", (t, -0.4), (t, -0.8), arrowprops={"arrowstyle": "->", "color": "0.5"})
        axis.annotate("", (t - 0.33, 0.15), (t - 0.67, 0.15), arrowprops={"arrowstyle": "->", "color": "0.5"})
    if t > 1:
        axis.annotate("", (t - 0.67, -0.15), (t - 0.33, -0.15), arrowprops={"arrowstyle": "->", "color": RED, "lw": 2})
        factor = u.item() * (1 - h.item() ** 2)
        axis.text(t - 0.5, -0.25, f"× {factor:.2f}", ha="center", va="top", color=RED)
axis.text(5, 0, f"loss = {loss.item():.3f}", ha="center", va="center", bbox={**box, "facecolor": "white"})
axis.annotate("", (4.67, 0.15), (4.33, 0.15), arrowprops={"arrowstyle": "->", "color": "0.5"})
axis.annotate("", (4.33, -0.15), (4.67, -0.15), arrowprops={"arrowstyle": "->", "color": RED, "lw": 2})
axis.set(xlim=(-0.5, 5.5), ylim=(-1.3, 0.45), title="States forward (grey), the gradient back (orange)")
axis.axis("off")
figure.savefig(args.out / "20_through_time.png", dpi=120)

# %%
# Fading and bursting
# -------------------
# With a state of many numbers, u becomes the matrix U, and the gradient is multiplied by a matrix at every step. If U
# makes vectors shorter, the gradient fades exponentially with the distance in time (it *vanishes*): what happened long
# ago cannot be learned. If U makes them longer, it grows (it *explodes*), until the states are so large that tanh is
# flat.
#
# To see it, take the last state's reaction to each input: the gradient with respect to ``x``. The three RNNs have
# U = factor times a random rotation, and inputs so small that tanh hardly bends them. What you should see: straight
# lines on the logarithmic scale, that is, exponentials. At a distance of 40 steps the factor 0.8 has left a
# ten-thousandth, and 1.2 has made 1,500 times as much. The dashed lines are LSTMs, which come next.

STEPS = 41


def reach(layer):
    """Return how strongly the last state reacts to the input k steps before, for k = 0, 1, ..., in 50 sequences."""
    minigrad.manual_seed(1)
    x = (1e-4 * minigrad.randn(STEPS, 50, 4)).to(args.device).requires_grad_()
    last = layer.to(args.device)(x)[0][-1]
    last.backward(minigrad.randn(50, 32).to(args.device))  # the state's reaction in random directions
    return x.grad.norm(dim=(1, 2)).cpu().numpy()[::-1]


def rotating(factor):
    rnn = nn.RNN(4, 32, bias=False)
    with minigrad.no_grad():
        rnn.weight_hh_l0.copy_(factor * nn.init.orthogonal_(minigrad.empty(32, 32)))
    return rnn


def keeping(bias):
    lstm = nn.LSTM(4, 32)
    with minigrad.no_grad():
        lstm.bias_ih_l0[32:64] = bias  # of the forget gates, which keep sigmoid(bias + ...) at each step
    return lstm


figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
reaches = {f"RNN, factor {factor}": reach(rotating(factor)) for factor in (0.8, 1.0, 1.2)}
reaches |= {"LSTM that keeps 50 %": reach(keeping(0.0)), "LSTM that keeps 98 %": reach(keeping(4.0))}
for (name, sizes), colour in zip(reaches.items(), (RED, ORANGE, BLUE, "#CC79A7", GREEN), strict=True):
    dashes = "--" if "LSTM" in name else "-"
    axis.semilogy(sizes / sizes[0], color=colour, linestyle=dashes, linewidth=2)
    axis.annotate(name, (STEPS - 1, sizes[-1] / sizes[0]), (6, 0), textcoords="offset points", va="center")
axis.set(xlabel="distance between input and last state (steps)", ylabel="gradient, relative to the last input's")
axis.set(xlim=(0, STEPS + 14), xticks=range(0, STEPS + 1, 10), title="How far back does the gradient reach?")
figure.savefig(args.out / "20_vanishing.png", dpi=120)
per_step = (reaches["RNN, factor 0.8"][40] / reaches["RNN, factor 0.8"][0]) ** (1 / 40)
print(f"\nRNN with factor 0.8: the gradient changes by a factor of {per_step:.3f} per step")
assert 0.79 < per_step < 0.81

# %%
# Gates
# -----
# The *LSTM* (long short-term memory; Hochreiter and Schmidhuber, 1997) has a second state, the cell c, which is not
# multiplied by a matrix but *added to*. Three *gates*, numbers between 0 and 1 for each entry, computed from the input
# and the state, decide what happens: i what comes in, f what is kept (f for forget; 1 means keep), o what is shown.
#
# .. math::
#
#    c_t &= f \odot c_{t-1} + i \odot g \\
#    h_t &= o \odot \tanh(c_t)
#
# The way back from :math:`c_t` to :math:`c_{t-1}` is a multiplication by f. Look at the dashed lines above: with f =
# 0.5, as a new LSTM has it, the gradient fades too; with f = 0.98 it is alive at all distances. A network that finds
# out that it pays to remember can open its gates that far. The *GRU* (gated recurrent unit; Cho and others, 2014) does
# it with two gates and without a second state. You find all of them as formulas in the first 80 lines of
# ``minigrad/ops/recurrent.py``. By hand, and beside ``nn.LSTM``:


def lstm_by_hand(layer, x):
    h = c = minigrad.zeros(x.shape[1], layer.hidden_size, dtype=x.dtype, device=x.device)
    states = []
    for x_t in x:
        z = F.linear(x_t, layer.weight_ih_l0, layer.bias_ih_l0) + F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0)
        i, f, g, o = z.chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return minigrad.stack(states)


lstm = nn.LSTM(3, 8).double().to(args.device)
ours, theirs = lstm_by_hand(lstm, x), lstm(x)[0]
gradients = [minigrad.autograd.grad(h.square().sum(), lstm.weight_hh_l0)[0] for h in (ours, theirs)]
for name, (one, other) in {"outputs": (ours, theirs), "gradients": gradients}.items():
    difference = (one - other).abs().max().item()
    print(f"nn.LSTM against the loop, {name}: largest difference {difference:.1e}")
    assert difference < 1e-12

# %%
# A task that needs memory
# ------------------------
# The *adding problem*: a sequence of random numbers between 0 and 1, two of them marked, one in each half. At the end,
# say the sum of the marked ones. Who always says 1 (the mean) has a mean squared error of 1/6; whoever does better has
# remembered something over dozens of steps. Every batch is freshly drawn, so nothing can be learned by heart.

LENGTH, BATCHES = (12, 150) if args.quick else (40, 1000)


def draw_batch(length, size=64):
    """Return sequences (length, size, 2) of numbers and marks, and the sums (size,)."""
    first = minigrad.randint(0, length // 2, (size,))
    second = minigrad.randint(length // 2, length, (size,))
    marks = (F.one_hot(first, length) + F.one_hot(second, length)).T.float()
    numbers = minigrad.rand(length, size)
    x = minigrad.stack([numbers, marks], dim=2)
    return x.to(args.device), (numbers * marks).sum(dim=0).to(args.device)


def train(layer, max_norm=1.0):
    """Train a recurrent layer and a linear one on top; return the losses and the lengths of the gradients."""
    layer, last = layer.to(args.device), nn.Linear(layer.hidden_size, 1).to(args.device)
    parameters = [*layer.parameters(), *last.parameters()]
    optimizer = optim.Adam(parameters, lr=0.01)
    losses, lengths = [], []
    for _ in range(BATCHES):
        x, sums = draw_batch(LENGTH)
        states, _ = layer(x)
        loss = F.mse_loss(last(states[-1])[:, 0], sums)
        optimizer.zero_grad()
        loss.backward()
        lengths.append(nn.utils.clip_grad_norm_(parameters, max_norm).item())
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses), np.array(lengths)


def smooth(values):
    """Mean over windows of 25 batches."""
    return values[: len(values) // 25 * 25].reshape(-1, 25).mean(axis=1)


runs = {}
for kind in (nn.RNN, nn.LSTM, nn.GRU):
    minigrad.manual_seed(args.seed)
    runs[kind.__name__], _ = train(kind(2, 32))

# %%
# What you should see: the RNN stays at 1/6 to the end (with 40 steps; with 20 it learns). The two with gates stay there
# too at first. Then they discover that keeping something helps, and the loss falls a hundredfold within a few hundred
# batches.

figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
at = 25 * (np.arange(BATCHES // 25) + 0.5)
for (name, losses), colour in zip(runs.items(), (RED, BLUE, GREEN), strict=True):
    axis.semilogy(at, smooth(losses), color=colour, linewidth=2, label=name)
axis.axhline(1 / 6, color="0.4", linestyle=":", label="always says 1")
axis.set(xlabel="batches of 64 sequences", ylabel="mean squared error", title=f"Adding two of {LENGTH} numbers")
axis.legend(frameon=False)
figure.savefig(args.out / "20_adding.png", dpi=120)
print(f"\nmean squared error over the last 100 batches (1/6 = {1 / 6:.4f} without memory)")
for name, losses in runs.items():
    print(f"{name:5} {losses[-100:].mean():.4f}")

# %%
# Clipping
# --------
# The other end: an RNN that cannot forget at all. With ReLU for tanh and the identity for U, the state is a plain sum
# at the start (Le, Jaitly and Hinton, 2015), and gradients reach everywhere. But a small step can make U a little
# larger than the identity, and then everything grows exponentially: the loss is a landscape with cliffs. One batch at
# such a cliff throws the weights far away, and all is lost. *Clipping* shortens the gradient when it is longer than
# ``max_norm`` and keeps its direction; ``minigrad/nn/utils/clip_grad.py`` shows how. Both runs have the same network,
# start and batches. What you should see: in both, gradients with a length of thousands. Without clipping nothing is
# learned; with clipping it is, though less quietly than with gates.


def identity_rnn():
    rnn = nn.RNN(2, 32, nonlinearity="relu")
    with minigrad.no_grad():
        nn.init.eye_(rnn.weight_hh_l0)
        nn.init.normal_(rnn.weight_ih_l0, std=0.1)
        rnn.bias_ih_l0.zero_()
        rnn.bias_hh_l0.zero_()
    return rnn


clipped = {}
for name, max_norm in (("no clipping", float("inf")), ("clipped to 0.1", 0.1)):
    minigrad.manual_seed(args.seed)
    clipped[name] = train(identity_rnn(), max_norm)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for (name, (losses, lengths)), colour in zip(clipped.items(), (RED, BLUE), strict=True):
    left.semilogy(at, smooth(losses), color=colour, linewidth=2, label=name)
    right.semilogy(lengths, color=colour, linewidth=0.8, label=name)
    print(f"{name:15} longest gradient {lengths.max():8.1f}, error at the end {losses[-100:].mean():.4f}")
left.axhline(1 / 6, color="0.4", linestyle=":")
left.set(xlabel="batches", ylabel="mean squared error", title="Loss (dotted: always says 1)")
right.axhline(0.1, color="0.4", linestyle=":")
right.set(xlabel="batches", ylabel="length before clipping", title="Gradient (dotted: what clipping leaves)")
left.legend(frameon=False)
figure.savefig(args.out / "20_clipping.png", dpi=120)

# %%
# The classic mistake
# -------------------
# Time comes first, unless the layer is made with ``batch_first=True``. Give it (batch, time, features) by mistake, and
# nothing complains: the shapes are all fine, and the layer reads the first entry of every sequence as one sequence. The
# gradient tells. The output for sequence 0 must not depend on the other sequences:

x = minigrad.randn(6, 10, 3, device=args.device, requires_grad=True)  # 6 sequences of 10 entries
for name, layer in (("batch_first=True", nn.GRU(3, 8, batch_first=True)), ("forgotten", nn.GRU(3, 8))):
    (grad,) = minigrad.autograd.grad(layer.to(args.device)(x)[0][-1, -1].sum(), x)
    depends = (grad.abs().sum(dim=(1, 2)) > 0).tolist()
    print(f"{name:17} the last sequence's last output depends on {sum(depends)} of 6 sequences")
    assert sum(depends) == (1 if name == "batch_first=True" else 6)
print(f"\nfigures: 20_through_time.png, 20_vanishing.png, 20_adding.png, 20_clipping.png in {args.out}")

# %%
# With gates the error falls far below 1/6, without them it does not; and clipping is what saves the identity:

final = {name: losses[-100:].mean() for name, losses in runs.items()}
if not args.quick and args.seed == 0:
    assert final["RNN"] > 0.12, final
    assert final["LSTM"] < 0.01, final
    assert final["GRU"] < 0.01, final
    assert clipped["clipped to 0.1"][0][-100:].mean() < 0.08 < 0.12 < clipped["no clipping"][0][-100:].mean()
assert min(final.values()) < 0.17, final

# %%
# Exercises
# ---------
# 1. Set the forget gates' bias of ``nn.LSTM`` to 1 or 2 before training, as in ``keeping``. How much earlier does
#    the loss fall, and does it still work with ``LENGTH = 100``?
# 2. Give each network a state of 8 or of 128 numbers. Is it memory in the sense of *size* that the RNN lacks?
# 3. Let a GRU learn to predict the next value of a sine wave, sin(0.3 t), from the values so far. Then feed it its own
#    predictions, 100 steps long. Does it stay in tune? (Train on several phases at once.)

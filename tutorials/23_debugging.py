"""
What can go wrong
=================

Everybody makes the same mistakes. Here each is made on purpose, seen, and mended. The first dozen is refused, with a
sentence that says what to do. The others run without a word and just learn badly; for those you need to know where to
look, and a few tools that show it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
import textwrap
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.autograd import AnomalyError, Function, GradcheckError, detect_anomaly, gradcheck
from minigrad.datasets import Digits

parser = argparse.ArgumentParser(description="The classic mistakes, made, seen and mended.")
parser.add_argument("--seed", type=int, default=0, help="for weights and batches (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer steps, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
F = nn.functional
BLUE, RED = "#0072B2", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})


def say(text):
    print(textwrap.indent(textwrap.fill(str(text), 112) if "\n" not in str(text) else str(text), "    "))


# %%
# Mistakes that are refused
# -------------------------
# Pairs of programs: the wrong one and the mended one, as short as possible. ``attempt`` runs the wrong one, prints what
# minigrad says, and looks whether the hint is in it; then the mended one has to run. Read the program, guess the
# sentence, then look.

train_set, val_set = Digits("train"), Digits("val")
train_images, train_labels, val_images, val_labels = (
    tensor.to(args.device) for tensor in (*train_set.tensors, *val_set.tensors)
)
images, labels = train_images[:100], train_labels[:100]
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).to(args.device)
hint_given = {}


def attempt(name, hint, wrong, mended):
    try:
        wrong()
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        print(f"\n{name}: {type(error).__name__}")
        say(error)
        hint_given[name] = hint in str(error)
    mended()


# %%
# **Backward twice.** A walk back through the graph frees what it has used. Whoever needs two walks says so; whoever has
# two losses adds them up first.


def walk_twice():
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    loss.backward()


def walk_once():
    scores = model(images)
    (F.cross_entropy(scores, labels) + 0.01 * scores.square().mean()).backward()


attempt("backward twice", "retain_graph=True", walk_twice, walk_once)

# %%
# **A value changed in place.** The derivative of the sigmoid is computed from its result. If that is overwritten, the
# gradient would be wrong; a counter of writes finds out.


def overwrite():
    h = model[0](images).sigmoid()
    h *= 2
    h.sum().backward()


def make_new():
    h = model[0](images).sigmoid()
    h = h * 2
    h.sum().backward()


attempt("a saved value changed in place", "overwritten", overwrite, make_new)

# %%
# **A list of layers.** A module finds the layers in its attributes, but does not look into plain lists. Their
# parameters would never be trained.


class Chain(nn.Module):
    def __init__(self, container):
        super().__init__()
        self.layers = container([nn.Linear(64, 64) for _ in range(3)])


attempt("a list of layers", "nn.ModuleList", lambda: Chain(list), lambda: Chain(nn.ModuleList))

# %%
# **Nothing to train**, since a generator can be read only once: after ``sum(...)`` it is empty.


def read_twice():
    parameters = model.parameters()
    print(f"\n{sum(parameter.numel() for parameter in parameters):,} parameters")
    optim.SGD(parameters, lr=0.1)


attempt("an empty optimizer", "nothing to train", read_twice, lambda: optim.SGD(model.parameters(), lr=0.1))

# %%
# **Labels** are whole numbers from 0 to classes - 1. Labels that count from 1, floating ones, and those with one
# dimension too many. (On a GPU the first ones make the loss NaN: to find the wrong label, each step would have to wait
# for the device.)

scores = model(images)


def loss_with(labels):
    return lambda: F.cross_entropy(scores, labels)


attempt("labels from 1", "(0..9)", loss_with(labels + 1), loss_with(labels))
attempt("floating labels", "target.long()", loss_with(labels.float()), loss_with(labels))
attempt("labels in a column", "squeeze(1)", loss_with(labels[:, None]), loss_with(labels))

# %%
# **Integers.** Whole numbers have no slope, so they can neither require gradients nor enter a layer of floating
# weights. And NumPy's numbers are float64 if nobody says otherwise.

attempt(
    "integers with gradients",
    "only floating",
    lambda: minigrad.tensor([1, 2, 3], device=args.device, requires_grad=True),
    lambda: minigrad.tensor([1.0, 2.0, 3.0], device=args.device, requires_grad=True),
)
pixels = minigrad.arange(64, device=args.device)
attempt("integer inputs", "x.float()", lambda: model(pixels), lambda: model(pixels.float()))
random = minigrad.from_numpy(np.random.default_rng(0).random((5, 64))).to(args.device)
attempt("float64 inputs", "x.float()", lambda: model(random), lambda: model(random.float()))

# %%
# **A loss without a history.** ``item()`` makes a Python number; what is computed from it afterwards is a stranger to
# the graph. Use it for printing, never on the way to the loss.


def through_item():
    loss = F.cross_entropy(model(images), labels).item()
    minigrad.tensor(loss, device=args.device).backward()


attempt("item() on the way", "no history", through_item, lambda: F.cross_entropy(model(images), labels).backward())

# %%
# **(N, 1) against (N,).** A network with one output gives a column, the targets are a row; *broadcasting* makes an N ×
# N table of them, in which everybody is compared with everybody. The losses refuse such a pair. By hand it passes
# without a word, and the network learns to answer every question with the mean: lesson 04 shows it.

x = minigrad.linspace(-1, 1, 40, device=args.device)[:, None]
y = 2 * x[:, 0]
column = nn.Linear(1, 1).to(args.device)(x)
attempt("a column and a row", "squeeze(1)", lambda: F.mse_loss(column, y), lambda: F.mse_loss(column[:, 0], y))
print(f"\nby hand: {tuple(column.shape)} minus {tuple(y.shape)} is {tuple((column - y).shape)}")

# %%
# Mistakes that say nothing
# -------------------------
# Here is a training loop with six places where it can be spoiled. Each run makes one of the mistakes, all else equal.
#
# - **zero_grad forgotten**: each step goes along the sum of all gradients so far.
# - **softmax in the model**: cross entropy applies softmax itself. Twice makes the gradients small. (minigrad warns.)
# - **detach() in the middle**: the first layer gets no gradients and stays as it was at random.
# - **a layer replaced after the optimizer was made**: the optimizer still has the old one.
# - **eval() forgotten**: dropout goes on dropping while we measure.
# - **a learning rate that is too high**.


def train(mistake=None):
    """Return the validation accuracy after every tenth step, with one mistake or none."""
    minigrad.manual_seed(args.seed)
    hidden = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.5)).to(args.device)
    last = nn.Linear(32, 10).to(args.device)
    optimizer = optim.SGD([*hidden.parameters(), *last.parameters()], lr=100.0 if mistake == "rate" else 0.3)
    if mistake == "replaced":
        last = nn.Linear(32, 10).to(args.device)

    def scores_of(images):
        h = hidden(images)
        scores = last(h.detach() if mistake == "detach" else h)
        return scores.softmax(dim=1) if mistake == "softmax" else scores

    curve = []
    for step in range(60 if args.quick else 300):
        chosen = minigrad.randint(0, len(train_images), (64,)).to(args.device)
        loss = F.cross_entropy(scores_of(train_images[chosen]), train_labels[chosen])
        if mistake != "zero_grad":
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 9:
            hidden.train(mistake == "eval")
            with minigrad.no_grad():
                curve.append((scores_of(val_images).argmax(dim=1) == val_labels).float().mean().item())
            hidden.train()
    return curve


MISTAKES = {
    "zero_grad": "zero_grad() forgotten",
    "softmax": "softmax before cross entropy",
    "detach": "detach() in the middle",
    "replaced": "layer not in the optimizer",
    "eval": "eval() forgotten",
    "rate": "learning rate 100",
}
right = train()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    wrong = {mistake: train(mistake) for mistake in MISTAKES}
print("\nthe softmax was noticed:")
say(caught[0].message)
print(f"\nvalidation accuracy, mean of the last five measurements (right: {np.mean(right[-5:]):.1%})")
for mistake, curve in wrong.items():
    print(f"{MISTAKES[mistake]:30} {np.mean(curve[-5:]):6.1%}")

# %%
# What you should see: only two of the six are obvious. The others learn, just worse or more slowly, and whoever has
# never seen the blue curve takes the orange one for the best that can be had. That is why the tools below are worth
# knowing.

figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), sharex=True, sharey=True, layout="constrained")
steps = 10 * np.arange(1, len(right) + 1)
for axis, (mistake, title) in zip(axes.flat, MISTAKES.items(), strict=True):
    axis.plot(steps, 100 * np.array(right), color=BLUE, linewidth=2, label="right")
    axis.plot(steps, 100 * np.array(wrong[mistake]), color=RED, linewidth=2, linestyle="--", label="wrong")
    axis.set_title(title, fontsize=11)
axes[0, 0].set(ylim=(0, 102))
axes[0, 0].legend(frameon=False, loc="center right")
figure.supxlabel("step")
figure.supylabel("validation images right (%)")
figure.savefig(args.out / "23_silent.png", dpi=120)

# %%
# Tool 1: what did not move?
# --------------------------
# A parameter that is the same before and after a step is not trained, whatever the reason. This belongs in every first
# run. What you should see: it finds the last layer, which was replaced after the optimizer was made.


def unmoved(model, optimizer, loss):
    """Names of the parameters that one step leaves as they are, and why."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return {
        name: "no gradient" if parameter.grad is None else "not in the optimizer, or its gradient is 0"
        for name, parameter in model.named_parameters()
        if (parameter == before[name]).all()
    }


optimizer = optim.SGD(model.parameters(), lr=0.1)
model[2] = nn.Linear(32, 10).to(args.device)
stuck = unmoved(model, optimizer, F.cross_entropy(model(images), labels))
print("\nunmoved:", *(f"{name}: {why}" for name, why in stuck.items()), sep="\n    ")
assert list(stuck) == ["2.weight", "2.bias"]

# %%
# Tool 2: why is there no gradient?
# ---------------------------------
# ``explain_grad`` says from where a gradient comes, or why there is none; inside ``tracing()`` it knows the line. And
# ``draw`` shows what the loss was made from. What you should see: below the ``linear`` at the cut there is nothing, no
# first layer. (As a picture: ``minigrad.draw(loss).save("graph.svg")``.)

with minigrad.inspection.tracing():
    features = model[0](images).relu()
    loss = F.cross_entropy(model[2](features.detach()), labels)
print()
say(minigrad.explain_grad(loss, features))
print("\ncut:")
say(minigrad.draw(loss))
print("\nwhole:")
say(minigrad.draw(F.cross_entropy(model(images), labels)))

# %%
# ``explain`` replays the whole walk in numbers. Here it answers a question that everybody asks once: why is the
# gradient 0? Because ReLU is off, and its slope there is 0:

w = minigrad.tensor(-2.0, device=args.device, requires_grad=True)
loss = (w * 1.5).relu() * 3
print()
say(minigrad.explain(loss))

# %%
# Tool 3: where does the NaN come from?
# -------------------------------------
# NaN, "not a number", is what 0 / 0 or ∞ - ∞ give, and everything computed from it is NaN as well. When you see it, its
# origin is long past. ``detect_anomaly`` looks at every result and stops at the first that is not finite, with the line
# and the values that went in. First a learning rate that is too high: from step to step the numbers grow, until they
# leave what float32 can hold. Then the classic NaN in a *slope*: the square root of exactly 0.


def too_fast():
    line = nn.Linear(1, 1).to(args.device)
    optimizer = optim.SGD(line.parameters(), lr=5.0)
    for _ in range(200):
        optimizer.zero_grad()
        F.mse_loss(line(x)[:, 0], y).backward()
        optimizer.step()


def length_of_zero():
    v = minigrad.zeros(3, device=args.device, requires_grad=True)
    (v**2).sum().sqrt().backward()


for wrong_program, hint in ((too_fast, "infinite"), (length_of_zero, "backward of sqrt")):
    try:
        with detect_anomaly():
            wrong_program()
    except AnomalyError as error:
        print(f"\n{wrong_program.__name__}:")
        say(error)
        hint_given[wrong_program.__name__] = hint in str(error)

# %%
# Tool 4: is my derivative right?
# -------------------------------
# Whoever writes a rule by hand will one day write a wrong one. ``gradcheck`` compares it with small steps, and with
# ``blame=True`` it says which operation of a long program is wrong. Here the rule of x³ lacks its factor 3:


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x**2


def program(x):
    return (Cube.apply(x.sin()) + x.exp()).sum()


point = minigrad.randn(4, dtype=minigrad.float64, device=args.device, requires_grad=True)
try:
    gradcheck(program, point, blame=True)
except GradcheckError as error:
    print()
    say(error)
    hint_given["gradcheck"] = "To blame is Cube" in str(error)
Cube.backward = staticmethod(lambda ctx, g: 3 * g * ctx.saved_tensors[0] ** 2)
assert gradcheck(program, point)

# %%
# Tool 5: can it learn anything at all?
# -------------------------------------
# The best test of all needs no tool. Take *one* batch and train on it again and again. A network of any size must learn
# twenty images by heart, to a loss near 0. If it does not, the error is in the program; more data and more time will
# not help. Lesson 15 does it, and finds four faults out of five.
#
# What must hold: all wrong programs were refused, each with the right hint, and each silent mistake cost accuracy.

assert len(hint_given) == (15 if args.device == "cpu" else 14), hint_given  # "labels from 1" pass on a GPU
assert all(hint_given.values()), hint_given
if not args.quick:
    assert all(np.mean(curve[-5:]) < np.mean(right[-5:]) - 0.05 for curve in wrong.values()), wrong
print(f"\nfigure: {args.out / '23_silent.png'}")

# %%
# Exercises
# ---------
# 1. ``total += loss`` in a training loop, to print the mean at the end: what does it keep alive? Look with
#    ``minigrad.saved_for_backward(total)`` after three batches, then mend it.
# 2. Spoil the training loop in a way of your own that raises no error, and give it to a neighbour together with the
#    five tools. How long does it take to find?
# 3. Run the refused programs with PyTorch in place of minigrad. Which are refused too, and which run?

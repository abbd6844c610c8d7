"""
Classification: from scores to probabilities, and an honest judgement
=====================================================================

A network that must choose gives a score to each class. This lesson turns scores into probabilities, derives the loss
that belongs to them and its beautifully simple gradient, makes the most common mistake on purpose, and ends with the
question of how good a classifier is when one class is rare.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
import warnings
from math import e, exp, log
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import metrics, nn, optim
from minigrad.autograd import gradcheck
from minigrad.datasets import Iris
from minigrad.nn import functional as F

parser = argparse.ArgumentParser(description="Softmax, cross entropy, and how to judge a classifier.")
parser.add_argument("--seed", type=int, default=0, help="for data, first weights and the split (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="fewer steps, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
COLOURS = BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Scores, odds, probabilities
# ---------------------------
# Scores are any numbers, positive or negative; they are also called *logits*. With two classes one score z is enough,
# for "yes". The *sigmoid* makes a probability of it:
#
# .. math:: \sigma(z) = \frac{1}{1 + e^{-z}}
#
# The score is the logarithm of the odds: z = 0 is 1 : 1, and each point more makes yes 2.7 times as likely against no.
# With several classes, each has a score, and *softmax* shares 1 out among them in proportion to :math:`e^{z}`:
#
# .. math:: p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}
#
# For the two scores z and 0, softmax is the sigmoid of z. If several answers may be right at once (a film that is both
# funny and sad), they do not share: use one sigmoid for each.

scores = minigrad.tensor([1.0, -6.0, 2.5, -0.3, 1.2, 0.8], device=args.device)
print("score z        " + "".join(f"{z:9.4f}" for z in scores.tolist()))
print("sigmoid, each  " + "".join(f"{p:9.4f}" for p in scores.sigmoid().tolist()))
p = scores.softmax(dim=0)
print("softmax, all   " + "".join(f"{share:9.4f}" for share in p.tolist()) + f"   sum {p.sum().item():.4f}")
two = minigrad.tensor([0.8, 0.0], device=args.device).softmax(dim=0)[0].item()
assert abs(two - 1 / (1 + exp(-0.8))) < 1e-6
assert abs(p.sum().item() - 1) < 1e-6

# %%
# The formula as it stands fails for large scores: e¹⁰⁰⁰ is more than a float can hold, and inf / inf is nan.
# Subtracting the largest score from all changes nothing in the quotient, and makes every exponent at most 0. The same
# trick for the logarithm of the sum has a name, *log-sum-exp*:
#
# .. math:: \log \sum_j e^{z_j} = m + \log \sum_j e^{z_j - m}, \qquad m = \max_j z_j
#
# Read ``softmax`` and ``log_softmax`` in minigrad/ops/activation.py; both begin with the maximum.

large = minigrad.tensor([1000.0, 1001.0, 1002.0], device=args.device)
with np.errstate(over="ignore", invalid="ignore"):
    naive = large.exp() / large.exp().sum()
print(f"\nscores {large.tolist()}: by the formula {naive.tolist()}, with the largest subtracted", end=" ")
print([round(p, 4) for p in large.softmax(dim=0).tolist()])
assert naive.isnan().all()

# %%
# The loss, from likelihood
# -------------------------
# How good are the probabilities? Ask how likely they made *what really happened*. If the classes of all examples were
# drawn with these probabilities, the chance of getting exactly the right ones would be a product, the *likelihood*. Its
# logarithm is a sum, which is easier and does not underflow; the mean with a minus sign is something to be made small:
#
# .. math::
#
#    \text{cross entropy} = -\frac{1}{N} \sum_{n=1}^{N} \log p_{n,\,\text{right class of } n}
#
# A *label* is the number of the right class. *One-hot* writes it as a row of zeros with a 1 at the right class, which
# is a probability too: all of it on one class. Both forms mean the same to ``cross_entropy``. Inside, it is two steps:
# ``log_softmax``, and ``nll_loss``, which picks the right entries and takes minus their mean.

labels = minigrad.tensor([2, 0, 1], device=args.device)
scores = minigrad.tensor([[0.1, 1.0, 3.2], [2.0, 0.5, -1.0], [1.0, 0.2, 0.5]], device=args.device)
p = scores.softmax(dim=1)
chosen = p[[0, 1, 2], labels]  # row by row the entry of the right class
print("\nlabel  one-hot     probabilities          of the right class   minus log")
for label, hot, row, right in zip(labels.tolist(), F.one_hot(labels, 3).tolist(), p.tolist(), chosen.tolist()):
    print(f"{label:5d}  {hot}   " + " ".join(f"{q:6.3f}" for q in row) + f" {right:19.3f} {-log(right):14.3f}")
loss = F.cross_entropy(scores, labels)
with_one_hot = F.cross_entropy(scores, F.one_hot(labels, 3).float())
print(f"likelihood {chosen.prod().item():.4f}, mean of minus log {-chosen.log().mean().item():.4f}, ", end="")
in_two_steps = F.nll_loss(F.log_softmax(scores, dim=1), labels)
print(f"cross_entropy {loss.item():.4f}, one-hot {with_one_hot.item():.4f}, in two steps {in_two_steps.item():.4f}")
assert abs(loss.item() + log(chosen.prod().item()) / 3) < 1e-6

# %%
# A number to know by heart: who knows nothing gives each of C classes 1/C, and has a loss of log C. For three classes
# that is 1.10, for ten 2.30. A new network should start near it, and a loss above it is worse than knowing nothing.
#
# The gradient: p - y
# -------------------
# Call the right class k. By log-sum-exp the loss of one example is
#
# .. math:: L = -\log p_k = \log \sum_j e^{z_j} - z_k
#
# and its slope towards any score :math:`z_i` takes one line. The derivative of the first term is
# :math:`e^{z_i} / \sum_j e^{z_j} = p_i`, that of the second is 1 for i = k and 0 otherwise, which is the one-hot
# :math:`y_i`:
#
# .. math:: \frac{\partial L}{\partial z_i} = p_i - y_i
#
# What is said minus what is true. The gradient sums to 0: what one score gains the others lose. In the figure you
# should see one bar that goes down (this score must rise) and small ones that go up.

z = scores.double().requires_grad_()
F.cross_entropy(z, labels, reduction="sum").backward()
by_formula = z.detach().softmax(dim=1) - F.one_hot(labels, 3)
assert minigrad.allclose(z.grad, by_formula, rtol=0, atol=1e-15)
assert gradcheck(lambda z: F.cross_entropy(z, labels), (z,))

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", sharey=True)
bars = ((p[2].tolist(), "p: what is said"), (F.one_hot(labels, 3)[2].tolist(), "y: what is true"))
for axis, (heights, title) in zip(axes, (*bars, (z.grad[2].tolist(), "p - y: the gradient"))):
    axis.bar(range(3), heights, color=COLOURS)
    axis.axhline(0, color="0.3", linewidth=0.8)
    for k, height in enumerate(heights):
        axis.text(k, height + (0.03 if height >= 0 else -0.12), f"{height:.2f}", ha="center")
    axis.set(title=title, xlabel="class", xticks=range(3), ylim=(-1, 1.15))
figure.savefig(args.out / "07_gradient.png", dpi=120)

# %%
# Why not the squared error, (p - y)²? With it a network that is *sure and wrong* hardly learns: its slope contains
# :math:`p (1 - p)`, which is nearly 0 there. The logarithm cancels this factor. On the left the two losses of an
# example whose right answer is yes, against its score; on the right their slopes. Look at the left ends.

z = minigrad.linspace(-8, 8, 161, device=args.device, requires_grad=True)
figure, (values, slopes) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
yes = minigrad.ones(161, device=args.device)
for name, loss, colour, line in (
    ("cross entropy", F.binary_cross_entropy_with_logits(z, yes, reduction="none"), BLUE, "-"),
    ("squared error of p", (z.sigmoid() - yes) ** 2, ORANGE, "--"),
):
    z.grad = None
    loss.sum().backward()
    values.plot(z.detach().cpu(), loss.detach().cpu(), color=colour, linestyle=line, linewidth=2, label=name)
    slopes.plot(z.detach().cpu(), z.grad.cpu(), color=colour, linestyle=line, linewidth=2)
    print(f"slope at score -8: {name:18} {z.grad[0].item():9.5f}")
values.set(xlabel="score of yes", ylabel="loss", title="The right answer is yes")
slopes.set(xlabel="score of yes", ylabel="slope", title="Sure and wrong: only one pulls")
values.legend(frameon=False)
figure.savefig(args.out / "07_losses.png", dpi=120)

# %%
# Three kinds of iris
# -------------------
# 150 flowers, four measurements each; two are enough to look at, the length and width of the petals. First a single
# linear layer with cross entropy, which is *softmax regression*, then a network with a hidden layer. 100 flowers are
# for training; 50 are kept aside and judge at the end.

iris = Iris()
order = minigrad.randperm(150)
x, y = iris.data[order, 2:].to(args.device), iris.targets[order].to(args.device)
x = (x - x[:100].mean(dim=0)) / x[:100].std(dim=0)
steps = 100 if args.quick else 400


def train(model, criterion, rate=0.05):
    """Return the loss of each step; all flowers are in each batch."""
    optimizer, losses = optim.Adam(model.parameters(), lr=rate), []
    for _ in range(steps):
        loss = criterion(model(x[:100]), y[:100])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def new_network():
    minigrad.manual_seed(args.seed)
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 3)).to(args.device)


models = {"one linear layer": nn.Linear(2, 3).to(args.device), "a hidden layer of 16": new_network()}
losses = {name: train(model, nn.CrossEntropyLoss()) for name, model in models.items()}

# %%
# On the map, each place has the colours of the three classes, mixed by their probabilities; the flowers of both parts
# are drawn. The borders on the left are straight, those on the right have bends. Where two kinds of flowers touch, the
# change is decided by them. Between the blue flowers and the rest lies empty land, and there each network has its own
# opinion. Far from all flowers both are as sure as anywhere: a softmax cannot say that it never saw such a flower.

low, high = x.cpu().numpy().min(axis=0) - 0.5, x.cpu().numpy().max(axis=0) + 0.5
across, up = np.meshgrid(np.linspace(low[0], high[0], 200), np.linspace(low[1], high[1], 200))
plane = minigrad.tensor(np.stack([across, up], axis=-1), device=args.device).float()
pigments = np.array([[int(c[k : k + 2], 16) / 255 for k in (1, 3, 5)] for c in COLOURS])
figure, axes = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", sharey=True)
for axis, (name, model) in zip(axes, models.items()):
    with minigrad.no_grad():
        share = model(plane).softmax(dim=-1).cpu().numpy()
    colours = 0.45 + 0.55 * share @ pigments  # lighter, so that the flowers stand out
    axis.imshow(colours, origin="lower", extent=(low[0], high[0], low[1], high[1]), aspect="auto")
    for k, marker in enumerate("o^s"):
        axis.scatter(*x[y == k].T.cpu(), s=18, color=COLOURS[k], marker=marker, edgecolor="white", linewidth=0.5,
                     label=iris.classes[k])  # fmt: skip
    axis.set(xlabel="petal length, standardised", title=f"{name}: loss {losses[name][-1]:.3f}")
axes[0].set_ylabel("petal width, standardised")
axes[0].legend(loc="upper left")
figure.savefig(args.out / "07_map.png", dpi=120)

# %%
# The mistake: softmax twice
# --------------------------
# ``CrossEntropyLoss`` contains the softmax. Who also puts one at the end of the network applies it twice: the inner one
# gives numbers between 0 and 1, and the outer one takes them for scores. The best that can come out are the scores 1,
# 0, 0, so no probability is above :math:`e / (e + 2) = 0.58` and no loss below :math:`\log(1 + 2/e) = 0.551`. The
# accuracy may even be good. You see it in the curve, which stops at a floor far above zero. minigrad looks at where the
# scores come from and warns; elsewhere nobody may tell you.

twice = nn.Sequential(*new_network(), nn.Softmax(dim=1))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    losses["softmax twice"] = train(twice, nn.CrossEntropyLoss())
print(f"\n{caught[0].message}")
floor = log(1 + 2 / e)
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.plot(losses["a hidden layer of 16"], color=BLUE, linewidth=2, label="scores into cross entropy")
axis.plot(losses["softmax twice"], color=ORANGE, linewidth=2, linestyle="--", label="softmax into cross entropy")
axis.axhline(floor, color="0.4", linestyle=":", label=f"floor log(1 + 2/e) = {floor:.3f}")
axis.axhline(log(3), color="0.4", linestyle="-.", linewidth=1, label=f"knowing nothing, log 3 = {log(3):.3f}")
axis.set(xlabel="step", ylabel="cross entropy", ylim=(0, 1.3), title="With two softmaxes the loss has a floor")
axis.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.42))
figure.savefig(args.out / "07_double_softmax.png", dpi=120)

# %%
# How good is it?
# ---------------
# The *confusion matrix* counts: a row for each true class, a column for each class that was said. All else is made of
# it. *Accuracy* is the share on the diagonal. *Precision* of a class: of those that were called so, how many are? Its
# *recall*: of those that are so, how many were found? *F1* is high only if both are:
#
# .. math:: F_1 = \frac{2 \cdot \text{precision} \cdot \text{recall}}{\text{precision} + \text{recall}}
#
# Here are the 50 flowers that were kept aside; by hand, and by minigrad/metrics.

said, true = models["a hidden layer of 16"](x[100:]).argmax(dim=1), y[100:]
matrix = np.zeros((3, 3), dtype=int)
for row, column in zip(true.tolist(), said.tolist()):
    matrix[row, column] += 1
assert metrics.ConfusionMatrix(task="multiclass", num_classes=3)(said, true).tolist() == matrix.tolist()
each = {"task": "multiclass", "num_classes": 3, "average": None}
precision, recall, f1 = (m(**each)(said, true) for m in (metrics.Precision, metrics.Recall, metrics.F1Score))
print(f"\n{'true class':12} {'said: setosa versicolor virginica':35} precision   recall       F1")
for k, name in enumerate(iris.classes):
    counts = "".join(f"{n:11d}" for n in matrix[k])
    print(f"{name:12} {counts:35} {precision[k].item():9.3f} {recall[k].item():8.3f} {f1[k].item():8.3f}")
    assert abs(precision[k].item() - matrix[k, k] / matrix[:, k].sum()) < 1e-6
    assert abs(recall[k].item() - matrix[k, k] / matrix[k].sum()) < 1e-6
accuracy = metrics.Accuracy(task="multiclass", num_classes=3)(said, true).item()
print(f"accuracy {accuracy:.1%}")

# %%
# When one class is rare
# ----------------------
# A test for a disease that 3 of 100 people have. Whoever always says "healthy" is right in 97 % of all cases, and of no
# use. So with rare classes do not look at the accuracy. Look at recall (how many of the sick are found?) and precision
# (how many of the alarms are real?). They pull against each other, and the *threshold* decides: from which probability
# on do we say "sick"? It need not be 1/2.

people = 2000 if args.quick else 20000
sick = (minigrad.rand(people) < 0.03).float().to(args.device)
test_values = minigrad.randn(people, 1).to(args.device) + 2 * sick[:, None]  # the sick: two deviations higher
judge = nn.Linear(1, 1).to(args.device)
optimizer = optim.Adam(judge.parameters(), lr=0.1)
for _ in range(300):
    optimizer.zero_grad()
    F.binary_cross_entropy_with_logits(judge(test_values)[:, 0], sick).backward()
    optimizer.step()
probability = judge(test_values)[:, 0].detach().sigmoid()

KINDS = {"accuracy": metrics.Accuracy, "precision": metrics.Precision, "recall": metrics.Recall, "F1": metrics.F1Score}


def judged(threshold):
    measures = {name: metric(task="binary", threshold=threshold) for name, metric in KINDS.items()}
    return {name: measure(probability, sick.long()).item() for name, measure in measures.items()}


table = {threshold: judged(threshold) for threshold in (0.03, 0.1, 0.2, 0.5, 1.0)}
print("\nsay sick from" + "".join(f"{name:>12}" for name in KINDS))
for threshold, row in table.items():
    print(f"{threshold:13g}" + "".join(f"{value:12.1%}" for value in row.values()))

# %%
# The last row never says sick, and has nearly the best accuracy. In the figure accuracy is a flat line that tells you
# nothing, while precision and recall cross. Where to stand on these curves is not a question of mathematics: it depends
# on what a missed case costs and what a false alarm. (``pos_weight`` in ``BCEWithLogitsLoss`` moves the curve during
# training instead: with 10, each sick person counts as ten.)

thresholds = np.linspace(0.01, 0.7, 70)
rows = [judged(threshold) for threshold in thresholds]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for name, colour, line in (("accuracy", "0.4", ":"), ("precision", BLUE, "-"), ("recall", ORANGE, "--")):
    curve = [100 * row[name] for row in rows]
    axis.plot(thresholds, curve, color=colour, linestyle=line, linewidth=2)
    axis.annotate(name, (0.71, curve[-1]), color=colour, va="center")
axis.set(xlabel='threshold: say "sick" from this probability on', ylabel="per cent", xlim=(0, 0.82), ylim=(0, 103))
axis.set_title("Accuracy is flat where it matters")
figure.savefig(args.out / "07_imbalance.png", dpi=120)
print("\nfigures: 07_gradient.png, 07_losses.png, 07_map.png, 07_double_softmax.png, 07_imbalance.png in", args.out)

# %%
# At least 45 of the 50 flowers must be right, the doubled softmax must stay above its floor while the right loss gets
# far below it, and saying "healthy" to everybody must look good in accuracy alone:

assert np.trace(matrix) >= 45, matrix
assert losses["a hidden layer of 16"][-1] < 0.25 < floor < losses["softmax twice"][-1] < 0.75
assert table[1.0]["accuracy"] > 0.95
assert table[1.0]["recall"] == 0
assert table[0.1]["recall"] > table[0.5]["recall"] + 0.2
assert table[0.1]["precision"] < table[0.5]["precision"]

# %%
# Exercises
# ---------
# 1. Add 100 to all scores. What happens to softmax, to the loss, to the gradient? Which derivation shows it?
# 2. The floor of the doubled softmax for 10 classes, as in the next lesson: work it out, then produce it.
# 3. Train the judge of the sick with ``pos_weight=minigrad.tensor(10.0)`` and draw the curves again. Which threshold
#    now gives the same alarms as 0.1 did before? The answer can be derived from odds.

"""
Choosing hyperparameters
========================

Training finds the weights. The learning rate, the momentum, the width, the dropout are not found by it: they are
**hyperparameters**, and somebody has to choose them. Trying is the only way. This page is about trying cleverly: on
which scale, where, how often, and how to read the results without fooling yourself.
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
from minigrad.datasets import Digits
from minigrad.nn import functional as F
from minigrad.utils.data import DataLoader, Subset, TensorDataset

try:
    import optuna
except ImportError:  # the section on Bayesian optimisation is then left out: pip install "minigrad[tune]"
    optuna = None

parser = argparse.ArgumentParser(description="Grid search, random search, Bayesian optimisation, cross-validation.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="coarser maps and fewer repeats, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# A trial
# -------
# Everything below calls one function: hyperparameters in, validation accuracy out. The task is small (600 digits, one
# hidden layer, a few epochs), so that a trial takes some hundredths of a second and we can afford thousands. With real
# networks you can afford perhaps twenty; here we find out how to spend them.

train_set, val_set, test_set = (
    TensorDataset(digits.data.to(args.device), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("val"), Digits("test"))
)
few = Subset(train_set, range(600))


def accuracy(model, data):
    images, labels = data[list(range(len(data)))]
    model.eval()
    with minigrad.no_grad():
        right = (model(images).argmax(dim=1) == labels).float().mean().item()
    model.train()
    return 100 * right


def trial(rate, momentum=0.9, dropout=0.0, width=32, depth=1, bend="ReLU", decay=0.0, epochs=4, data=few, judge=val_set,
          seed=0, report=None):  # fmt: skip
    """Train a network with these hyperparameters; return how many per cent of ``judge`` it reads rightly."""
    minigrad.manual_seed(seed)
    sizes = [64] + depth * [width]
    hidden = [part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), getattr(nn, bend)(), nn.Dropout(dropout))]
    model = nn.Sequential(*hidden, nn.Linear(width, 10)).to(args.device)
    optimizer = optim.SGD(model.parameters(), lr=rate, momentum=momentum, weight_decay=decay)
    loader = DataLoader(data, batch_size=50, shuffle=True)
    with np.errstate(all="ignore"):  # a rate that makes the weights overflow is a result, not an accident
        for epoch in range(epochs):
            for images, labels in loader:
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if report is not None:
                report(accuracy(model, judge), epoch)
        return accuracy(model, judge)


# %%
# The right scale
# ---------------
# Draw a hundred rates uniformly between 0.0001 and 1: ninety of them are larger than 0.1, and most likely none is
# smaller than 0.001. That is the classic mistake. What matters about a rate is its ratio to another rate, so draw its
# *exponent* uniformly ("log-uniform"). The same holds for weight decay, for the width, and for 1 - momentum: 0.9, 0.99
# and 0.999 average over 10, 100 and 1000 steps and are equally far apart.

generator = np.random.default_rng(0)
print("rates, drawn 1000 times   below 0.001   0.001 - 0.01   0.01 - 0.1   above 0.1")
drawn = {"uniform": generator.uniform(1e-4, 1, 1000), "log-uniform": 10 ** generator.uniform(-4, 0, 1000)}
for name, rates in drawn.items():
    shares = np.histogram(rates, [1e-4, 1e-3, 1e-2, 1e-1, 1])[0] / 10
    print(f"{name:24s} {shares[0]:11.1f}%  {shares[1]:12.1f}%  {shares[2]:10.1f}%  {shares[3]:9.1f}%")

# %%
# The map
# -------
# Two hyperparameters, the rate and the momentum, and the accuracy at every point of a grid of 25 by 9. Before you look:
# momentum adds up the steps of the past, in the end 1 / (1 - momentum) of them. So a rate of 0.1 without momentum
# should be like 0.01 with 0.9, and the good settings should lie in a diagonal band, along the dashed line. Roughly they
# do. At its right end the band breaks off sharply: beyond that the weights explode. Whoever tunes the rate first, and
# the momentum afterwards at that rate, walks out of the band sideways. Choose the two together.

exponents = np.linspace(-4, 1, 11 if args.quick else 25)
averaged = np.logspace(0, 2, 3 if args.quick else 9)  # 1 / (1 - momentum)
heights = np.array([[trial(10**e, momentum=1 - 1 / steps, epochs=12) for e in exponents] for steps in averaged])
figure, axis = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
drawn = axis.pcolormesh(10**exponents, averaged, heights, cmap="cividis", vmin=0, vmax=100)
figure.colorbar(drawn, label="per cent right on the validation images")
best_rates = 10 ** exponents[heights.argmax(axis=1)]
axis.plot(best_rates, averaged, "o", color=ORANGE, label="best rate for this momentum")
axis.plot(0.3 / averaged, averaged, color="white", linestyle="--", label="equal rate / (1 - momentum)")
axis.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="momentum")
axis.set(yticks=(1, 2, 10, 100), yticklabels=("0", "0.5", "0.9", "0.99"), title="Rate and momentum belong together")
axis.minorticks_off()
axis.legend(loc="upper left", fontsize=9, facecolor="0.3", labelcolor="white", framealpha=1)
figure.savefig(args.out / "16_map.png", dpi=120)

# %%
# Grid or random?
# ---------------
# A **grid** tries all combinations of a few values each. **Random search** draws every trial anew. Suppose the rate
# matters a lot and the dropout hardly at all, as here. Nine trials on a grid try three rates, each three times. Nine
# random trials try nine rates. That is the argument of Bergstra and Bengio, "Random search for hyper-parameter
# optimization" (2012), and in the picture it is the row of marks at the bottom: the different rates that were tried.

SPACE = {  # the transformation of a number between 0 and 1 into the hyperparameter
    "rate": lambda u: 10 ** (-5 + 6 * u),
    "dropout": lambda u: 0.8 * u,
    "decay": lambda u: 10 ** (-6 + 3 * u),
    "width": lambda u: round(16 * 4**u),
    "depth": lambda u: 1 + int(2 * u),
    "bend": lambda u: ("ReLU", "Tanh")[int(2 * u)],
}


def run(points):
    """The accuracy of a trial for each row of numbers between 0 and 1."""
    return [trial(**{name: SPACE[name](u) for name, u in zip(SPACE, point, strict=False)}) for point in points]


def grid(dimensions, per_dimension):
    """All combinations of evenly spaced values; where they begin is drawn, so that luck plays no part."""
    values = [(np.arange(per_dimension) + generator.random()) / per_dimension for _ in range(dimensions)]
    return np.stack(np.meshgrid(*values), axis=-1).reshape(-1, dimensions)


generator = np.random.default_rng(3)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
for axis, points, name in ((axes[0], grid(2, 3), "grid"), (axes[1], generator.random((9, 2)), "random")):
    rates, dropouts = SPACE["rate"](points[:, 0]), SPACE["dropout"](points[:, 1])
    found = np.array(run(points))
    dots = axis.scatter(rates, dropouts, c=found, cmap="cividis", vmin=0, vmax=100, s=110, edgecolor="0.2", zorder=3)
    axis.vlines(rates, -0.1, -0.04, color=ORANGE, linewidth=2)
    axis.set(xscale="log", xlim=(1e-5, 10), ylim=(-0.1, 0.8), yticks=np.linspace(0, 0.8, 5), xlabel="learning rate")
    axis.set_title(f"{name}: {len(np.unique(rates))} rates tried, best {found.max():.0f} per cent")
axes[0].set_ylabel("dropout")
figure.colorbar(dots, label="per cent right")
figure.savefig(args.out / "16_grid_and_random.png", dpi=120)

# %%
# One picture proves nothing, so the contest is repeated with 1, 2 and 4 hyperparameters and 16 trials each. The grid
# then has 16, 4 and only 2 different rates. What to expect: with one hyperparameter the grid is as good or better,
# since it leaves no gaps. With two they are still close. With four the grid breaks down, and random search does not
# even notice that there are more dimensions, as long as only few of them matter.

repeats = 2 if args.quick else 16
contest = {}
print(f"\nbest of 16 trials, {repeats} repeats     grid: mean, worst    random: mean, worst")
for dimensions in (1, 2, 4):
    best_of_grid = [max(run(grid(dimensions, round(16 ** (1 / dimensions))))) for _ in range(repeats)]
    best_of_random = [max(run(generator.random((16, dimensions)))) for _ in range(repeats)]
    contest[dimensions] = best_of_grid, best_of_random
    print(f"{dimensions} hyperparameter{'s' * (dimensions > 1):1s}", end="")
    print("".join(f"{np.mean(best):20.1f}, {min(best):5.1f}" for best in contest[dimensions]))

# %%
# Cross-validation
# ----------------
# How sure is a number like "90.6 per cent"? It comes from 180 images, half of a per cent each, and from one split of
# the data. **Cross-validation** uses all images for both purposes: cut them into five parts, train five times on four
# of them, and judge by the fifth. ``Subset`` does the cutting. The five numbers also say how much to trust their mean:
# the standard error is their standard deviation divided by √5.
#
# You should see that one fold alone (a column) would often have chosen another rate.


def cross_validate(folds=5, **hyperparameters):
    parts = np.array_split(np.random.default_rng(0).permutation(len(few)), folds)
    scores = []
    for k, held_out in enumerate(parts):
        rest = np.concatenate(parts[:k] + parts[k + 1 :])
        scores.append(trial(data=Subset(few, rest.tolist()), judge=Subset(few, held_out.tolist()), **hyperparameters))
    return scores


print("\n  rate   five folds                          mean ± standard error")
scores = {rate: cross_validate(rate=rate, epochs=8) for rate in (0.01, 0.03, 0.06, 0.1, 0.2, 0.4)}
for rate, folds in scores.items():
    error = np.std(folds, ddof=1) / np.sqrt(len(folds))
    print(f"{rate:6g}  {'  '.join(f'{score:5.1f}' for score in folds)}   {np.mean(folds):7.1f} ± {error:.1f}")
favourites = [max(scores, key=lambda rate, k=k: scores[rate][k]) for k in range(5)]
print(f"best rate by the mean {max(scores, key=lambda rate: np.mean(scores[rate]))}, by each fold alone {favourites}")

# %%
# Learning from the trials
# ------------------------
# Random search forgets what it has seen. **Bayesian optimisation** keeps a model of which settings did well and draws
# the next trial where the model hopes for the most; Optuna's model is called TPE. A second saving is **pruning**: a
# trial that after two epochs is worse than the median of the others at that age is stopped. Both are a few lines with
# Optuna (``pip install "minigrad[tune]"``): a function that asks for its hyperparameters, and ``report`` in each epoch.
#
# Three of the seven hyperparameters here, the width, the depth and the bend (activation), say what network it is. To
# search for them is called *architecture search*. To be fair, searches are compared by the *epochs* they cost.

EPOCHS, BUDGET = 12, 180 if args.quick else 480


def random_search(seed):
    """Epochs spent, and the best accuracy so far, after each trial; and the best hyperparameters."""
    generator = np.random.default_rng(seed)
    tried, spent = [], []
    while len(tried) * EPOCHS < BUDGET:
        chosen = {name: scale(generator.random()) for name, scale in SPACE.items()}
        chosen["momentum"] = 1 - 10 ** -generator.uniform(0, 2)
        tried.append((trial(**chosen, epochs=EPOCHS), chosen))
        spent.append(len(tried) * EPOCHS)
    return spent, np.maximum.accumulate([score for score, _ in tried]), max(tried, key=lambda pair: pair[0])


def bayesian_search(seed):
    """The same with Optuna."""
    spent, best = [0], [0.0]

    def objective(ask):
        chosen = {
            "rate": ask.suggest_float("rate", 1e-5, 10, log=True),
            "dropout": ask.suggest_float("dropout", 0, 0.8),
            "decay": ask.suggest_float("decay", 1e-6, 1e-3, log=True),
            "width": ask.suggest_int("width", 16, 64, log=True),
            "depth": ask.suggest_int("depth", 1, 2),
            "bend": ask.suggest_categorical("bend", ["ReLU", "Tanh"]),
            "momentum": 1 - ask.suggest_float("1 - momentum", 0.01, 1, log=True),
        }
        ask.set_user_attr("chosen", chosen)

        def report(score, epoch):
            spent[-1] += 1
            ask.report(score, epoch)
            if ask.should_prune():
                raise optuna.TrialPruned

        return trial(**chosen, epochs=EPOCHS, report=report)

    def after_each(study, last):
        best[-1] = max([best[-1]] + [last.value] * (last.state == optuna.trial.TrialState.COMPLETE))
        if spent[-1] >= BUDGET:
            study.stop()
        else:
            spent.append(spent[-1])
            best.append(best[-1])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    study.optimize(objective, callbacks=[after_each])
    return spent, best, (study.best_value, study.best_trial.user_attrs["chosen"])


searches = {"random search": (random_search, BLUE, "--")}
if optuna is None:
    print("\nOptuna is not installed, so random search is shown alone; pip install 'minigrad[tune]' brings it")
else:
    searches["Optuna, with pruning"] = bayesian_search, ORANGE, "-"
seeds = range(2 if args.quick else 5)
results = {name: [search(seed) for seed in seeds] for name, (search, _, _) in searches.items()}

figure, axis = plt.subplots(figsize=(8, 4.2), layout="constrained")
for name, (_, colour, dash) in searches.items():
    every = np.arange(EPOCHS, BUDGET + 1)
    curves = [np.array(best)[np.searchsorted(spent, every, side="right") - 1] for spent, best, _ in results[name]]
    axis.plot(every, np.mean(curves, axis=0), color=colour, linestyle=dash, linewidth=2.5, label=f"{name}, mean")
    axis.fill_between(every, np.min(curves, axis=0), np.max(curves, axis=0), color=colour, alpha=0.15, linewidth=0)
axis.set(xlabel="epochs of training spent", ylabel="best validation accuracy so far, per cent", ylim=(60, 100))
axis.set_title(f"Seven hyperparameters, {len(seeds)} searches each (shaded: from worst to best)")
axis.legend(frameon=False, loc="lower right")
figure.savefig(args.out / "16_search.png", dpi=120)

# %%
# The winner's curse
# ------------------
# The last classic mistake is to report the accuracy of the winner. It won partly by luck: of many numbers that each err
# by two per cent, the largest is too large. The test images, which chose nothing, tell the truth. The first row is for
# comparison, a setting that nobody chose for its result: how much easier or harder are the test images by themselves?
#
# What to expect: both winners lose by the change of images, most the one that was ahead in the figure. Neither beats
# the plain setting by more than luck may give on 360 images. On this small task, once the rate is right, there is
# little left to find.

print("\nmean over the searches      best on validation   the same on test   trials")
plain = [[trial(0.1, epochs=EPOCHS, seed=seed, judge=part) for seed in seeds] for part in (val_set, test_set)]
print(f"{'a plain setting':27s} {np.mean(plain[0]):18.1f}   {np.mean(plain[1]):16.1f}        -")
honest = {}
for name, found in results.items():
    claimed = np.mean([winner[0] for _, _, winner in found])
    honest[name] = np.mean([trial(**winner[1], epochs=EPOCHS, judge=test_set) for _, _, winner in found])
    print(f"{name:27s} {claimed:18.1f}   {honest[name]:16.1f}   {np.mean([len(spent) for spent, _, _ in found]):6.0f}")
print(f"\nfigures: 16_map.png, 16_grid_and_random.png, 16_search.png in {args.out}")

# %%
# What must hold: the best rate falls with the momentum; in four dimensions random search beats the grid by far, and in
# one it does not; what the searches found is good on images that they never saw.

assert best_rates[0] > 2 * best_rates[-1]
assert max(np.mean(folds) for folds in scores.values()) > 91
assert min(honest.values()) > (85 if args.quick else 90), honest
if not args.quick:
    assert np.mean(contest[4][1]) > np.mean(contest[4][0]) + 5, contest[4]
    assert np.mean(contest[1][0]) > np.mean(contest[1][1]) - 1, contest[1]

# %%
# Exercises
# ---------
# 1. Narrow the space of the contest to rates between 0.01 and 1. Does the grid recover in four dimensions? Why?
# 2. Search with only 20 of the validation images. How large is the winner's curse now?
# 3. Give random search a pruner of its own: train all trials for 2 epochs, the better half for 4, half of these for 8
#    (successive halving). How does it compare for the same number of epochs?

"""
Many processes, one network
===========================

When one process is too slow, several can train the same network: each has all of it, and a share of every batch. It
takes one message in each step, and the result is that of one process, up to rounding. This lesson trains a digit reader
both ways and compares them number by number. The second way is this very file, started twice.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core for each process

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import distributed, nn, optim
from minigrad.datasets import Digits
from minigrad.metrics import Accuracy, MeanMetric
from minigrad.utils.data import BatchSampler, DataLoader, DistributedBatchSampler, RandomSampler, TensorDataset

parser = argparse.ArgumentParser(description="Train a digit reader on several processes.")
parser.add_argument("--seed", type=int, default=0, help="for first weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="two epochs only, to see that everything runs")
parser.add_argument("--report", type=Path, help="write the result here and draw nothing (for the second start)")
args = parser.parse_args()
epochs = 2 if args.quick else 12
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Who am I?
# ---------
# ``mpiexec -n 2 python -m mpi4py 25_many_processes.py`` starts this program twice. The two copies are separate
# *processes*: they share no variable and no memory. Each is told its number, its *rank*, 0 or 1, and how many there
# are, the *world size*. That is the only difference between them, and all others follow from it. Started as usual,
# without ``mpiexec``, there is one process of rank 0, and every line below works as well.
#
# If all copies printed, each line would come several times, in any order. So rank 0 speaks, and the others are silent.
#
# Messages travel by MPI, which is made for main memory. From GPU to GPU they travel by NCCL, and each rank takes a GPU
# of its own: ``"cuda"`` is another one on each.

distributed.init_process_group()
if args.device != "cpu" and distributed.get_world_size() > 1:
    distributed.destroy_process_group()
    distributed.init_process_group("nccl")
rank, world_size = distributed.get_rank(), distributed.get_world_size()
say = distributed.rank_zero_only(print)
say(f"{world_size} process(es)")

# %%
# The idea
# --------
# The loss of a batch is a mean over its samples, and so is its gradient. Deal seven samples out to two ranks, four and
# three, and let each compute the gradient of *its* mean loss:
#
# .. math:: g = \frac{4}{7}\, g_0 + \frac{3}{7}\, g_1
#
# No approximation is in this, it is how sums are taken apart. The common mistake is to take the plain mean of the two.
# It weighs a sample of the smaller share 4/3 times as heavily as one of the larger, and hardly anybody notices:
# training still works, only the gradient is not quite that of the batch. You should see a difference of the size of
# rounding in the first row, about 10⁻¹⁶ in numbers of 64 bits, and one of about a fifth in the second.

train_set, test_set = (
    TensorDataset(digits.data.to(args.device, minigrad.float64), digits.targets.to(args.device))
    for digits in (Digits("train"), Digits("test"))
)
criterion = nn.CrossEntropyLoss()


def gradient(model, x, y):
    """All gradients of the mean loss, one after the other in one vector."""
    model.zero_grad()
    criterion(model(x), y).backward()
    return minigrad.cat([parameter.grad.flatten() for parameter in model.parameters()])


minigrad.manual_seed(args.seed)
small = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).to(args.device, minigrad.float64)
x, y = train_set[:7]
whole, first, second = gradient(small, x, y), gradient(small, x[:4], y[:4]), gradient(small, x[4:], y[4:])
say("\n                         distance from the gradient of the whole batch")
means = {"weighted by 4/7 and 3/7": 4 / 7 * first + 3 / 7 * second, "plain mean": (first + second) / 2}
for name, mean in means.items():
    say(f"{name:24} {((mean - whole).norm() / whole.norm()).item():.1e}")

# %%
# Shares of a batch
# -----------------
# A *sampler* says which samples come in which order. All ranks shuffle with the same seed, so that they draw the same
# batches, and ``DistributedBatchSampler`` gives each its share: of a batch of 64 in two shares, rank 0 takes the
# samples at places 0, 2, 4, ... and rank 1 those at 1, 3, 5, ... No sample comes twice, and none is left out. Here are
# the shares of a first batch of 16. Such a sampler can be asked for any rank, so that one process can draw this figure.


def loader_of(batch_size, **place):
    order = RandomSampler(train_set, generator=minigrad.Generator().manual_seed(args.seed))
    batches = BatchSampler(order, batch_size, drop_last=False)
    return DataLoader(train_set, batch_sampler=DistributedBatchSampler(batches, **place))


if world_size == 1:
    args.out.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(2, 8, figsize=(8.4, 2.9), layout="constrained")
    for k in range(2):
        images, labels = next(iter(loader_of(16, num_replicas=2, rank=k)))
        for axis, image in zip(axes[k], images.cpu().numpy().reshape(-1, 8, 8), strict=True):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(visible=True, color=COLOURS[k], linewidth=2)
        axes[k, 0].set_ylabel(f"rank {k}", color=COLOURS[k], fontsize=11)
    figure.suptitle("One batch of 16 digits, dealt out to two ranks")
    figure.savefig(args.out / "25_shares.png", dpi=120)

# %%
# The network
# -----------
# Each rank starts with other weights here, on purpose: ``DistributedDataParallel`` gives all of them rank 0's. From
# then on every ``backward()`` ends with a message: each rank puts its gradients in, and gets the mean over all ranks.
# Ranks that begin alike and take the same steps stay alike; the weights themselves are never sent again. (Read
# ``average_gradients`` in ``minigrad/distributed/parallel.py``, it is twenty lines.)
#
# Batch norm needs a word. It uses the mean and the variance of the samples that it sees, so on a share of the batch it
# computes something else than on all of it. ``SyncBatchNorm`` lets the ranks add up their sums first, and is batch norm
# of the whole batch again. We compute with 64 bits, so that equality can be seen to be one.

minigrad.manual_seed(args.seed + rank)
model = nn.Sequential(nn.Linear(64, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
model = nn.SyncBatchNorm.convert_sync_batchnorm(model).to(args.device, minigrad.float64)
model = distributed.DistributedDataParallel(model)
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loader = loader_of(64)

# %%
# Training
# --------
# The loop is that of one process, but for one factor. 1,257 images make 19 batches of 64, and one of 41, which two
# ranks cannot share evenly: 21 and 20. The message takes the plain mean of the gradients, so each rank multiplies its
# loss by n₀ · 2 / 41 or n₁ · 2 / 41 beforehand, and the mean is the weighted one. ``batch_weight`` asks the other ranks
# for their number and computes this; where all have equally many it is 1.
#
# Each rank keeps a list of its own losses, and counts what it saw.

own_losses, samples_seen, epoch_loss = [], 0, MeanMetric()
for epoch in range(1, epochs + 1):
    epoch_loss.reset()
    for x, y in loader:
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        (loss * distributed.batch_weight(len(x))).backward()
        optimizer.step()
        own_losses.append(loss.item())
        samples_seen += len(x)
        epoch_loss.update(loss.detach(), weight=len(x))
    mean_loss = distributed.sync(epoch_loss).compute().item()  # all ranks call this, though only one prints
    if epoch in (1, 2) or epoch % 4 == 0:
        say(f"epoch {epoch:2d}: mean loss {mean_loss:.4f}")

# %%
# Judging
# -------
# The test images are dealt out as well. Each rank counts its right answers, and ``sync`` adds up the counts. To average
# the ranks' accuracies would be the mistake from above once more: 360 images on 7 ranks are shares of 52 and 51.

accuracy = Accuracy(task="multiclass", num_classes=10)
images, labels = test_set[rank::world_size]
with minigrad.no_grad(), model.evaluating():
    accuracy.update(model.module(images), labels)
test_accuracy = distributed.sync(accuracy).compute().item()
say(f"test: {test_accuracy:.2%} right")

# %%
# What each rank saw
# ------------------
# At the end the ranks tell each other what they saw. If there are several, rank 0 hands it over in a file, should it
# have been asked to, and the copies are done. What follows is for one process.

mine = {"losses": own_losses, "samples": samples_seen, "parameters": model.module.cpu().state_dict()}
everybody = [None] * world_size
distributed.all_gather_object(everybody, mine)
distributed.destroy_process_group()
if world_size > 1:
    if rank == 0 and args.report is not None:
        minigrad.save({"ranks": everybody, "accuracy": test_accuracy}, args.report)
    sys.exit()

# %%
# The same on two processes
# -------------------------
# Now this file is started again, as two processes. ``python -m mpi4py`` runs a program so that an error in one process
# ends all of them; otherwise the others would wait for its message for ever. Two ranks need two GPUs; where there are
# fewer, they compute on the CPU, and the result is the same but for rounding. Without MPI installed (``pip install
# 'minigrad[dist]'``) the lesson goes on with one process and leaves the comparison out.


def on_several_processes(n):
    """Run this program on n processes and return its report; None where that is not possible."""
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    mpiexec, script = shutil.which("mpiexec", path=here), Path(sys.argv[0])
    if mpiexec is None or importlib.util.find_spec("mpi4py") is None or script.name != "25_many_processes.py":
        return None
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.npz"
        command = [mpiexec, "-n", str(n), sys.executable, "-m", "mpi4py", str(script), "--seed", str(args.seed)]
        command += ["--device", args.device if minigrad.cuda.device_count() >= n else "cpu"]
        command += ["--report", str(report), *["--quick"] * args.quick]
        environment = {**os.environ, "PYTHONPATH": str(Path(minigrad.__file__).parents[1])}  # the same minigrad
        subprocess.run(command, env=environment, check=True, timeout=300, stdout=subprocess.DEVNULL)
        return minigrad.load(report)


report = on_several_processes(2)
if report is None:
    print("\nnot compared with two processes, because MPI is not here; pip install 'minigrad[dist]'")
else:
    print("\n                 samples   first loss   last loss")
    for name, seen in [("one process", mine), *((f"rank {k} of 2", seen) for k, seen in enumerate(report["ranks"]))]:
        print(f"{name:14} {seen['samples']:9,} {seen['losses'][0]:12.4f} {seen['losses'][-1]:11.4f}")

# %%
# Two ranks, two losses, one mean
# -------------------------------
# What you should see: each rank has a loss of its own, now above and now below, since it sees other samples. Their
# weighted mean is the loss of one process, in every step. With one process only, the two rows of dots are missing.

steps = np.arange(1, len(own_losses) + 1)[:20]
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
axis.plot(steps, own_losses[:20], color="0.3", label="one process, the whole batch")
if report is not None:
    for k, seen in enumerate(report["ranks"]):
        name = f"rank {k}, half the batch"
        axis.plot(steps, seen["losses"][:20], "os"[k], color=COLOURS[k], markersize=5, label=name)
axis.set(xlabel="step of the first epoch", ylabel="cross entropy", xticks=steps[::2])
axis.set_title("Each rank sees another loss; the mean is the same")
axis.legend(frameon=False)
figure.savefig(args.out / "25_losses.png", dpi=120)

# %%
# Equal?
# ------
# The parameters after all steps are compared number by number. The two ranks must agree to the last bit, since both did
# the same with the same gradients. One process and two differ by rounding alone: they add up the same numbers in
# another order, and floating-point sums depend on that. One such error is about 10⁻¹⁶, and training lets it grow a
# little in every step; a mistake in the method would be a thousand million times as large.

if report is not None:
    zero, one = (seen["parameters"] for seen in report["ranks"])
    mean_of_first = np.mean([seen["losses"][0] for seen in report["ranks"]])  # shares of 32 and 32
    apart = max(
        float((zero[name] - value).abs().max() / value.abs().max()) for name, value in mine["parameters"].items()
    )
    print(f"\nrelative difference of one process and two, after {len(own_losses)} steps: {apart:.1e}")
    assert all(zero[name].equal(one[name]) for name in zero)
    assert [seen["samples"] for seen in report["ranks"]] == [epochs * (19 * 32 + 21), epochs * (19 * 32 + 20)]
    assert abs(mean_of_first - own_losses[0]) < 1e-12
    assert apart < 1e-9, apart
    assert abs(report["accuracy"] - test_accuracy) < 1e-6
assert samples_seen == epochs * len(train_set)
assert test_accuracy > (0.9 if args.quick else 0.95), test_accuracy

# %%
# Exercises
# ---------
# 1. Leave out ``batch_weight``. How large is the difference at the end now? Why is the difference smaller with
#    ``drop_last=True`` in the ``BatchSampler``, and how small?
# 2. Leave out ``convert_sync_batchnorm``. What are the means and variances now that each rank normalises with? With how
#    many ranks would they be useless?
# 3. Let only rank 0 call ``distributed.sync(accuracy)``. What happens, and why? (Ctrl-C ends it.)
# 4. Start the program by hand with ``mpiexec -n 4``, and measure the time of an epoch with 1, 2 and 4 processes. How
#    many cores has your machine? The guide's page on data parallelism predicts what to expect of larger networks.

"""What the tests run on several processes: ``python programs.py FOLDER NAME``; each rank saves what NAME returns."""

import copy
import os
import signal
import sys
from pathlib import Path

import numpy as np

import minigrad
from minigrad import autograd, distributed, metrics, nn, optim
from minigrad.datasets import Digits
from minigrad.distributed import ReduceOp
from minigrad.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedBatchSampler,
    RandomSampler,
    TensorDataset,
)


def said(function, *args, **kwargs):
    """Return the message of the error that a call raises."""
    try:
        function(*args, **kwargs)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


def samples(count=107):
    """A few digits in float64: 107 make four batches of 24 and one of 11, which no number of ranks divides."""
    digits = Digits("train")
    return TensorDataset(digits.data[:count].double(), digits.targets[:count])


def network(norm=False):
    minigrad.manual_seed(1 + distributed.get_rank())  # the ranks differ until they are told
    layers = [nn.Linear(64, 16), *[nn.BatchNorm1d(16)] * norm, nn.Tanh(), nn.Linear(16, 10)]
    return nn.Sequential(*layers).double()


def trained(model, optimizer, epochs=4, average=None, after_epoch=None, after_step=None, start=0, shards=True):
    """Train on ``samples``, 5 batches each epoch. The one loop of these tests, for one process and for many."""
    data = samples()
    generator = minigrad.Generator()
    batches = BatchSampler(RandomSampler(data, generator=generator), 24, drop_last=False)
    loader = DataLoader(data, batch_sampler=DistributedBatchSampler(batches))
    criterion = nn.CrossEntropyLoss()
    losses = []
    for epoch in range(start, epochs):
        generator.manual_seed(epoch)
        for x, y in loader:
            loss = criterion(model(x), y) * distributed.batch_weight(len(x))
            optimizer.zero_grad()
            loss.backward()
            if average is not None:
                average(model)
            optimizer.step()
            if after_step is not None:
                after_step()
            mean = loss.detach()
            distributed.all_reduce(mean, ReduceOp.AVG)
            losses.append(mean.item())
        if after_epoch is not None:
            after_epoch(epoch + 1)
    return losses


def parameters(model):
    return {name: x.detach().clone() for name, x in model.state_dict().items()}


def train():
    """All ways to the same parameters: gradients averaged one by one, in one, and by DistributedDataParallel."""
    results = {}
    for way in ("one_by_one", "flat", "ddp"):
        model = network()
        distributed.broadcast_parameters(model)
        average = {"one_by_one": lambda m: distributed.average_gradients(m, flat=False), "ddp": None}.get(
            way, distributed.average_gradients
        )
        wrapped = distributed.DistributedDataParallel(model) if way == "ddp" else model
        losses = trained(wrapped, optim.SGD(wrapped.parameters(), lr=0.3, momentum=0.9), average=average)
        results[way] = {"losses": losses, "parameters": parameters(model)}
    model = distributed.DistributedDataParallel(network())
    trained(model, optim.Adam(model.parameters(), lr=0.01))
    results["adam"] = {"losses": [], "parameters": parameters(model.module)}
    model = nn.SyncBatchNorm.convert_sync_batchnorm(network(norm=True))
    model = distributed.DistributedDataParallel(model)
    losses = trained(model, optim.SGD(model.parameters(), lr=0.3, momentum=0.9))
    results["sync_batch_norm"] = {"losses": losses, "parameters": parameters(model.module)}
    return results


def unweighted():
    """The classic mistake: the mean of the ranks' means, although their shares differ."""
    model = network()
    distributed.broadcast_parameters(model)
    distributed.batch_weight = lambda n: 1.0
    trained(model, optim.SGD(model.parameters(), lr=0.3, momentum=0.9), average=distributed.average_gradients)
    return parameters(model)


def collectives():
    rank, size = distributed.get_rank(), distributed.get_world_size()
    mine = minigrad.arange(6.0).reshape(2, 3) + rank
    results = {"backend": distributed.get_backend(), "size": size}
    for op in ReduceOp:
        x = mine.clone()
        distributed.all_reduce(x, op)
        results[op.name] = x
    x = mine.clone()
    distributed.reduce(x, size - 1, ReduceOp.AVG)
    results["reduce"] = x
    strided = mine.clone().t()
    version = strided._version
    distributed.all_reduce(strided)
    results["strided"], results["dated"] = strided.contiguous(), strided._version > version
    scalar = minigrad.tensor(float(rank))
    distributed.all_reduce(scalar)
    results["scalar"] = scalar
    whole = minigrad.tensor([rank, 2**40])
    distributed.broadcast(whole, src=1)
    results["broadcast"] = whole
    places = [minigrad.zeros(2, 3) for _ in range(size)]
    distributed.all_gather(places, mine)
    results["gathered"] = places
    objects = [None] * size
    distributed.all_gather_object(objects, {"rank": rank})
    results["objects"] = objects
    parameter = nn.Parameter(minigrad.ones(2) * rank)
    distributed.broadcast(parameter)
    results["parameter"] = parameter.detach()
    x = minigrad.tensor([float(rank)])  # a ring: each rank hands on what it got, until everybody has had everything
    total = x.clone()
    for _ in range(size - 1):
        if rank % 2:
            y = minigrad.empty(1)
            results["sender"] = distributed.recv(y, (rank - 1) % size)
            distributed.send(x, (rank + 1) % size)
        else:
            distributed.send(x, (rank + 1) % size)
            y = minigrad.empty(1)
            results["sender"] = distributed.recv(y)
        x = y
        total += x
    results["ring"] = total
    distributed.barrier()
    results["only on 0"] = distributed.rank_zero_only(lambda: rank)()
    results["weight"] = distributed.batch_weight(3 if rank == 0 else 1)
    results["said"] = [
        said(distributed.all_reduce, minigrad.ones(2), "sum"),
        said(distributed.all_reduce, minigrad.ones(2, dtype=minigrad.int64), ReduceOp.AVG),
        said(distributed.all_reduce, minigrad.ones(2, requires_grad=True) * 2),
        said(distributed.broadcast, minigrad.ones(2), size),
        said(distributed.all_gather, [minigrad.ones(2)], minigrad.ones(2)),
        said(distributed.send, minigrad.ones(2), rank),
        said(distributed.batch_weight, 0),
        said(distributed.broadcast_parameters, nn.Linear(2, 3 + rank)),
        said(lambda: list(DistributedBatchSampler([[rank, 2, 3]]))),
        said(lambda: list(DistributedBatchSampler([[1, 2, 3], [4]]))),
    ]
    return results


def uses_of_parameters():
    """Parameters that only some ranks use, or none; gradients of two dtypes."""
    rank = distributed.get_rank()
    results = {}
    for flat in (True, False):
        model = nn.ParameterDict({name: nn.Parameter(minigrad.ones(2)) for name in ("all", "some", "none", "frozen")})
        model["wide"] = nn.Parameter(minigrad.ones(3, dtype=minigrad.float64))
        model["frozen"].requires_grad_(False)
        loss = (model["all"] * (rank + 1.0)).sum() + model["wide"].sum() * rank
        if rank == 1:
            loss = loss + 4 * model["some"].sum()
        loss.backward()
        distributed.average_gradients(model, flat=flat)
        results[f"flat={flat}"] = {name: p.grad for name, p in model.items()}
    x = minigrad.ones(2, requires_grad=True)
    held = nn.ParameterList([nn.Parameter(x)])
    (held[0] ** 3).sum().backward(create_graph=True)
    results["said"] = said(distributed.average_gradients, held)
    buffers = nn.BatchNorm1d(2)
    buffers.running_mean.fill_(rank)
    distributed.average_buffers(buffers)
    results["buffers"] = parameters(buffers)
    return results


class TwoWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        self.register_buffer("count", minigrad.zeros(1))

    def forward(self, x, way):
        return (self.left if way == 0 else self.right)(x)


def wrapped():
    """What DistributedDataParallel does besides averaging."""
    DDP = nn.parallel.DistributedDataParallel
    rank = distributed.get_rank()
    x = minigrad.ones(1, 2) * (rank + 1.0)
    results = {}
    model = DDP(network())
    results["start"] = parameters(model)

    model = DDP(nn.Linear(2, 1, bias=False))
    with model.no_sync():
        model(x).sum().backward()
    results["no_sync"] = model.module.weight.grad.clone()
    model(10 * x).sum().backward()
    results["accumulated"] = model.module.weight.grad.clone()
    model(100 * x).sum().backward()  # without zero_grad: added to what is there
    results["added"] = model.module.weight.grad.clone()
    model.zero_grad()
    with model.no_sync():
        inside = model(x).sum()
    inside.backward()  # the forward decides
    results["forward in no_sync"] = model.module.weight.grad.clone()

    model.zero_grad()
    twin = copy.deepcopy(model)
    twin(x).sum().backward()
    results["copied"], results["original"] = twin.module.weight.grad, model.module.weight.grad

    model = DDP(TwoWays())
    model(x, 0).sum().backward()
    results["unused"] = said(model, x, 0)
    both = model(x, 0).sum() + model(x, 1).sum()
    results["autograd.grad"] = said(autograd.grad, both, list(model.parameters()))
    model.zero_grad()
    both = (model(x, 0) ** 2).sum() + (model(x, 1) ** 2).sum()
    results["create_graph"] = said(both.backward, create_graph=True)

    model = DDP(TwoWays(), find_unused_parameters=True)
    model.module.count.fill_(rank + 5)
    (model(x, rank % 2) + 0).sum().backward()
    results["each its own"] = [model.module.left.weight.grad, model.module.right.weight.grad]
    results["count"] = model.module.count
    model.zero_grad()
    model(x, 0).sum().backward()
    results["only left"] = [model.module.left.weight.grad, model.module.right.weight.grad]
    return results


def sync_batch_norm():
    """The same batches through SyncBatchNorm in shares, and through BatchNorm as a whole."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    generator = np.random.default_rng(5)
    results = {}
    for shape in ((11, 3), (7, 3, 4), (5, 3, 2, 4), (6, 3, 1, 2, 2)):
        for name, settings in (
            ("plain", {}),
            ("no momentum", {"momentum": None}),
            ("no affine", {"affine": False, "eps": 0.1}),
            ("no bias", {"bias": False}),
            ("untracked", {"track_running_stats": False}),
        ):
            layer = nn.SyncBatchNorm(shape[1], **settings).double()
            whole = getattr(nn, f"BatchNorm{max(len(shape) - 2, 1)}d")(shape[1], **settings).double()
            for p, q in zip(layer.parameters(), whole.parameters(), strict=True):
                p.data = q.data = minigrad.tensor(generator.normal(size=3))
            for _ in range(2):
                x, g = (3 + generator.normal(size=shape) for _ in range(2))
                mine = minigrad.tensor(x[rank::size], requires_grad=True)
                all_of_it = minigrad.tensor(x, requires_grad=True)
                y, reference = layer(mine), whole(all_of_it)
                y.backward(minigrad.tensor(g[rank::size]))
                reference.backward(minigrad.tensor(g))
            for p in layer.parameters():
                distributed.all_reduce(p.grad)
            layer.eval(), whole.eval()
            pairs = {
                "y": (y, reference[rank::size]),
                "dx": (mine.grad, all_of_it.grad[rank::size]),
                "evaluation": (layer(mine), whole(mine.detach())),
                **{f"d{n}": (p.grad, whole.get_parameter(n).grad) for n, p in layer.named_parameters()},
                **{n: (b.double(), whole.get_buffer(n).double()) for n, b in layer.named_buffers()},
            }
            results[f"{name} {shape}"] = {key: [a.detach(), b.detach()] for key, (a, b) in pairs.items()}
    layer = nn.SyncBatchNorm(2)
    results["one each"] = layer(minigrad.tensor([[1.0, 2.0]]) * (1 + rank)).detach()
    results["said"] = [
        said(layer, minigrad.ones(3, 4)),
        said(layer, minigrad.ones(3)),
        said(layer, minigrad.ones(3, 2).double()),
        said(nn.SyncBatchNorm(2), minigrad.ones(1 if rank == 0 else 0, 2)),
    ]
    return results


class Total(autograd.Function):
    """The loss of all ranks together, of which each rank differentiates its own."""

    @staticmethod
    def forward(ctx, own):
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, g):
        return g


class Share(autograd.Function):
    """The rows of a whole batch that are this rank's; on the way back, the rows of all ranks come together."""

    @staticmethod
    def forward(ctx, whole):
        ctx.shape = whole.shape
        return whole[distributed.get_rank() :: distributed.get_world_size()].clone()

    @staticmethod
    def backward(ctx, g):
        whole = Spread.apply(g, ctx.shape)
        return distributed.SumOverRanks.apply(whole)


class Spread(autograd.Function):
    @staticmethod
    def forward(ctx, part, shape):
        whole = part.new_zeros(*shape)
        whole[distributed.get_rank() :: distributed.get_world_size()] = part
        return whole

    @staticmethod
    def backward(ctx, g):
        return g[distributed.get_rank() :: distributed.get_world_size()].clone(), None


def gradients_across_ranks():
    """Differentiate through the messages, and compare with differences. All ranks change the same entry at a time."""
    generator = np.random.default_rng(2)
    layer = nn.SyncBatchNorm(2, affine=False).double()
    x = minigrad.tensor(generator.normal(size=(5, 2)), requires_grad=True)
    weights = minigrad.tensor(generator.normal(size=(5, 2)))

    def own_loss(mine):
        return (layer(mine) ** 3 * Share.apply(weights)).sum()

    def loss(x):
        return Total.apply(own_loss(Share.apply(x)))

    def slope(x):  # of all losses, by the samples of this rank
        mine = Share.apply(x)
        (g,) = autograd.grad(own_loss(mine), mine, create_graph=True)
        return Total.apply((g**2).sum())

    return {"first": bool(autograd.gradcheck(loss, (x,))), "second": bool(autograd.gradcheck(slope, (x,)))}


def scores():
    """Metrics of 50 samples that lie on the ranks unevenly: rank 1 has none if there are more than two."""
    rank, size = distributed.get_rank(), distributed.get_world_size()
    generator = np.random.default_rng(3)
    predicted, truth = generator.random((50, 3)), generator.integers(0, 3, 50)
    settings = {"task": "multiclass", "num_classes": 3}
    collection = metrics.MetricCollection([metrics.Accuracy(**settings), metrics.ConfusionMatrix(**settings)])
    curve = metrics.AUROC(**settings)
    loss, largest = metrics.MeanMetric(), metrics.MaxMetric()
    owner = np.where(np.arange(50) % 5 == 0, 0, size - 1)
    for start in range(0, 50, 8):
        rows = np.flatnonzero(owner[start : start + 8] == rank) + start
        if len(rows):
            p, t = minigrad.tensor(predicted[rows]), minigrad.tensor(truth[rows])
            collection.update(p, t)
            curve.update(p, t)
            loss.update(p.mean(), weight=len(rows))
            largest.update(p.max())
    before = loss.update_count
    values = distributed.sync(collection).compute()
    for metric in (curve, loss, largest):
        values[type(metric).__name__] = distributed.sync(metric).compute()
    return {"values": values, "untouched": loss.update_count == before}


def fails():
    model = network()
    if distributed.get_rank() == 1:
        raise KeyError("the wrong turning")
    distributed.broadcast_parameters(model)  # waits for rank 1


def checkpointed(path, dies=""):
    """Train with a checkpoint after each epoch, from the last one if there is one; rank 1 dies in the third epoch."""
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    start = 0
    if os.path.exists(path):
        saved = minigrad.load(path)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["epoch"]
    model = distributed.DistributedDataParallel(model)
    steps = 0

    def after_step():
        nonlocal steps
        steps += 1
        if dies and steps == 13 and distributed.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    @distributed.rank_zero_only
    def save(epoch):
        state = {"model": model.module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        minigrad.save(state, path)

    trained(model, optimizer, after_epoch=save, after_step=after_step, start=start)
    return {"parameters": parameters(model.module), "started": start}


def on_gpus():
    """Train by NCCL, both of them stand-ins, and count what is read back from the device."""
    import strict_cupy

    from launched.fake_nccl import installed

    with strict_cupy.installed() as cp, installed(cp) as sent:
        distributed.init_process_group("nccl")
        results = {"backend": distributed.get_backend()}
        x = minigrad.tensor([1.0, 2.0], device="cuda") * (distributed.get_rank() + 1)
        for op in ReduceOp:
            y = x.clone()
            distributed.all_reduce(y, op)
            results[op.name] = y.cpu()
        places = [minigrad.zeros(2, device="cuda") for _ in range(2)]
        distributed.all_gather(places, x)
        results["gathered"] = [place.cpu() for place in places]
        y = x.clone()
        distributed.reduce(y, 1)
        distributed.broadcast(y, 1)
        results["reduced"] = y.cpu()
        if distributed.get_rank() == 0:
            distributed.send(x, 1)
        else:
            results["sender"] = distributed.recv(y, 0)
            results["said"] = said(distributed.recv, y)
        results["received"] = y.cpu()

        model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)).double()
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model).to("cuda")
        model = distributed.DistributedDataParallel(model, device_ids=[0])
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        generator = np.random.default_rng(0)
        for step in range(3):
            images = minigrad.tensor(generator.normal(size=(6, 4))[distributed.get_rank() :: 2], device="cuda")
            if step == 1:
                del sent[:]
                before = cp.syncs
            loss = model(images).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if step == 1:
                results["messages"], results["read"] = list(sent), cp.syncs - before
        results["parameters"] = parameters(model.module.cpu())
    return results


def main(folder, name, *arguments):
    if name != "on_gpus":
        distributed.init_process_group()
    result = globals()[name](*arguments)
    minigrad.save(result, Path(folder) / f"{distributed.get_rank()}.npz")


if __name__ == "__main__":
    main(*sys.argv[1:])

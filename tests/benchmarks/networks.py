"""Workloads beyond the plain MLP, beside PyTorch: the same program with the same names, run on both libraries."""

import importlib
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

THREADS = 2
DEVICE = "cpu"  # or "cuda": `on_a_gpu` sets it

Step = Callable[[], Any]
Arrays = tuple[Any, ...]


def package(name: str) -> Any:
    """Import torch or minigrad with the rooms that are used here."""
    found = importlib.import_module(name)
    if found.__file__ is None:
        raise ImportError(f"{name} is a folder without an __init__.py")
    for room in ("nn", "optim", "utils.data"):
        importlib.import_module(f"{name}.{room}")
    if name == "torch":
        found.set_num_threads(THREADS)
    return found


def images(batch: int, channels: int, size: int) -> Arrays:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, channels, size, size)).astype(np.float32), rng.integers(0, 10, batch)


def rows(batch: int, features: int) -> Arrays:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, features)).astype(np.float32), rng.integers(0, 10, batch)


def words(batch: int, length: int) -> Arrays:
    rng = np.random.default_rng(0)
    return rng.integers(0, 100, (batch, length)), rng.integers(0, 10, batch)


def series(batch: int, length: int, features: int) -> Arrays:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, length, features)).astype(np.float32), rng.integers(0, 10, batch)


# ---- models


def normalized_mlp(nn: Any, dropout: float = 0.2) -> Any:
    layers = []
    for fan_in, fan_out in ((784, 256), (256, 128)):
        layers += [nn.Linear(fan_in, fan_out), nn.BatchNorm1d(fan_out), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(128, 10))


def lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def cnn(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 10),
    )  # fmt: skip


def transformer(nn: Any) -> Any:
    """An embedding, one block with LayerNorm and GELU, and the mean over the tokens."""

    class Model(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(100, 64)
            self.block = nn.TransformerEncoderLayer(64, 2, 256, dropout=0.0, activation="gelu", batch_first=True)
            self.out = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.block(self.embedding(x)).mean(1))

    return Model()


def lstm(nn: Any) -> Any:
    class Model(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(64, 128, batch_first=True)
            self.out = nn.Linear(128, 10)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(x)[0][:, -1])

    return Model()


def fill(lib: Any, model: Any) -> None:
    """Give both libraries' models the same values."""
    rng = np.random.default_rng(1)
    values = {}
    for name, value in model.state_dict().items():
        shape = tuple(value.shape)
        if "num_batches" in name:
            values[name] = lib.tensor(0)
        elif "running" in name or (("norm" in name or value.ndim == 1) and name.endswith("weight")):
            values[name] = lib.tensor(np.ones(shape, np.float32))
        else:
            bound = max(int(np.prod(shape[1:])), 1) ** -0.5
            values[name] = lib.tensor(rng.uniform(-bound, bound, shape).astype(np.float32))
    model.load_state_dict(values)


def training_step(name: str, build: Callable[[Any], Any], inputs: Any, labels: Any) -> Step:
    lib = package(name)
    model = build(lib.nn)
    fill(lib, model)
    model.to(DEVICE)
    optimizer = lib.optim.Adam(model.parameters(), lr=1e-3)
    criterion = lib.nn.CrossEntropyLoss()
    x, target = lib.tensor(inputs).to(DEVICE), lib.tensor(labels).to(DEVICE)

    def step() -> Any:
        optimizer.zero_grad()
        loss = criterion(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


# ---- what is not a network


def chain(name: str, n: int) -> Step:
    """Record n small ops and walk back: what an op costs."""
    lib = package(name)
    x = lib.full((4,), 1.0, requires_grad=True)

    def step() -> Any:
        y = x
        for _ in range(n):
            y = y * 1.0001
        loss = y.sum()
        loss.backward()
        x.grad = None
        return loss

    return step


def hessian_vector_product(name: str, sizes: tuple[int, ...], inputs: Any, labels: Any) -> Step:
    lib = package(name)
    layers: list[Any] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [lib.nn.Linear(fan_in, fan_out), lib.nn.Tanh()]
    model = lib.nn.Sequential(*layers[:-1])
    fill(lib, model)
    criterion = lib.nn.CrossEntropyLoss()
    x, target = lib.tensor(inputs), lib.tensor(labels)
    parameters = list(model.parameters())
    v = [lib.tensor(np.cos(np.arange(p.numel(), dtype=np.float32)).reshape(tuple(p.shape))) for p in parameters]

    def step() -> Any:
        loss = criterion(model(x), target)
        gradients = lib.autograd.grad(loss, parameters, create_graph=True)
        product = sum((g * u).sum() for g, u in zip(gradients, v, strict=True))
        found = lib.autograd.grad(product, parameters)
        return found[0].sum()

    return step


def epoch_of_data(name: str, features: Any, labels: Any) -> Step:
    lib = package(name)
    data = lib.utils.data
    dataset = data.TensorDataset(lib.tensor(features), lib.tensor(labels))
    loader = data.DataLoader(dataset, batch_size=128, shuffle=True)

    def step() -> Any:
        return sum(len(y) for _, y in loader)

    return step


def data_arrays() -> Arrays:
    rng = np.random.default_rng(0)
    return rng.standard_normal((60_000, 784)).astype(np.float32), rng.integers(0, 10, 60_000)


def optimizer_step(name: str, optimizer: str, options: dict[str, Any], n: int, value: Any, gradient: Any) -> Step:
    """One update of n parameters in ten tensors, with gradients that stay."""
    lib = package(name)
    pieces = [lib.nn.Parameter(lib.tensor(value[k : k + n // 10])) for k in range(0, n // 10 * 10, n // 10)]
    for k, p in enumerate(pieces):
        p.grad = lib.tensor(gradient[k * (n // 10) : (k + 1) * (n // 10)])
    update = getattr(lib.optim, optimizer)(pieces, **options)

    def step() -> Any:
        update.step()
        return pieces[0][0]

    return step


def flat_arrays(n: int) -> Arrays:
    rng = np.random.default_rng(0)
    return rng.standard_normal(n, dtype=np.float32), rng.standard_normal(n, dtype=np.float32)


def beside_torch(make: Callable[..., Step], *args: Any) -> dict[str, Callable[..., Step]]:
    return {name: partial(make, name, *args) for name in ("torch", "minigrad")}

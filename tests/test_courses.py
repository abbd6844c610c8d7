"""Programs of the kind that courses print, with the numbers they print: run on minigrad, and on PyTorch if it is there.

Each is a function of the library. Only the import would have to be changed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Program = Callable[[Any], None]


def descent_on_a_parabola(torch: Any) -> None:
    """x^2 from 4 with rate 0.1: x shrinks to 0.8 of itself in each step."""
    x = torch.tensor([4.0], requires_grad=True)
    for i in range(10):
        loss = x**2
        loss.backward()
        with torch.no_grad():
            x -= 0.1 * x.grad
        x.grad.zero_()
        print(f"Iteration {i + 1}: x = {x.item()}, loss = {loss.item()}")


PARABOLA = """\
Iteration 1: x = 3.200000047683716, loss = 16.0
Iteration 2: x = 2.559999942779541, loss = 10.24000072479248
Iteration 3: x = 2.047999858856201, loss = 6.553599834442139
Iteration 4: x = 1.6383998394012451, loss = 4.194303512573242
Iteration 5: x = 1.3107198476791382, loss = 2.684354066848755
Iteration 6: x = 1.0485758781433105, loss = 1.7179864645004272
Iteration 7: x = 0.8388606905937195, loss = 1.0995113849639893
Iteration 8: x = 0.6710885763168335, loss = 0.7036872506141663
Iteration 9: x = 0.5368708372116089, loss = 0.45035988092422485
Iteration 10: x = 0.4294966757297516, loss = 0.288230299949646
"""


def line_model(torch: Any, weight: float, bias: float) -> tuple[Any, Any, Any]:
    """Return a model of y = w x + b with these values, and the points (1, 3), (2, 5), (3, 7), (4, 9) to fit."""

    class Line(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super(Line, self).__init__()  # noqa: UP008  (as courses write it)
            self.linear = torch.nn.Linear(1, 1)

        def forward(self, x: Any) -> Any:
            return self.linear(x)

    model = Line()
    model.load_state_dict({"linear.weight": torch.tensor([[weight]]), "linear.bias": torch.tensor([bias])})
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]], dtype=torch.float32)
    return model, x, torch.tensor([[3.0], [5.0], [7.0], [9.0]], dtype=torch.float32)


def fit(torch: Any, model: Any, optimizer: Any, x: Any, y: Any, epochs: int, every: int, digits: int) -> None:
    criterion = torch.nn.MSELoss()
    for epoch in range(epochs):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (epoch + 1) % every == 0:
            print(f"Epoch [{epoch + 1}/{epochs}], Loss: {loss.item():.{digits}f}")
    print(f"Prediction for input 5: {model(torch.tensor([[5.0]])).item():.5f}")


def regression_with_sgd(torch: Any) -> None:
    """A slide prints these losses and the final weight, from a start that it does not tell.

    Late losses of gradient descent fall along the flattest direction of the parabola, the eigenvector (1, -2.94) of
    the Hessian with eigenvalue 0.2994, by (1 - 0.001 * 0.2994)^2 in each step. Going back from the final weight along
    it for 5,000 steps gives a start from which the printed numbers follow, all but the first: how the real start got
    onto that line, and how float32 rounded on the way, is not known.
    """
    back = 0.9998 * (1 - 0.001 * 0.2993903) ** -5000
    model, x, y = line_model(torch, 2 - 0.0148921013 * back, 1 + 2.94012 * 0.0148921013 * back)
    fit(torch, model, torch.optim.SGD(model.parameters(), lr=0.001), x, y, 5000, 500, 6)
    print(f"weight {model.linear.weight.item():.4f}, bias {model.linear.bias.item():.4f}")


SGD = """\
Epoch [500/5000], Loss: 0.004741
Epoch [1000/5000], Loss: 0.003514
Epoch [1500/5000], Loss: 0.002605
Epoch [2000/5000], Loss: 0.001931
Epoch [2500/5000], Loss: 0.001431
Epoch [3000/5000], Loss: 0.001061
Epoch [3500/5000], Loss: 0.000786
Epoch [4000/5000], Loss: 0.000583
Epoch [4500/5000], Loss: 0.000432
Epoch [5000/5000], Loss: 0.000320
Prediction for input 5: 10.96932
weight 1.9851, bias 1.0438
"""


def regression_with_adam(torch: Any) -> None:
    """The same with Adam; this start was found by trying all, and gives the ten printed losses and the prediction."""
    model, x, y = line_model(torch, 0.782953, 0.4992345)
    fit(torch, model, torch.optim.Adam(model.parameters(), lr=0.01), x, y, 1000, 100, 4)


ADAM = """\
Epoch [100/1000], Loss: 0.9058
Epoch [200/1000], Loss: 0.0475
Epoch [300/1000], Loss: 0.0345
Epoch [400/1000], Loss: 0.0275
Epoch [500/1000], Loss: 0.0211
Epoch [600/1000], Loss: 0.0156
Epoch [700/1000], Loss: 0.0111
Epoch [800/1000], Loss: 0.0076
Epoch [900/1000], Loss: 0.0051
Epoch [1000/1000], Loss: 0.0032
Prediction for input 5: 10.89612
"""


def tensors(torch: Any) -> None:
    print(torch.tensor([1, 2, 3]) + torch.tensor([4, 5, 6]))
    readings = torch.tensor([[72, 75, 78], [70, 73, 76]])
    print(tuple(readings.shape), str(readings.dtype).removeprefix("torch."))
    print(readings + torch.tensor([[2, 2, 2], [2, 2, 2]]))
    print(torch.tensor(np.arange(3.0)), torch.from_numpy(np.array(10)).double())


TENSORS = """\
tensor([5, 7, 9])
(2, 3) int64
tensor([[74, 77, 80],
        [72, 75, 78]])
tensor([0., 1., 2.], dtype=torch.float64) tensor(10., dtype=torch.float64)
"""


def activations(torch: Any) -> None:
    nn = torch.nn
    print(nn.Sigmoid()(torch.tensor([[0.8]])))
    scores = torch.tensor([[1.0, -6.0, 2.5, -0.3, 1.2, 0.8]])
    with pytest.warns(UserWarning, match="dim"):
        print(nn.Softmax()(scores))
    print(round(nn.Softmax(-1)(scores).sum().item(), 5))
    print(torch.relu(torch.tensor([-1, 0, 1])), torch.nn.functional.one_hot(torch.tensor([1, 0, 3]), num_classes=5))
    x = torch.tensor(-1.0, requires_grad=True)
    nn.ReLU()(x).backward()
    print(x.grad, nn.LeakyReLU(negative_slope=0.05)(torch.tensor(-2.0)))


ACTIVATIONS = """\
tensor([[0.6900]])
tensor([[1.2828e-01, 1.1698e-04, 5.7492e-01, 3.4961e-02, 1.5669e-01, 1.0503e-01]])
1.0
tensor([0, 0, 1]) tensor([[0, 1, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0]])
tensor(0.) tensor(-0.1000)
"""


def losses(torch: Any) -> None:
    nn, F = torch.nn, torch.nn.functional
    scores = torch.tensor([[0.1, 6.0, -2.0, 3.2]])
    label = F.one_hot(torch.tensor([2]), scores.shape[1])
    print(nn.CrossEntropyLoss()(scores.double(), label.double()))
    print(nn.CrossEntropyLoss()(scores, torch.tensor([2])))
    print(nn.MSELoss()(torch.from_numpy(np.array(10)).double(), torch.from_numpy(np.array(1)).double()))


LOSSES = """\
tensor(8.0619, dtype=torch.float64)
tensor(8.0619)
tensor(81., dtype=torch.float64)
"""


def networks(torch: Any) -> None:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 2), nn.Linear(2, 1))
    print(sum(p.numel() for p in model.parameters()), [tuple(p.shape) for p in model.parameters()][:2])
    print(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Dropout(p=0.5)))
    for name, parameter in model.named_parameters():
        if name in ("0.weight", "0.bias"):
            parameter.requires_grad = False
    model(torch.Tensor([[1.0] * 16])).sum().backward()
    print(model[0].weight.grad, model[1].bias.grad is not None)
    layer = nn.Linear(16, 32)
    nn.init.uniform_(layer.weight)
    print(bool((layer.weight >= 0).all()), layer.weight.mean().item() > 0.4)
    first, second = nn.Linear(1, 1), nn.Linear(1, 1)  # y = 2x + 3 and z = 5y - 1: together z = 10x + 14
    for line, w, b in ((first, 2.0, 3.0), (second, 5.0, -1.0)):
        nn.init.constant_(line.weight, w)
        nn.init.constant_(line.bias, b)
    print(nn.Sequential(first, second)(torch.Tensor([1.0])).tolist())


NETWORKS = """\
81 [(4, 16), (4,)]
Sequential(
  (0): Linear(in_features=8, out_features=4, bias=True)
  (1): ReLU()
  (2): Dropout(p=0.5, inplace=False)
)
None True
True True
[24.0]
"""


def data_and_evaluation(torch: Any) -> None:
    data = torch.utils.data
    features, target = torch.tensor(np.arange(96.0).reshape(12, 8)), torch.tensor(np.arange(12.0).reshape(12, 1))
    dataset = data.TensorDataset(features, target)
    print([part.tolist() for part in dataset[-1]])
    loader = data.DataLoader(dataset, batch_size=5, shuffle=True)
    print(sorted(len(x) for x, _ in loader), sorted(float(v) for _, y in loader for v in y) == list(range(12)))
    model, criterion = torch.nn.Sequential(torch.nn.Linear(8, 1)).double(), torch.nn.MSELoss()
    model.eval()
    total = 0.0
    with torch.no_grad():
        for batch in data.DataLoader(dataset, batch_size=4):
            total += criterion(model(batch[0]), batch[1]).item()
    model.train()
    print(total / 3 > 0, model.training)


DATA = """\
[[88.0, 89.0, 90.0, 91.0, 92.0, 93.0, 94.0, 95.0], [11.0]]
[2, 5, 5] True
True True
"""


def schedules(torch: Any) -> None:
    """The tables of the slides: 1 / (1 + epoch), 0.95^epoch, k / sqrt(epoch + 1), and rates piece by piece."""
    lr_scheduler = torch.optim.lr_scheduler
    for name, make in (
        ("1/t", lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch))),
        ("0.95^t", lambda o: lr_scheduler.ExponentialLR(o, 0.95)),
        ("1/sqrt(t)", lambda o: lr_scheduler.LambdaLR(o, lambda epoch: (epoch + 1) ** -0.5)),
        ("pieces", lambda o: lr_scheduler.MultiplicativeLR(o, lambda epoch: {2: 0.5, 3: 0.2}.get(epoch, 1.0))),
    ):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2 if name == "1/t" else 0.1)
        scheduler = make(optimizer)
        rates = []
        for _ in range(4):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        print(name, [round(float(rate), 4) for rate in rates])


SCHEDULES = """\
1/t [0.2, 0.1, 0.0667, 0.05]
0.95^t [0.1, 0.095, 0.0902, 0.0857]
1/sqrt(t) [0.1, 0.0707, 0.0577, 0.05]
pieces [0.1, 0.1, 0.05, 0.01]
"""


def moving_average(torch: Any) -> None:
    """40, 49 and beta 0.98: the plain average starts far too low, the corrected one does not."""
    v = torch.zeros(())
    for t, reading in enumerate(torch.tensor([40.0, 49.0]), 1):
        v = 0.98 * v + 0.02 * reading
        print(f"{v.item():.4f} {(v / (1 - 0.98**t)).item():.1f}")


MOVING_AVERAGE = """\
0.8000 40.0
1.7640 44.5
"""


PROGRAMS: list[tuple[Program, str]] = [
    (descent_on_a_parabola, PARABOLA),
    (regression_with_sgd, SGD),
    (regression_with_adam, ADAM),
    (tensors, TENSORS),
    (activations, ACTIVATIONS),
    (losses, LOSSES),
    (networks, NETWORKS),
    (data_and_evaluation, DATA),
    (schedules, SCHEDULES),
    (moving_average, MOVING_AVERAGE),
]


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=[program.__name__ for program, _ in PROGRAMS])
@pytest.mark.parametrize("library", ["minigrad", "torch"])
def test_prints_what_the_course_prints(
    library: str, program: Program, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module("minigrad") if library == "minigrad" else pytest.importorskip("torch")
    importlib.import_module(f"{library}.utils.data")
    program(module)
    assert capsys.readouterr().out.replace("dtype=minigrad.", "dtype=torch.") == printed


def test_accuracy_over_an_epoch() -> None:
    import minigrad
    from minigrad import metrics

    metric = metrics.Accuracy(task="multiclass", num_classes=3)
    outputs = minigrad.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 2.0], [5.0, 0.0, 1.0]])
    labels = minigrad.nn.functional.one_hot(minigrad.tensor([0, 1, 2, 1]), 3)
    batches = [metric(outputs[k : k + 2], labels[k : k + 2].argmax(dim=-1)).item() for k in (0, 2)]
    assert batches == [1.0, 0.5] and metric.compute().item() == 0.75
    metric.reset()
    with pytest.raises(TypeError, match="task"):
        metrics.Accuracy()

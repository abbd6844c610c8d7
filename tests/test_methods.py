"""The table of methods: what is done in place is what is done out of place, values and gradients; what is refused."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Tensor
from minigrad.autograd import grad

from .ops.samples import ROWS, Row

RESHAPING = ("t_", "transpose_", "swapaxes_", "swapdims_", "squeeze_", "unsqueeze_", "resize_", "resize_as_")
OTHERS = (*RESHAPING, "polygamma_")  # polygamma(n, input) has the tensor behind
IN_PLACE = [row for row in ROWS if hasattr(Tensor, f"{row.op}_") and f"{row.op}_" not in OTHERS]


def outcome(row: Row, sample: Any, in_place: bool) -> Any:
    """Return the result of a call on a computed tensor, and the gradients; None if it does not fit into the tensor."""
    leaves: list[Tensor] = []

    def make(array: Any) -> Tensor:
        leaves.append(minigrad.from_numpy(np.array(array)))
        return leaves[-1].requires_grad_(row.gradient and array.dtype.kind == "f")

    (first, *args), kwargs = row.filled(sample, make)
    if not isinstance(first, Tensor):
        return None
    x = first.clone()
    if not in_place:
        y = getattr(Tensor, row.op)(x, *args, **kwargs)
        if not isinstance(y, Tensor) or y.shape != x.shape or (y.dtype != x.dtype and y.dtype.kind not in "b"):
            return None
        y = y.to(x.dtype)
    else:
        version = x._version
        y = getattr(Tensor, f"{row.op}_")(x, *args, **kwargs)
        assert y is x and x._version == version + 1
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    found = grad(y.square().sum(), wanted, allow_unused=True) if y.requires_grad else []
    return [y.detach().numpy(), *(None if g is None else g.numpy() for g in found)]


@pytest.mark.parametrize("row", IN_PLACE, ids=lambda row: row.id)
def test_in_place_is_what_it_is_out_of_place(row: Row) -> None:
    compared = 0
    for sample in row.calls:
        expected = outcome(row, sample, in_place=False)
        if expected is None:
            continue
        for a, b in zip(outcome(row, sample, in_place=True), expected, strict=True):
            assert (a is None) == (b is None), sample
            if a is not None:
                np.testing.assert_array_equal(a, b, err_msg=repr(sample))
        compared += 1
    assert compared or row.note, "no call of this row keeps the shape"


def test_many_methods_have_a_form_in_place() -> None:
    assert len({row.op for row in IN_PLACE}) >= 35


@pytest.mark.parametrize("name", RESHAPING)
def test_shapes_do_not_change_in_place(name: str) -> None:
    x = minigrad.zeros(2, 3)
    with pytest.raises(NotImplementedError, match=rf"{name}: a tensor does not change its shape .* x = x\.") as error:
        getattr(x, name)(0, 1)
    better = str(error.value).rsplit("x.", 1)[1].split("(")[0]
    assert hasattr(x, better) and x.shape == (2, 3)


@pytest.mark.parametrize("look", ["unfold", "diagonal", "select", "narrow", "T", "tensor_split"])
def test_views_share_the_record_of_writes(look: str) -> None:
    """A value that was saved for backward is missed when somebody writes into it through a view."""
    views = {
        "unfold": lambda x: x.unfold(1, 2, 1),
        "diagonal": lambda x: x.diagonal(),
        "select": lambda x: x.select(0, 1),
        "narrow": lambda x: x.narrow(1, 0, 2),
        "T": lambda x: x.T,
        "tensor_split": lambda x: x.tensor_split(2)[0],
    }
    w = minigrad.ones(3, 4, requires_grad=True)
    x = minigrad.ones(3, 4)
    view = views[look](x)
    assert np.shares_memory(view.array, x.array)
    loss = (w * x).sum()
    view.fill_(2.0)
    with pytest.raises(RuntimeError, match=r"fill_\(\)"):
        loss.backward()
    other = views[look](x)
    loss = (views[look](w) * other).sum()
    x.mul_(3.0)
    with pytest.raises(RuntimeError, match=r"mul_\(\)"):
        loss.backward()
    with pytest.raises(RuntimeError, match="this tensor is a view"):
        views[look](x).mul_(minigrad.ones((), requires_grad=True))


def test_the_first_argument_of_composed_functions_is_called_input() -> None:
    """As in PyTorch; ops take that name, too."""
    called = {"tensors", "tensor", "condition", "elements", "sorted_sequence", "y", "x", "shapes"}
    sheets = {"shape", "indexing", "scattering", "reduction", "cumulative", "sorting", "statistics", "diagonals"}
    checked = 0
    for name, function in vars(minigrad).items():
        if inspect.isfunction(function) and function.__module__.removeprefix("minigrad.ops.") in sheets:
            first = next(iter(inspect.signature(function).parameters))
            assert first in called | {"input"}, name
            checked += first == "input"
    assert checked > 70

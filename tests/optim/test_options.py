"""Options: PyTorch's names, order, defaults, repr and ranges; what is refused; how a wrong name is answered."""

import inspect

import numpy as np
import pytest

import minigrad
from minigrad import optim

NAMES = [name for name in optim.__all__ if name not in ("Optimizer", "lr_scheduler", "swa_utils")]
EACH = pytest.mark.parametrize("name", NAMES)


def matrix():
    return minigrad.zeros(3, 2, requires_grad=True)


def made(name, **options):
    return getattr(optim, name)([matrix()], **options)


@EACH
def test_signature_defaults_and_repr_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    ours, theirs = (inspect.signature(getattr(lib, name)).parameters.values() for lib in (optim, torch.optim))
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]
    reference = getattr(torch.optim, name)([torch.zeros(3, 2, requires_grad=True)])
    assert made(name).defaults == reference.defaults
    assert repr(made(name)) == repr(reference)


def test_repr_with_other_options_and_names():
    torch = pytest.importorskip("torch")
    ours = optim.SGD([("w", matrix())], lr=0.1)
    theirs = torch.optim.SGD([("w", torch.zeros(3, 2, requires_grad=True))], lr=0.1)
    for opt, param in ((ours, matrix()), (theirs, torch.zeros(3, 2, requires_grad=True))):
        opt.add_param_group({"params": [("v", param)], "lr": 0.5, "mine": 3})
    assert repr(ours) == repr(theirs)


@EACH
@pytest.mark.parametrize("lr", [np.float64(0.25), np.float32(0.25), minigrad.tensor(0.25), minigrad.tensor([0.25])])
def test_rate_as_a_number_of_another_kind(name, lr):
    opt = made(name, lr=lr)
    assert type(opt.param_groups[0]["lr"]) is float
    assert opt.param_groups[0]["lr"] == 0.25
    w = opt.param_groups[0]["params"][0]
    w.grad = minigrad.ones(3, 2)
    opt.param_groups[0]["lr"] = lr  # and later on
    opt.step((lambda: minigrad.tensor(1.0)) if name == "LBFGS" else None)
    assert w.dtype == np.float32
    assert w.array.any()


def test_options_of_adam_as_tensors():
    betas = minigrad.tensor(0.5), np.float64(0.75)
    assert made("Adam", betas=betas).param_groups[0]["betas"] == (0.5, 0.75)
    assert made("Adam", betas=[0.5, 0.75]).param_groups[0]["betas"] == [0.5, 0.75]


# ----------------------------------------------------------------------------------------------------------------
# Ranges: both refuse


OUT_OF_RANGE = [
    *((name, {"lr": -0.1}, r"a number lr >= 0, got -0\.1") for name in NAMES),
    *((name, {"lr": "0.1"}, "a number lr >= 0, got '0.1'") for name in NAMES),
    *((name, {"weight_decay": -1}, "weight_decay >= 0, got -1") for name in NAMES if name not in ("Rprop", "LBFGS")),
    *((name, {"betas": (1.0, 0.9)}, "0 <= beta < 1") for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")),
    *((name, {"betas": (0.9,)}, "betas of two") for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")),
    *(
        (name, {"eps": -1}, "eps >= 0")
        for name in NAMES
        if name in ("Adagrad", "Adadelta", "RMSprop", "NAdam", "RAdam")
    ),
    ("SGD", {"momentum": -1}, "momentum >= 0"),
    ("SGD", {"nesterov": True}, "with nesterov"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "with nesterov"),
    ("Adagrad", {"lr_decay": -1}, "lr_decay >= 0"),
    ("Adagrad", {"initial_accumulator_value": -1}, "initial_accumulator_value >= 0"),
    ("Adadelta", {"rho": -0.1}, "rho >= 0"),
    ("Adadelta", {"rho": 1.1}, "rho <= 1"),
    ("RMSprop", {"alpha": -1}, "alpha >= 0"),
    ("RMSprop", {"momentum": -1}, "momentum >= 0"),
    ("Rprop", {"etas": (0, 1.2)}, r"0 < eta- < 1 < eta\+, got \(0, 1\.2\)"),
    ("Rprop", {"etas": (0.5, 1.0)}, "0 < eta- < 1"),
    ("NAdam", {"momentum_decay": -1}, "momentum_decay >= 0"),
    ("Adafactor", {"beta2_decay": 0.1}, "beta2_decay <= 0"),
    ("Adafactor", {"eps": (-1, 1)}, "eps1 None or >= 0"),
    ("Adafactor", {"eps": (None, -1)}, "eps2 >= 0"),
    ("Adafactor", {"d": 0.5}, "d >= 1"),
    ("Muon", {"momentum": -1}, "momentum >= 0"),
    ("Muon", {"adjust_lr_fn": "sqrt"}, "adjust_lr_fn to be one of .* got 'sqrt'"),
]


@pytest.mark.parametrize(("name", "options", "message"), OUT_OF_RANGE)
def test_out_of_range(name, options, message):
    with pytest.raises(ValueError, match=rf"^{name}: expected .*{message}"):
        made(name, **options)
    if name != "LBFGS":
        opt = made(name)
        with pytest.raises(ValueError, match=message):
            opt.add_param_group({"params": [matrix()], **options})
        assert len(opt.param_groups) == 1
        assert len(opt.state_dict()["state"]) == (name == "Adagrad")


@pytest.mark.parametrize(("name", "options", "message"), OUT_OF_RANGE)
def test_pytorch_refuses_them_too(name, options, message):
    torch = pytest.importorskip("torch")
    with pytest.raises((ValueError, TypeError, IndexError)):
        getattr(torch.optim, name)([torch.zeros(3, 2, requires_grad=True)], **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Muon", {"ns_steps": 100}),
        ("Muon", {"ns_coefficients": (1.0, 2.0)}),
        ("LBFGS", {"history_size": 0}),
        ("LBFGS", {"line_search_fn": "wolfe"}),
    ],
)
def test_refused_earlier_than_in_pytorch(name, options):
    with pytest.raises(ValueError, match=f"{name}: expected .*{next(iter(options))}"):
        made(name, **options)


def test_muon_takes_matrices():
    for shape in ((3,), (2, 3, 4), ()):
        with pytest.raises(ValueError, match=r"Muon: expected matrices \(AdamW takes the rest\), and parameter 1"):
            optim.Muon([matrix(), minigrad.zeros(shape, requires_grad=True)])
    with pytest.raises(ValueError, match="parameter 0 of group 1"):
        made("Muon").add_param_group({"params": [minigrad.zeros(3, requires_grad=True)]})


# ----------------------------------------------------------------------------------------------------------------
# Not supported


@EACH
@pytest.mark.parametrize("option", ["fused", "capturable", "differentiable"])
def test_ways_of_computing_that_are_refused(name, option):
    if option not in made(name).defaults:
        with pytest.raises(TypeError, match=f"{name}: got an unknown option '{option}'"):
            made(name, **{option: True})
        return
    with pytest.raises(
        NotImplementedError, match=f"{name}: {option}=True is not supported: .*(leave it out|write w = w)"
    ):
        made(name, **{option: True})
    assert made(name, **{option: False}).param_groups[0][option] is False


@EACH
@pytest.mark.parametrize("foreach", [None, False, True])
def test_foreach_changes_nothing(name, foreach):
    if "foreach" not in made(name).defaults:
        pytest.skip("has no such option")
    opt, twin = made(name, foreach=foreach), made(name)
    for optimizer in (opt, twin):
        w = optimizer.param_groups[0]["params"][0]
        w.grad = minigrad.arange(6.0).reshape(3, 2)
        optimizer.step()
    assert opt.param_groups[0]["foreach"] is foreach
    np.testing.assert_array_equal(opt.param_groups[0]["params"][0].array, w.array)


def test_sparse_adam_is_not_here():
    with pytest.raises(AttributeError, match="has no 'SparseAdam': there are no sparse gradients; use Adam"):
        _ = optim.SparseAdam
    with pytest.raises(AttributeError, match=r"^minigrad\.optim has no 'Adamm'$"):
        _ = optim.Adamm


# ----------------------------------------------------------------------------------------------------------------
# Wrong names


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("SGD", "learning_rate", "lr"),
        ("SGD", "momentun", "momentum"),
        ("SGD", "beta", "momentum"),
        ("Adam", "beta1", "betas"),
        ("Adam", "beta", "betas"),
        ("Adam", "epsilon", "eps"),
        ("AdamW", "weight_dcay", "weight_decay"),
        ("RMSprop", "centred", "centered"),
        ("LBFGS", "max_iters", "max_iter"),
        ("Muon", "decay", "weight_decay"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(name, wrong, right):
    with pytest.raises(
        TypeError, match=f"{name}: got an unknown option '{wrong}'; did you mean '{right}'.*Its options are"
    ):
        made(name, **{wrong: 0.1})
    if name != "LBFGS":
        with pytest.raises(
            TypeError, match=f"{name}: got an unknown option '{wrong}' in a group; did you mean '{right}'"
        ):
            getattr(optim, name)([{"params": [matrix()], wrong: 0.1}])


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(TypeError, match=r"unknown option 'colour' Its options are lr, momentum, .*fused\.$"):
        made("SGD", colour=1)


def test_a_group_may_carry_other_entries():
    groups = [{"params": [matrix()], "name": "backbone", "lr_scale": 0.1, "max_lr": 1.0, "initial_lr": 0.2}]
    assert optim.AdamW(groups).param_groups[0]["name"] == "backbone"


def test_a_subclass_has_the_names_of_its_own_init():
    class Twice(optim.SGD):
        def __init__(self, params, factor, **others):
            super().__init__(params, lr=2 * factor, **others)

    assert Twice([matrix()], factor=1, momentum=0.5).param_groups[0]["lr"] == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'momentun'"):
        Twice([matrix()], factor=1, momentun=0.5)

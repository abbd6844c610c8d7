"""Module: attributes, walking, modes, moving, saving and loading, hooks, errors."""

import copy
import pickle
import re
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.out = nn.Linear(8, 2)
        self.scale = nn.Parameter(minigrad.ones(2))
        self.register_buffer("count", minigrad.zeros(1))
        self.register_buffer("scratch", minigrad.zeros(1), persistent=False)

    def forward(self, x):
        return self.out(self.features(x)) * self.scale


def torch_net(torch):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.features = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU())
            self.out = torch.nn.Linear(8, 2)
            self.scale = torch.nn.Parameter(torch.ones(2))
            self.register_buffer("count", torch.zeros(1))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)

    return Net()


def message(kind, call, *args, **kwargs):
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# ----------------------------------------------------------------------------------------------------------------
# Attributes


def test_parameter_shares_memory_and_forgets_history():
    x = minigrad.tensor([1.0, 2.0], requires_grad=True) * 2
    p = nn.Parameter(x)
    assert p.is_leaf
    assert p.requires_grad
    assert p.array is x.array
    assert type(p * 1) is minigrad.Tensor
    assert repr(nn.Parameter(minigrad.tensor([1.0, 2.0]))) == (
        "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    )
    assert nn.Parameter().numel() == 0
    assert not nn.Parameter(minigrad.arange(3), requires_grad=False).requires_grad


def test_parameter_refuses_what_is_no_float_tensor():
    assert message(TypeError, nn.Parameter, np.ones(2)) == (
        "Parameter: expected a Tensor, got ndarray; wrap it first: Parameter(minigrad.tensor(...))"
    )
    assert "only floating" in message(RuntimeError, nn.Parameter, minigrad.arange(3))


def test_order_is_that_of_assignment_and_plain_tensors_do_not_count():
    m = nn.Module()
    m.later = None
    m.b = nn.Parameter(minigrad.ones(1))
    m.constant = minigrad.ones(1)
    m.later = nn.Parameter(minigrad.ones(1))
    m.child = nn.Linear(1, 1)
    m.b = nn.Parameter(minigrad.zeros(1))  # in its old place
    assert [name for name, _ in m.named_parameters()] == ["b", "later", "child.weight", "child.bias"]
    m.b = None
    del m.later
    assert [name for name, _ in m.named_parameters(recurse=False)] == []


def test_forgotten_super_init():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

    assert message(AttributeError, Forgetful) == (
        "Forgetful.fc: call super().__init__() first, before Forgetful.__init__ assigns layers"
    )

    class Buffered(nn.Module):
        def __init__(self):
            self.register_buffer("x", minigrad.ones(1))

    assert message(AttributeError, Buffered) == ("Buffered: call super().__init__() first, before register_buffer")


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (lambda: [nn.Linear(1, 1)], "list that holds Modules: .* Use nn.ModuleList([...])"),
        (lambda: (nn.Linear(1, 1),), "tuple that holds Modules: .* Use nn.ModuleList([...])"),
        (lambda: {"a": nn.Linear(1, 1)}, "dict that holds Modules: .* Use nn.ModuleDict({...})"),
        (lambda: [nn.Parameter(minigrad.ones(1))], "list that holds Parameters: .* Use nn.ParameterList([...])"),
        (lambda: {"a": nn.Parameter(minigrad.ones(1))}, "dict that holds Parameters: .* Use nn.ParameterDict({...})"),
    ],
)
def test_modules_in_a_plain_list_are_refused(value, right):
    m = nn.Module()
    text = message(TypeError, setattr, m, "layers", value())
    pattern = ".*".join(re.escape(part) for part in right.split(".*"))
    assert re.fullmatch(rf"Module\.layers is a {pattern}", text), text
    assert "layers" not in vars(m)


def test_modules_appended_to_a_plain_list_are_refused_when_parameters_are_asked_for():
    m = nn.Module()
    m.layers = []
    m.layers.append(nn.Linear(1, 1))
    assert message(TypeError, list, m.parameters()).startswith("Module.layers is a list that holds Modules")


def test_a_list_of_modules_that_are_members_anyway_is_fine():
    m = nn.Module()
    m.a, m.b = nn.Linear(1, 1), nn.Linear(1, 1)
    m.order = [m.b, m.a]
    m.trained = list(m.parameters())
    assert len(list(m.parameters())) == 4
    m.sizes = [1, 2, 3]


def test_assigning_over_members():
    m = Net()
    assert message(TypeError, setattr, m, "scale", minigrad.ones(2)) == (
        "Net.scale is a parameter and cannot become a Tensor; set it to None or delete it first. Wrap it: "
        "nn.Parameter(x); to change only the values, write x.data = ..."
    )
    assert message(TypeError, setattr, m, "out", 3) == (
        "Net.out is a module and cannot become a int; set it to None or delete it first."
    )
    assert message(TypeError, setattr, m, "count", 3) == "Net.count is a buffer: expected a Tensor or None, got int"
    assert "parameter and cannot become a module" in message(TypeError, setattr, m, "scale", nn.ReLU())
    assert "choose another one" in message(AttributeError, setattr, m, "modules", nn.ReLU())
    leaf = nn.Parameter(minigrad.ones(2))
    computed = leaf * 2
    computed.__class__ = nn.Parameter
    assert "must be a leaf" in message(ValueError, setattr, m, "scale", computed)
    m.count = minigrad.ones(1)
    assert m.get_buffer("count").item() == 1
    m.count = nn.Parameter(minigrad.ones(1))  # a buffer no longer
    assert "count" not in dict(m.named_buffers())
    assert "count" in dict(m.named_parameters())


def test_register_functions_check_name_and_type():
    m = Net()
    p, b = nn.Parameter(minigrad.ones(1)), minigrad.ones(1)
    for register, value in ((m.register_parameter, p), (m.register_buffer, b), (m.register_module, nn.ReLU())):
        assert "must not be empty" in message(KeyError, register, "a.b", value)
        assert "must not be empty" in message(KeyError, register, "", value)
        assert "already has an attribute 'forward'" in message(KeyError, register, "forward", value)
        assert "expected a string" in message(TypeError, register, 3, value)
        assert "expected a" in message(TypeError, register, "x", 3)
        register("x", None)
        assert m.x is None
        del m.x
    m.add_module("new", nn.ReLU())
    assert m.get_submodule("new") is m.new
    assert message(TypeError, m.add_module, "f", nn.ReLU) == (
        "Net: expected a Module as 'f', got ReLU: that is the class; make one with ReLU(...)"
    )
    assert message(TypeError, nn.Sequential, [nn.ReLU()]) == (
        "Sequential: expected a Module as '0', got list: unpack it, Sequential(*layers)"
    )
    assert "call functions in forward()" in message(TypeError, nn.Sequential, nn.functional.relu)


def test_dir_leaves_out_numbers():
    m = nn.Sequential(nn.ReLU())
    assert "0" in vars(m)
    assert "0" not in dir(m)
    assert "forward" in dir(m)
    assert "features" in dir(Net())


# ----------------------------------------------------------------------------------------------------------------
# Walking


def test_names_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours, theirs = Net(), torch_net(torch)
    for walk in ("named_parameters", "named_buffers", "named_children", "named_modules"):
        assert [name for name, _ in getattr(ours, walk)()] == [name for name, _ in getattr(theirs, walk)()], walk
    assert [n for n, _ in ours.named_parameters("net")] == [n for n, _ in theirs.named_parameters("net")]
    assert [n for n, _ in ours.named_parameters(recurse=False)] == ["scale"]
    assert [n for n, _ in ours.named_modules(prefix="net")] == [n for n, _ in theirs.named_modules(prefix="net")]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="net.")) == list(theirs.state_dict(prefix="net."))
    for key, value in theirs.state_dict().items():
        assert tuple(value.shape) == tuple(ours.state_dict()[key].shape)


def test_shared_members_come_once_unless_asked_for():
    torch = pytest.importorskip("torch")
    walks = []
    for lib in (nn, torch.nn):
        m = lib.Module()
        m.a = lib.Linear(2, 2)
        m.b = m.a
        m.c = lib.Linear(2, 2)
        m.c.weight = m.a.weight
        walks.append(
            [
                [n for n, _ in m.named_parameters()],
                [n for n, _ in m.named_parameters(remove_duplicate=False)],
                [n for n, _ in m.named_modules()],
                [n for n, _ in m.named_modules(remove_duplicate=False)],
                [n for n, _ in m.named_children()],
                list(m.state_dict()),
                repr(m),
            ]
        )
    assert walks[0] == walks[1]
    assert walks[0][0] == ["a.weight", "a.bias", "c.bias"]


def test_get_by_path():
    m = Net()
    assert m.get_submodule("") is m
    assert m.get_submodule("features.0") is m.features[0]
    assert m.get_parameter("features.0.weight") is m.features[0].weight
    assert m.get_buffer("features.1.running_mean") is m.features[1].running_mean
    assert message(AttributeError, m.get_submodule, "features.7") == (
        "Sequential has no module '7' (looking for 'features.7'); it has 0, 1, 2"
    )
    assert "has no parameter 'count'" in message(AttributeError, m.get_parameter, "count")
    assert "Net has no buffer 'scale'" in message(AttributeError, m.get_buffer, "scale")


def test_apply_visits_children_first():
    seen = []
    m = Net()
    assert m.apply(lambda module: seen.append(type(module).__name__)) is m
    assert seen == ["Linear", "BatchNorm1d", "ReLU", "Sequential", "Linear", "Net"]


# ----------------------------------------------------------------------------------------------------------------
# Modes and gradients


def test_train_eval_and_evaluating():
    m = Net()
    m.features[1].eval()
    before = [module.training for module in m.modules()]
    with pytest.raises(ZeroDivisionError), m.evaluating() as same:
        assert same is m
        assert not any(module.training for module in m.modules())
        raise ZeroDivisionError
    assert [module.training for module in m.modules()] == before
    assert all(module.training for module in m.train().modules())
    assert not any(module.training for module in m.eval().modules())
    assert "expected True or False" in message(ValueError, m.train, "yes")


def test_train_calls_an_overridden_train():
    class Frozen(nn.BatchNorm1d):
        def train(self, mode=True):
            return super().train(False)

    m = nn.Sequential(Frozen(2), nn.ReLU()).train()
    assert [module.training for module in m.modules()] == [True, False, True]


def test_requires_grad_and_zero_grad():
    m = Net()
    m.features.requires_grad_(False)
    m(minigrad.randn(5, 4)).sum().backward()
    assert m.features[0].weight.grad is None
    assert m.out.weight.grad is not None
    grad = m.out.weight.grad.array
    m.zero_grad(set_to_none=False)
    assert m.out.weight.grad.array is grad
    assert not grad.any()
    m.zero_grad()
    assert all(p.grad is None for p in m.parameters())


# ----------------------------------------------------------------------------------------------------------------
# Moving


def test_to_keeps_identity_and_moves_gradients():
    m = Net()
    m(minigrad.randn(5, 4)).sum().backward()
    before = list(m.parameters())
    assert m.double() is m
    for p, q in zip(before, m.parameters(), strict=True):
        assert p is q
        assert p.dtype == p.grad.dtype == minigrad.float64
        assert p.is_leaf
        assert p.requires_grad
    assert m.features[1].running_var.dtype == minigrad.float64
    assert m.features[1].num_batches_tracked.dtype == minigrad.int64
    assert m(minigrad.randn(5, 4, dtype=minigrad.float64)).dtype == minigrad.float64
    assert m.float().scale.dtype == minigrad.float32
    assert m.to(dtype=minigrad.float64).scale.dtype == minigrad.float64
    assert m.to(minigrad.ones(1)).scale.dtype == minigrad.float32
    kept = m.scale.array
    assert m.to("cpu", minigrad.float32).cpu().scale.array is kept
    assert message(TypeError, m.to, minigrad.int64) == "Net.to: expected a floating dtype, got int64"


def test_to_another_device_and_back_without_reading_values():
    with strict_cupy.installed() as cp:
        m = Net()
        weight, optimizer_holds = m.out.weight, list(m.parameters())
        m(minigrad.randn(5, 4)).sum().backward()
        m.cuda()
        assert all(p.is_cuda and p.grad.is_cuda for p in m.parameters())
        assert all(b.is_cuda for b in m.buffers())
        assert m.out.weight is weight
        x = minigrad.randn(5, 4).cuda()
        before = cp.syncs
        m(x).sum().backward()
        assert cp.syncs == before
        m.cpu()
        assert not any(p.is_cuda or p.grad.is_cuda for p in m.parameters())
        assert all(p is q for p, q in zip(optimizer_holds, m.parameters(), strict=True))


# ----------------------------------------------------------------------------------------------------------------
# Copies


def test_deepcopy_and_pickle_copy_values_and_keep_sharing():
    m = Net()
    m.tied = m.features[0].weight
    m.register_forward_hook(print)
    m._hooks.clear()
    x = minigrad.randn(5, 4)
    m(x).sum().backward()
    m.eval()
    for other in (copy.deepcopy(m), pickle.loads(pickle.dumps(m))):
        assert [n for n, _ in other.named_parameters()] == [n for n, _ in m.named_parameters()]
        assert other.tied is other.features[0].weight
        assert type(other.tied) is nn.Parameter
        assert other.tied.requires_grad
        assert other.tied.grad is None
        assert not other.training
        np.testing.assert_array_equal(other(x).detach().numpy(), m(x).detach().numpy())
        other.scale.data.zero_()
        other.count.fill_(7)
        assert m.scale.tolist() == [1, 1]
        assert m.count.item() == 0
        assert list(other.state_dict()) == list(m.state_dict())


def test_hooks_of_a_deepcopy_are_its_own():
    calls = []
    m = nn.ReLU()
    handle = m.register_forward_hook(lambda *_: calls.append(1))
    other = copy.deepcopy(m)
    handle.remove()
    m(minigrad.ones(1))
    assert calls == []
    other(minigrad.ones(1))
    assert calls == [1]


# ----------------------------------------------------------------------------------------------------------------
# state_dict, load_state_dict


def test_state_dict_looks_at_the_modules_memory():
    m = Net()
    state = m.state_dict()
    assert state["scale"].array is m.scale.array
    assert not state["scale"].requires_grad
    assert type(state["scale"]) is minigrad.Tensor
    assert m.state_dict(keep_vars=True)["scale"] is m.scale
    assert "scratch" not in state
    into = {"x": minigrad.ones(1)}
    assert m.state_dict(destination=into) is into
    assert len(into) == len(state) + 1


def test_load_state_dict_copies_into_the_same_memory():
    a, b = Net(), Net()
    a(minigrad.randn(5, 4))
    weight, array = b.out.weight, b.out.weight.array
    result = b.load_state_dict(a.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert result.missing_keys == result.unexpected_keys == []
    assert b.out.weight is weight
    assert weight.array is array
    assert array is not a.out.weight.array
    for key, value in a.state_dict().items():
        np.testing.assert_array_equal(b.state_dict()[key].numpy(), value.numpy())


def test_loading_is_noticed_by_a_backward_that_needs_the_old_values():
    m = nn.Linear(2, 2)
    y = m(minigrad.ones(1, 2, requires_grad=True))
    m.load_state_dict(m.state_dict())
    assert "load_state_dict() has overwritten it" in message(RuntimeError, y.sum().backward)


def test_loading_converts_dtype_and_keeps_the_modules():
    m = nn.Linear(2, 2)
    m.load_state_dict(nn.Linear(2, 2).double().state_dict())
    assert m.weight.dtype == minigrad.float32


def test_load_from_pytorch():
    torch = pytest.importorskip("torch")
    theirs, ours = torch_net(torch), Net()
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    y = theirs.out(theirs.features(torch.tensor(x))) * theirs.scale
    np.testing.assert_allclose(ours(minigrad.tensor(x)).detach().numpy(), y.detach().numpy(), atol=1e-6)


def test_a_state_dict_that_does_not_fit_is_one_table_and_changes_nothing():
    m = nn.Sequential(OrderedDict(fc1=nn.Linear(3, 2), fc2=nn.Linear(2, 2)))
    state = {
        "fc1.wieght": minigrad.zeros(2, 3),
        "fc1.bias": minigrad.zeros(2),
        "fc2.weight": minigrad.zeros(2, 5),
        "fc2.bias": [0.0, 0.0],
        "extra": minigrad.zeros(1),
    }
    before = {key: value.numpy().copy() for key, value in m.state_dict().items()}
    assert message(RuntimeError, m.load_state_dict, state) == (
        "Sequential.load_state_dict: the state_dict does not fit, and nothing was loaded.\n"
        "  key         in this module  in the state_dict\n"
        "  fc2.weight  (2, 2)          (2, 5)             other shape\n"
        "  fc2.bias    (2,)            list               not a minigrad.Tensor: wrap it in minigrad.tensor(...)\n"
        "  fc1.weight  (2, 3)          missing            did you mean 'fc1.wieght'?\n"
        "  fc1.wieght  unexpected      (2, 3)\n"
        "  extra       unexpected      (1,)\n"
        "  Shapes must agree in any case; strict=False only allows missing and unexpected keys."
    )
    assert "other shape" in message(RuntimeError, m.load_state_dict, state, strict=False)
    for key, value in m.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])


def test_not_strict_loads_what_fits_and_returns_the_rest():
    m = nn.Linear(2, 2)
    result = m.load_state_dict({"bias": minigrad.tensor([5.0, 6.0]), "gain": minigrad.ones(1)}, strict=False)
    assert m.bias.tolist() == [5.0, 6.0]
    assert tuple(result) == (["weight"], ["gain"])
    assert repr(result) == "IncompatibleKeys(missing_keys=['weight'], unexpected_keys=['gain'])"
    missing = message(RuntimeError, m.load_state_dict, {})
    assert missing.endswith("\n  strict=False loads what fits, and returns the missing and unexpected keys.")


def test_a_checkpoint_around_the_state_dict_is_recognised():
    m = nn.Linear(2, 2)
    text = message(RuntimeError, m.load_state_dict, {"epoch": 3, "model": m.state_dict()})
    assert text.endswith("\n  state_dict['model'] is a dict that does have such keys: load that one.")
    assert message(TypeError, m.load_state_dict, "model.npz") == (
        "Linear.load_state_dict: expected a dict of tensors, got str"
    )


def test_a_long_table_is_cut():
    m = nn.Sequential(*(nn.Linear(1, 1) for _ in range(40)))
    text = message(RuntimeError, m.load_state_dict, {})
    assert "... and 50 more" in text
    assert text.count("missing") == 30 + 1


def test_shared_parameters_load_once():
    def tied():
        m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        m[1].weight = m[0].weight
        return m

    m, state = tied(), tied().state_dict()
    m.load_state_dict(state)
    assert m[1].weight is m[0].weight
    m.load_state_dict(state, assign=True)
    assert m[1].weight is m[0].weight
    assert m[0].weight.array is state["0.weight"].array
    untied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).state_dict()
    assert "is the same parameter as '0.weight' here, but not there" in message(RuntimeError, m.load_state_dict, untied)


def test_assign_takes_the_given_tensors():
    m, other = nn.BatchNorm1d(2), nn.BatchNorm1d(2).double()
    m.weight.requires_grad_(False)
    state = other.state_dict()
    m.load_state_dict(state, assign=True)
    assert isinstance(m.weight, nn.Parameter)
    assert m.weight.array is state["weight"].array
    assert (m.weight.requires_grad, m.bias.requires_grad) == (False, True)
    assert m.running_mean is state["running_mean"]
    assert "running_mean" in dict(m.named_buffers())
    assert list(m.state_dict()) == list(other.state_dict())


# ----------------------------------------------------------------------------------------------------------------
# Hooks


def hook_log(lib, tensor):
    """Everything the hooks of one run see and change, in order."""
    log = []
    m = lib.Sequential(lib.Identity(), lib.Identity())
    inner = m[0]
    inner.register_forward_pre_hook(lambda mod, args: log.append(("pre 1", args[0].tolist())))
    inner.register_forward_pre_hook(lambda mod, args: args[0] * 2)
    inner.register_forward_pre_hook(lambda mod, args: log.append(("pre first", args[0].tolist())), prepend=True)
    inner.register_forward_pre_hook(lambda mod, args, kw: ((args[0] + 1,), kw), with_kwargs=True)
    inner.register_forward_hook(lambda mod, args, out: log.append(("post 1", args[0].tolist(), out.tolist())))
    inner.register_forward_hook(lambda mod, args, out: out * 10)
    inner.register_forward_hook(lambda mod, args, kw, out: log.append(("kw", kw, out.tolist())), with_kwargs=True)
    handle = inner.register_forward_hook(lambda mod, args, out: log.append("removed"))
    handle.remove()
    handle.remove()
    with inner.register_forward_hook(lambda mod, args, out: log.append("within")):
        m(tensor([1.0]))
    log.append(m(tensor([1.0])).tolist())
    return log


def test_forward_hooks_see_and_change_what_pytorchs_do():
    torch = pytest.importorskip("torch")
    ours = hook_log(nn, minigrad.tensor)
    assert ours == hook_log(torch.nn, torch.tensor)
    assert ours[0] == ("pre first", [1.0])
    assert "within" in ours
    assert "removed" not in ours


def backward_log(lib, tensor, requires_grad=True):
    log = []

    def show(grads):
        return [None if g is None else g.tolist() for g in grads]

    class Mul(lib.Module):
        def forward(self, a, factor, b):
            return a * b * factor

    m = Mul()
    m.register_full_backward_pre_hook(lambda mod, go: log.append(("pre", show(go))))
    m.register_full_backward_pre_hook(lambda mod, go: (go[0] * 2,))
    m.register_full_backward_hook(lambda mod, gi, go: log.append(("hook", show(gi), show(go))))
    if requires_grad:
        m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 10, None, gi[2]))
    m.register_full_backward_hook(lambda mod, gi, go: log.append(("last", show(gi))))
    a = tensor([1.0, 2.0], requires_grad=requires_grad)
    b = tensor([3.0, 4.0], requires_grad=requires_grad)
    w = tensor([1.0, 1.0], requires_grad=True)
    y = m(a, 5.0, b) if requires_grad else m(a, w, b)
    (y.sum() + a.sum()).backward()
    log.append([None if x.grad is None else x.grad.tolist() for x in (a, b, w)])
    return log


def test_backward_hooks_see_and_change_what_pytorchs_do():
    torch = pytest.importorskip("torch")
    ours = backward_log(nn, minigrad.tensor)
    assert ours == backward_log(torch.nn, torch.tensor)
    assert ours[-1] == [[301.0, 401.0], [10.0, 20.0], None]


def test_backward_hook_of_a_layer_whose_input_needs_no_grad():
    torch = pytest.importorskip("torch")
    logs = []
    for lib, ones in ((nn, minigrad.ones), (torch.nn, torch.ones)):
        log = []
        m = lib.Linear(2, 1)
        m.register_full_backward_hook(lambda mod, gi, go, log=log: log.append((gi, go[0].tolist())))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of exactly this case
            m(ones(3, 2)).sum().backward()
        logs.append([*log, m.bias.grad.tolist()])
    assert logs[0] == logs[1] == [((None,), [[1.0], [1.0], [1.0]]), [3.0]]


def test_backward_hooks_can_be_differentiated_again():
    torch = pytest.importorskip("torch")
    results = []
    for lib in (minigrad, torch):
        m = lib.nn.Identity()
        m.register_full_backward_hook(lambda mod, gi, go: (gi[0] * 3,))
        x = lib.tensor([2.0], requires_grad=True)
        (g,) = lib.autograd.grad((m(x) ** 3).sum(), x, create_graph=True)
        (h,) = lib.autograd.grad(g.sum(), x)
        results.append([g.tolist(), h.tolist()])
    assert results[0] == results[1] == [[36.0], [108.0]]  # each walk passes the hook: 3 * 12, 3 * (3 * 12)


def test_backward_hook_errors():
    class Outputs(nn.Module):
        def forward(self, x):
            return {"x": x}

    m = Outputs()
    m.register_full_backward_hook(lambda *_: None)
    assert message(TypeError, m, minigrad.ones(1, requires_grad=True)) == (
        "Outputs: a module with backward hooks must return a Tensor or a tuple of Tensors, got dict"
    )
    m = nn.Identity()
    m.register_full_backward_hook(lambda mod, gi, go: (None,))
    y = m(minigrad.ones(1, requires_grad=True))
    assert "full backward hook: expected None or 1 gradients" in message(RuntimeError, y.backward)
    m = nn.Identity()
    m.register_forward_pre_hook(lambda mod, args, kwargs: args, with_kwargs=True)
    assert "expected None or a tuple (args, kwargs)" in message(RuntimeError, m, minigrad.ones(1))


def test_backward_hooks_stay_out_of_the_way_without_gradients():
    m = nn.Identity()
    m.register_full_backward_hook(lambda *_: pytest.fail("no backward was asked for"))
    x = minigrad.ones(2, requires_grad=True)
    with minigrad.no_grad():
        assert m(x) is x
    assert m(minigrad.ones(2)).tolist() == [1, 1]


# ----------------------------------------------------------------------------------------------------------------
# Errors on the way through modules


def test_input_errors_carry_the_path():
    m = Net()
    assert message(RuntimeError, m, minigrad.ones(8, 64)) == (
        "Net.features.0 (Linear 4 -> 8): expected input (..., 4), got (8, 64).\n"
        "  Did you mean to flatten first, or is the previous layer 64 wide?"
    )
    assert message(RuntimeError, m.features, minigrad.ones(8, 64)).startswith("Sequential.0 (Linear 4 -> 8): ")
    assert message(RuntimeError, m.out, minigrad.ones(8, 64)).startswith("Linear 8 -> 2: expected")


def test_the_path_of_a_layer_called_across_levels():
    class Reach(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, x):
            return self.net.features[0](x)

    outer = nn.Sequential(nn.Identity(), Reach())
    assert message(RuntimeError, outer, minigrad.ones(8, 64)).startswith(
        "Sequential.1.net.features.0 (Linear 4 -> 8): "
    )


def test_own_input_errors_and_other_exceptions():
    class Picky(nn.Module):
        def forward(self, x):
            raise self.input_error("expected something else", ValueError)

    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("as it was")

    assert message(ValueError, nn.Sequential(Picky()), 1) == "Sequential.0 (Picky): expected something else"
    assert message(ValueError, nn.Sequential(Broken()), 1) == "as it was"


def test_errors_stand_alone():
    with pytest.raises(RuntimeError) as caught:
        Net()(minigrad.ones(8, 64))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_forward_missing():
    class Nothing(nn.Module):
        pass

    class Misspelt(nn.Module):
        def foward(self, x):
            return x

    assert message(NotImplementedError, Nothing(), 1) == (
        "Nothing: a module computes in its forward(), and Nothing has none: define forward(self, input) in the class"
    )
    assert message(NotImplementedError, Misspelt(), 1) == (
        "Misspelt: a module computes in its forward(), and Misspelt has none; it has foward(): is that it, misspelt?"
    )


# ----------------------------------------------------------------------------------------------------------------
# Printing


def test_repr_is_pytorchs():
    torch = pytest.importorskip("torch")
    texts = []
    for lib in (nn, torch.nn):

        class Block(lib.Module):
            def __init__(self, lib=lib):
                super().__init__()
                self.seq = lib.Sequential(lib.Linear(2, 3), lib.Sequential(lib.ReLU(), lib.Tanh()))
                self.drop = lib.Dropout(0.1)

            def extra_repr(self):
                return "one line"

        class Two(Block):
            def extra_repr(self):
                return "line=1\nline=2"

        class Bare(lib.Module):
            def extra_repr(self):
                return "a=1\nb=2"

        texts.append([repr(Block()), repr(Two()), repr(Bare()), repr(lib.Module())])
    assert texts[0] == texts[1]

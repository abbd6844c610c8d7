import io
import json
import os
import pickle
import sys
from collections import OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.serialization import LoadError, load, read_metadata, save


def round_trip(obj, **kwargs):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **kwargs)


def identical(a, b):
    """Compare with types, dtypes, shapes and the order of keys."""
    if type(a) is not type(b):
        return False
    if isinstance(a, minigrad.Tensor):
        return a.requires_grad == b.requires_grad and identical(a.array, b.array)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return identical(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    return a == b or (a != a and b != b)


VALUES = {
    "plain": [None, True, False, 0, 1, -3, 2**100, 0.1, 1e300, float("inf"), float("nan"), "", "Übung \u2028 \ud800"],
    "nested": {"a": [(), (1,), [[]], {}], "b": {"c": {"d": ((1, 2), [3])}}},
    "keys": {0: "int", "0": "str", None: 1, True: 2, 0.5: 3, (1, "x"): 4},
    "kinds of dict": {"o": OrderedDict([("z", 1), ("a", 2)]), "d": {"z": 1, "a": 2}},
    "names like our own": {"tensor": "array 0", "dict": [["tensor", "array 0"]], "minigrad": 1, "file": 2},
    "0-d": minigrad.tensor(1.5),
    "empty": minigrad.zeros(0, 3),
    "transposed": minigrad.arange(6).reshape(2, 3).T,
    "strided": minigrad.arange(12).reshape(3, 4)[::2, 1:],
    "leaf": minigrad.ones(2, requires_grad=True),
    "result": minigrad.ones(2, requires_grad=True) * 2,
    "arrays": [np.array(3), np.asfortranarray(np.eye(3)[:, :2]), np.array(["text"]), np.arange(3, dtype=">i4")],
    "scalars": [np.float32(0.1), np.int64(3), np.bool_(True), np.float64(0.1)],
    "dtypes": [np.dtype("float32"), minigrad.bool],
    **{
        f"dtype {name}": minigrad.tensor(np.array([[0, 1], [1, 0]]).astype(name))
        for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")
    },
}


@pytest.mark.parametrize("name", VALUES)
def test_comes_back_exactly(name):
    assert identical(round_trip(VALUES[name]), VALUES[name])
    assert identical(round_trip({"x": VALUES[name]}), {"x": VALUES[name]})


def test_a_loaded_tensor_is_a_leaf():
    result = minigrad.ones(2, requires_grad=True) * 2
    loaded = round_trip(result)
    assert loaded.is_leaf
    assert loaded.requires_grad
    assert (result.tolist(), loaded.tolist()) == ([2.0, 2.0], [2.0, 2.0])


def test_a_loaded_tensor_has_memory_of_its_own():
    x = minigrad.ones(2)
    loaded = round_trip({"a": x, "b": x})
    loaded["a"][0] = 5.0
    assert (x.tolist(), loaded["b"].tolist()) == ([1.0, 1.0], [1.0, 1.0])


def test_a_checkpoint(tmp_path):
    checkpoint = {
        "model": OrderedDict([("0.weight", minigrad.randn(3, 2)), ("0.bias", minigrad.zeros(3))]),
        "optimizer": {
            "state": {0: {"step": 3, "exp_avg": minigrad.randn(3, 2)}, 1: {"step": 3, "exp_avg": minigrad.zeros(3)}},
            "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "amsgrad": False, "maximize": None, "params": [0, 1]}],
        },
        "scheduler": {"last_epoch": 3, "_last_lr": [1e-3], "lr_lambdas": [None]},
        "generator": minigrad.Generator().manual_seed(3).get_state(),
    }
    save(checkpoint, tmp_path / "checkpoint.npz")
    loaded = load(tmp_path / "checkpoint.npz")
    assert identical(loaded, checkpoint)
    a, b = (minigrad.Generator().set_state(state["generator"]) for state in (checkpoint, loaded))
    assert a.uniform((3,)).tolist() == b.uniform((3,)).tolist()


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_paths_are_used_as_given(tmp_path, kind):
    path = kind(tmp_path / "model.checkpoint")
    save([1, 2], path)
    assert load(path) == [1, 2]
    assert os.listdir(tmp_path) == ["model.checkpoint"]


def test_open_files(tmp_path):
    with open(tmp_path / "x", "wb") as file:
        save({"a": minigrad.ones(1)}, file)
    with open(tmp_path / "x", "rb") as file:
        assert load(file)["a"].tolist() == [1.0]


def test_numpy_reads_it_too(tmp_path):
    save({"weight": minigrad.arange(3), 3: (None, 0.5)}, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["weight"].tolist() == [0, 1, 2]
        assert json.loads(file["minigrad"].tobytes())["content"] == {
            "dict": [["weight", {"tensor": "weight"}], [3, {"tuple": [None, 0.5]}]]
        }


ODD_NAMES = [
    "a.b",
    "file",
    "minigrad",
    "__metadata__",
    "x.npy",
    "a/../b",
    "a\\b",
    "a\nb",
    "",
    "l" * 300,
    "\ud800",
    "file_",
]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_names_that_mean_something_else_in_a_file(tmp_path, ending):
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    odd = {name: minigrad.tensor(k) for k, name in enumerate(ODD_NAMES)}
    odd["a"] = {"b": minigrad.tensor(100), 0: minigrad.tensor(101), "0": [minigrad.tensor(102)]}
    odd["x"] = minigrad.tensor(103)
    save(odd, tmp_path / f"x.{ending}")
    assert identical(load(tmp_path / f"x.{ending}"), odd)


def test_a_file_from_before_the_arrays_had_names(tmp_path):
    content = {"version": 1, "content": {"dict": [["w", {"tensor": "array 0"}]]}}
    header = np.frombuffer(json.dumps(content).encode(), np.uint8)
    np.savez(tmp_path / "x.npz", **{"array 0": np.arange(3), "minigrad": header})
    assert identical(load(tmp_path / "x.npz"), {"w": minigrad.arange(3)})


# ----------------------------------------------------------------------------------------------------------------
# Refusing to save

Point = namedtuple("Point", ["x", "y"])


class Model:
    def state_dict(self):
        return {}


def test_a_model_is_refused_with_the_right_call():
    with pytest.raises(TypeError, match=r"obj\['model'\] is a Model; save its values: obj\['model'\]\.state_dict\(\)"):
        save({"model": Model()}, io.BytesIO())


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        ({"groups": [{}, {"fn": len}]}, r"obj\['groups'\]\[1\]\['fn'\] is a builtin_function_or_method; take it out"),
        (({1, 2},), r"obj\[0\] is a set"),
        ({"x": 1j}, r"obj\['x'\] is a complex"),
        ({"x": np.array([None])}, r"obj\['x'\] is an array of Python objects"),
        ({"x": np.ma.masked_array([1])}, r"obj\['x'\] is a MaskedArray"),
        ({"x": defaultdict(int)}, r"obj\['x'\] is a defaultdict"),
        ({"x": Point(1, 2)}, r"obj\['x'\] is a Point"),
        ({frozenset(): 1}, r"the key frozenset\(\) of obj is a frozenset"),
        ({"x": b"bytes"}, r"obj\['x'\] is a bytes"),
        ({"x": np.dtype([("a", "f4")])}, r"obj\['x'\] is a"),
    ],
)
def test_what_cannot_be_saved_is_named_before_anything_is_written(tmp_path, obj, message):
    path = tmp_path / "x.npz"
    save("the previous one", path)
    with pytest.raises(TypeError, match=message):
        save(obj, path)
    assert load(path) == "the previous one"
    assert os.listdir(tmp_path) == ["x.npz"]


def test_circles_are_refused():
    inner = {}
    inner["up"] = [inner]
    with pytest.raises(TypeError, match=r"obj\['up'\]\[0\] contains itself"):
        save(inner, io.BytesIO())
    twice = [1]
    assert round_trip([twice, twice]) == [[1], [1]]


def test_an_interrupted_save_leaves_the_previous_file(tmp_path, monkeypatch):
    path = tmp_path / "x.npz"
    save("the previous one", path)

    def stopped(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stopped)
    with pytest.raises(KeyboardInterrupt):
        save("the next one", path)
    monkeypatch.undo()
    assert load(path) == "the previous one"
    assert os.listdir(tmp_path) == ["x.npz"]


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    save(1, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert load(tmp_path / "target") == 1


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing"):
        save(1, tmp_path / "missing" / "x.npz")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.npz")


# ----------------------------------------------------------------------------------------------------------------
# Refusing to load


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (pickle.dumps({"a": 1}), "is a pickle"),
        (b"some text", "is none"),
        (b"\x93NUMPY", "is none"),
        (b"PK\x03\x04 and no more", "is damaged or was cut short"),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=f"file {message}"):
        load(path)


def test_an_npz_of_somebody_else_is_a_dict_of_tensors(tmp_path):
    arrays = {
        "z": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "a": np.array(True),
        "big": np.arange(2, dtype=">i4"),
    }
    np.savez(tmp_path / "x.npz", **arrays)
    loaded = load(tmp_path / "x.npz")
    assert list(loaded) == list(arrays)
    assert [x.tolist() for x in loaded.values()] == [x.tolist() for x in arrays.values()]
    assert [str(x.dtype) for x in loaded.values()] == ["float64", "bool", "int32"]


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([1j]), np.array([1.0], np.float16)])
def test_an_npz_that_holds_no_tensors(tmp_path, array):
    np.savez(tmp_path / "x.npz", a=array)
    with pytest.raises(LoadError, match=r"holds 'a', which no tensor can be: .*; read it with numpy\.load"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pytorch_checkpoint(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(LoadError, match=r"PyTorch.* numpy\.savez\('weights\.npz'"):
        load(tmp_path / "x.pt")


def _with_header(tmp_path, header):
    np.savez(tmp_path / "x.npz", minigrad=np.frombuffer(json.dumps(header).encode(), np.uint8))
    return tmp_path / "x.npz"


def test_a_file_of_the_future(tmp_path):
    with pytest.raises(LoadError, match="written by a newer minigrad"):
        load(_with_header(tmp_path, {"version": 2, "content": {"quaternion": 1}}))


@pytest.mark.parametrize(
    "content", [{"tensor": "array 7"}, {"function": "os.system"}, {"dict": [[[], 1]]}, {}, {"dict": 3}]
)
def test_a_forged_structure_is_damage(tmp_path, content):
    with pytest.raises(LoadError, match="is damaged"):
        load(_with_header(tmp_path, {"version": 1, "content": content}))


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    class Attack:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    header = np.frombuffer(json.dumps({"version": 1, "content": {"array": "a"}}).encode(), np.uint8)
    np.savez(tmp_path / "x.npz", minigrad=header, a=np.array([Attack()], dtype=object))
    with pytest.raises(LoadError, match="is damaged"):
        load(tmp_path / "x.npz")
    assert not (tmp_path / "executed").exists()


def test_every_cut_and_every_flipped_byte_is_noticed_or_harmless():
    file = io.BytesIO()
    original = {"w": minigrad.arange(5), "name": "x"}
    save(original, file)
    content = file.getvalue()
    for end in range(1, len(content)):
        with pytest.raises(LoadError):
            load(io.BytesIO(content[:end]))
    noticed = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        try:
            loaded = load(io.BytesIO(bytes(damaged)))
        except LoadError:
            noticed += 1
        else:
            assert identical(loaded, original)  # a date in the archive, for example
    assert noticed > len(content) / 2


# ----------------------------------------------------------------------------------------------------------------
# Devices


def test_devices(tmp_path):
    import strict_cupy

    path = tmp_path / "x.npz"
    with strict_cupy.installed():
        save([minigrad.arange(3).to("cuda"), minigrad.arange(2)], path)
        gpu, cpu = load(path)
        assert (str(gpu.device), str(cpu.device)) == ("cuda:0", "cpu")
        assert gpu.tolist() == [0, 1, 2]
        assert [str(x.device) for x in load(path, map_location="cuda")] == ["cuda:0", "cuda:0"]
        assert [str(x.device) for x in load(path, map_location="cpu")] == ["cpu", "cpu"]
        assert [str(x.device) for x in load(path, map_location={"cuda:0": "cpu"})] == ["cpu", "cpu"]
        assert [str(x.device) for x in load(path, map_location={"cpu": "cuda:0"})] == ["cuda:0", "cuda:0"]
    if not minigrad.cuda.is_available():
        with pytest.raises(LoadError, match=r"a tensor was saved from cuda:0, but .*map_location='cpu'"):
            load(path)
        with pytest.raises(RuntimeError, match="CuPy"):
            load(path, map_location="cuda")
        assert load(path, map_location=minigrad.device("cpu"))[0].tolist() == [0, 1, 2]
        assert load(path, map_location={"cuda:0": "cpu"})[0].tolist() == [0, 1, 2]


def test_arguments_that_pytorch_has_and_we_do_not():
    with pytest.raises(ValueError, match="weights_only=False would run code"):
        load(io.BytesIO(), weights_only=False)
    for location in (lambda storage, place: storage, {"cuda:0": 1}):
        with pytest.raises(TypeError, match=r"map_location to be a device such as 'cpu', or a dict"):
            load(io.BytesIO(), map_location=location)
    with pytest.raises(ValueError, match=r"metadata is for a \.safetensors file"):
        save(1, io.BytesIO(), metadata={"a": "b"})


# ----------------------------------------------------------------------------------------------------------------
# The safetensors format


@pytest.fixture
def safetensors():
    return pytest.importorskip("safetensors.numpy")


NUMERIC = [name for name in VALUES if name not in ("arrays", "scalars")]


@pytest.mark.parametrize("name", NUMERIC)
def test_comes_back_exactly_from_safetensors(tmp_path, name, safetensors):
    for obj in (VALUES[name], {"x": VALUES[name]}):
        save(obj, tmp_path / "x.safetensors")
        assert identical(load(tmp_path / "x.safetensors"), obj)
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_the_library_reads_what_we_save(tmp_path, safetensors):
    w = minigrad.arange(6.0).reshape(2, 3)
    save(
        {"w": w.T, "columns": w[:, ::2], "0-d": minigrad.tensor(2.5), "n": {"a": [w]}, "lr": 0.1},
        tmp_path / "x.SafeTensors",
    )
    found = safetensors.load_file(tmp_path / "x.SafeTensors")
    assert {name: (str(x.dtype), x.tolist()) for name, x in found.items()} == {
        "w": ("float32", [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]),
        "columns": ("float32", [[0.0, 2.0], [3.0, 5.0]]),
        "0-d": ("float32", 2.5),
        "n.a.0": ("float32", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
    }


def test_we_read_what_the_library_saves(tmp_path, safetensors):
    arrays = {"w": np.eye(3, dtype=np.float32), "0-d": np.array(3), "mask": np.array([True, False])}
    safetensors.save_file(arrays, tmp_path / "weights.bin", metadata={"format": "np"})
    loaded = load(tmp_path / "weights.bin")
    assert {name: (x.dtype, x.tolist()) for name, x in loaded.items()} == {
        name: (x.dtype, x.tolist()) for name, x in arrays.items()
    }
    loaded["w"][0] = 5.0
    with open(tmp_path / "weights.bin", "rb") as file:
        assert load(file)["w"].tolist() == arrays["w"].tolist()
    assert read_metadata(tmp_path / "weights.bin") == {"format": "np"}


def test_metadata(tmp_path, safetensors):
    path = tmp_path / "x.safetensors"
    save({"w": minigrad.ones(1)}, path, metadata={"license": "MIT", "epoch": "3"})
    assert read_metadata(path) == {"license": "MIT", "epoch": "3"}
    assert load(path)["w"].tolist() == [1.0]
    with pytest.raises(TypeError, match=r"strings under the names of strings, got \{'epoch': 3\}"):
        save(1, path, metadata={"epoch": 3})
    with pytest.raises(ValueError, match="'minigrad' is taken"):
        save(1, path, metadata={"minigrad": "x"})
    assert read_metadata(path) == {"license": "MIT", "epoch": "3"}


def test_what_safetensors_cannot_hold_is_named(tmp_path, safetensors):
    path = tmp_path / "x.safetensors"
    save("the previous one", path)
    with pytest.raises(TypeError, match=r"cannot hold 'names\.0' of dtype <U4; save as \.npz"):
        save({"names": [np.array(["text"])]}, path)
    with pytest.raises(TypeError, match=r"obj\['x'\] is a set"):
        save({"x": set()}, path)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        save(1, tmp_path / "missing" / "x.safetensors")
    assert load(path) == "the previous one"
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_an_interrupted_save_leaves_the_previous_safetensors(tmp_path, monkeypatch, safetensors):
    path = tmp_path / "x.safetensors"
    save("the previous one", path)

    def stopped(arrays, path, metadata):
        Path(path).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors, "save_file", stopped)
    with pytest.raises(KeyboardInterrupt):
        save("the next one", path)
    assert load(path) == "the previous one"
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_every_cut_safetensors_is_noticed(tmp_path, safetensors):
    path = tmp_path / "x.safetensors"
    save({"w": minigrad.arange(5), "name": "x"}, path)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(LoadError):
            load(path)


def test_forged_safetensors(tmp_path, safetensors):
    path = tmp_path / "x.safetensors"
    for content in ('{"tensor": "w7"}', '{"function": "os.system"}', "3} and more", '{"dict": 3}'):
        text = '{"version": 1, "content": ' + content + "}"
        safetensors.save_file({"w": np.zeros(2)}, path, metadata={"minigrad": text})
        with pytest.raises(LoadError, match="is damaged"):
            load(path)
    safetensors.save_file({"w": np.zeros(2)}, path, metadata={"minigrad": '{"version": 2}'})
    with pytest.raises(LoadError, match="written by a newer minigrad"):
        load(path)


def test_safetensors_in_memory_are_refused(safetensors):
    with pytest.raises(LoadError, match="read from its path"):
        load(io.BytesIO(safetensors.save({"w": np.zeros(2)})))


def test_a_missing_library_is_named_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"save: .*x\.safetensors: pip install 'minigrad\[io\]'"):
        save({"w": minigrad.ones(1)}, tmp_path / "x.safetensors")
    assert os.listdir(tmp_path) == []
    (tmp_path / "x.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(ImportError, match=r"load: .*pip install 'minigrad\[io\]'"):
        load(tmp_path / "x.safetensors")


def test_safetensors_of_a_gpu(tmp_path, safetensors):
    import strict_cupy

    path = tmp_path / "x.safetensors"
    with strict_cupy.installed():
        save([minigrad.arange(3).to("cuda"), minigrad.arange(2)], path)
        assert [str(x.device) for x in load(path)] == ["cuda:0", "cpu"]
        assert [str(x.device) for x in load(path, map_location="cpu")] == ["cpu", "cpu"]


# ----------------------------------------------------------------------------------------------------------------
# To PyTorch and back


def models(nn):
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def outputs(theirs, ours, torch):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    return theirs(torch.from_numpy(x)).detach().numpy(), ours(minigrad.from_numpy(x)).detach().numpy()


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def test_a_model_goes_to_pytorch(tmp_path, torch, safetensors):
    from safetensors.torch import load_file

    ours = models(minigrad.nn)
    ours(minigrad.randn(8, 3))
    ours[0].weight.data = minigrad.randn(3, 4).T  # of another order in memory
    for ending in ("npz", "safetensors"):
        path = tmp_path / f"x.{ending}"
        save(ours.state_dict(), path)
        if ending == "npz":
            with np.load(path) as file:
                state = {name: torch.from_numpy(file[name]) for name in file.files if name != "minigrad"}
        else:
            state = load_file(path)
        theirs = models(torch.nn)
        theirs.load_state_dict(state)
        assert np.abs(np.subtract(*outputs(theirs.eval(), ours.eval(), torch))).max() < 1e-6


def test_a_model_comes_from_pytorch(tmp_path, torch, safetensors):
    from safetensors.torch import save_file

    theirs = models(torch.nn)
    theirs(torch.randn(8, 3))
    state = theirs.state_dict()
    np.savez(tmp_path / "x.npz", **{name: x.numpy() for name, x in state.items()})
    save_file(state, tmp_path / "x.safetensors")
    for ending in ("npz", "safetensors"):
        ours = models(minigrad.nn)
        ours.load_state_dict(load(tmp_path / f"x.{ending}"))
        assert np.abs(np.subtract(*outputs(theirs.eval(), ours.eval(), torch))).max() < 1e-6


def test_half_precision_of_pytorch_is_refused_with_a_way_out(tmp_path, torch, safetensors):
    from safetensors.torch import load_file, save_file

    path = tmp_path / "x.safetensors"
    for dtype, name in ((torch.bfloat16, "BF16"), (torch.float16, "F16"), (torch.complex64, "C64")):
        save_file({"w": torch.ones(2, dtype=dtype)}, path)
        with pytest.raises(LoadError, match=rf"holds 'w' of dtype {name}.*v\.float\(\)"):
            load(path)
    save_file({"w": torch.ones(2, dtype=torch.bfloat16)}, path)
    save_file({k: v.float() for k, v in load_file(path).items()}, path)  # as the message says
    assert load(path)["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_training_goes_on_from_a_file_as_if_nothing_had_happened(tmp_path, ending, name):
    if ending == "safetensors":
        pytest.importorskip("safetensors")
    x, y = minigrad.randn(16, 3), minigrad.randn(16, 2)

    def trainer():
        model = models(minigrad.nn)
        options = {"lr": 0.05} | ({"momentum": 0.9} if name == "SGD" else {})
        return model, getattr(minigrad.optim, name)(model.parameters(), **options)

    def train(model, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            ((model(x) - y) ** 2).mean().backward()
            optimizer.step()

    model, optimizer = trainer()
    train(model, optimizer)
    save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / f"x.{ending}")
    other, other_optimizer = trainer()
    checkpoint = load(tmp_path / f"x.{ending}")
    assert identical(checkpoint["optimizer"], optimizer.state_dict())
    other.load_state_dict(checkpoint["model"])
    other_optimizer.load_state_dict(checkpoint["optimizer"])
    train(model, optimizer)
    train(other, other_optimizer)
    assert identical(list(other.state_dict().items()), list(model.state_dict().items()))

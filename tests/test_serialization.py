import io
import json
import os
import pickle
from collections import OrderedDict, defaultdict, namedtuple
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.serialization import LoadError, load, save


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
        assert file["array 0"].tolist() == [0, 1, 2]
        assert json.loads(file["minigrad"].tobytes())["content"] == {
            "dict": [["weight", {"tensor": "array 0"}], [3, {"tuple": [None, 0.5]}]]
        }


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


def test_an_npz_of_somebody_else(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(LoadError, match=r"not one written by minigrad\.save; read it with numpy\.load"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_pytorch_checkpoint(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.ones(2)}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(LoadError, match="PyTorch"):
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
    if not minigrad.cuda.is_available():
        with pytest.raises(LoadError, match=r"a tensor was saved from cuda:0, but .*map_location='cpu'"):
            load(path)
        with pytest.raises(RuntimeError, match="CuPy"):
            load(path, map_location="cuda")
        assert load(path, map_location=minigrad.device("cpu"))[0].tolist() == [0, 1, 2]


def test_arguments_that_pytorch_has_and_we_do_not():
    with pytest.raises(ValueError, match="weights_only=False would run code"):
        load(io.BytesIO(), weights_only=False)
    with pytest.raises(TypeError, match=r"map_location to be a device such as 'cpu', got \{\}"):
        load(io.BytesIO(), map_location={})

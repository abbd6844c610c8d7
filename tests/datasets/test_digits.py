import hashlib
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.datasets import Digits
from minigrad.datasets import digits as module
from minigrad.utils.data import DataLoader

FOLDER = Path(module.__file__).parent


def test_the_file_is_the_documented_one():
    checksum = hashlib.sha256((FOLDER / "digits.npz").read_bytes()).hexdigest()
    assert checksum in Digits.__doc__
    assert (FOLDER / "digits.npz").stat().st_size < 50_000


def test_the_license_ships_with_the_data():
    text = (FOLDER / "LICENSE-digits.txt").read_text()
    for needed in (
        "Alpaydin",
        "Kaynak",
        "10.24432/C50P49",
        "CC BY 4.0",
        "creativecommons.org/licenses/by/4.0",
        "changed",
    ):
        assert needed in text


def test_all_images_equal_the_copy_in_sklearn():
    sk = pytest.importorskip("sklearn.datasets")
    data, target = sk.load_digits(return_X_y=True)
    digits = Digits()
    assert len(digits) == 1797
    assert (digits.data.numpy() * 16 == data).all()
    assert (digits.targets.numpy() == target).all()


def test_types_and_range():
    x, y = Digits("train")[:]
    assert (x.dtype, tuple(x.shape)) == (minigrad.float32, (1257, 64))
    assert (y.dtype, tuple(y.shape)) == (minigrad.int64, (1257,))
    assert (x.min().item(), x.max().item()) == (0.0, 1.0)
    assert Digits.classes[7] == "7"


def test_the_parts_are_disjoint_complete_and_even():
    parts = {name: Digits(name) for name in ("train", "val", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 1257, "val": 180, "test": 360}

    def rows(digits):
        return sorted(map(tuple, digits.data.tolist()))

    assert sorted(row for part in parts.values() for row in rows(part)) == rows(Digits())
    whole = np.bincount(Digits().targets.numpy()) / 1797
    for part in parts.values():
        counts = np.bincount(part.targets.numpy(), minlength=10)
        assert (abs(counts - whole * len(part)) < 1.01).all()


def test_the_held_out_images_never_change():
    test = Digits("test")
    images = (test.data.numpy() * 16).astype(np.uint8).tobytes()
    assert hashlib.sha256(images + test.targets.numpy().astype(np.uint8).tobytes()).hexdigest() == (
        "b1e6902efe3eebc48dc1e6d7d1a9e3d468633d291a593254305251da0a201f08"
    )


def test_a_change_stays_in_its_own_copy():
    changed = Digits("val")
    changed.data[:] = 0.0
    assert Digits("val").data.sum().item() > 0
    whole = Digits()
    whole.data[:] = 0.0
    assert Digits().data.sum().item() > 0


def test_batches_come_whole():
    x, y = next(iter(DataLoader(Digits("train"), batch_size=64, shuffle=True)))
    assert tuple(x.shape) == (64, 64)
    assert tuple(y.shape) == (64,)


def test_unknown_split():
    with pytest.raises(ValueError, match="'train', 'val', 'test' or None for all, got 'validation'"):
        Digits("validation")


def test_repr():
    assert repr(Digits("test")) == "Digits(split='test', 360 images)"

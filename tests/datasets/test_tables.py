import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad import datasets, nn, optim
from minigrad.datasets import BreastCancer, Diabetes, Iris, Wine
from minigrad.datasets import tables as module

FOLDER = Path(module.__file__).parent
LOADERS = {Iris: "load_iris", Wine: "load_wine", BreastCancer: "load_breast_cancer"}
SIZES = {Iris: (150, 4, 3, 1_000), Wine: (178, 13, 3, 5_000), BreastCancer: (569, 30, 2, 50_000)}


@pytest.mark.parametrize("kind", LOADERS)
def test_equal_to_the_copies_in_sklearn(kind):
    sk = pytest.importorskip("sklearn.datasets")
    theirs, ours = getattr(sk, LOADERS[kind])(), kind()
    assert (ours.data.numpy() == theirs.data.astype(np.float32)).all()
    assert (ours.targets.numpy() == theirs.target).all()
    assert list(ours.feature_names) == list(theirs.feature_names)
    assert list(ours.classes) == list(theirs.target_names)


@pytest.mark.parametrize("kind", SIZES)
def test_sizes_and_types(kind):
    samples, features, classes, most = SIZES[kind]
    table = kind()
    assert (tuple(table.data.shape), table.data.dtype) == ((samples, features), minigrad.float32)
    assert (table.targets.dtype, sorted(set(table.targets.tolist()))) == (minigrad.int64, list(range(classes)))
    assert len(table) == samples and len(table.feature_names) == features
    assert repr(table) == f"{kind.__name__}({samples} samples, {features} features, {classes} classes)"
    assert (FOLDER / kind.file).stat().st_size < most
    x, y = table[0]
    assert tuple(x.shape) == (features,) and y.item() == 0


def test_a_change_stays_in_its_own_copy():
    Iris().data[:] = 0.0
    assert Iris().data.min().item() > 0


def test_fisher_s_corrections():
    iris = Iris().data
    np.testing.assert_allclose(iris[[34, 37]].numpy(), [[4.9, 3.1, 1.5, 0.2], [4.9, 3.6, 1.4, 0.1]], rtol=1e-6)


@pytest.mark.parametrize("kind", LOADERS)
def test_the_license_ships_with_the_data(kind):
    text = (FOLDER / "LICENSE-tables.txt").read_text()
    assert kind.file in text
    doi = next(word.strip(",") for word in kind.__doc__.split() if word.startswith("https://doi.org/"))
    assert text.count(doi) == 2
    for needed in ("CC BY 4.0", "creativecommons.org/licenses/by/4.0", "Changes"):
        assert needed in text


def test_everything_that_ships_has_a_license_file():
    data = [path for path in FOLDER.iterdir() if path.suffix in (".npz", ".gz")]
    licenses = "".join(path.read_text() for path in FOLDER.glob("LICENSE-*.txt"))
    assert len(data) == 4
    assert [path.name for path in data if path.name not in licenses] == []
    assert sum(path.stat().st_size for path in data) < 100_000


def test_transforms():
    iris = Iris(transform=lambda x: x / 10, target_transform=lambda y: int(y) == 2)
    assert iris[149][0].max().item() == pytest.approx(0.59)
    assert iris[149][1] is True
    assert iris.data.max().item() == pytest.approx(7.9)


def test_a_line_tells_the_species_apart():
    x, y = Iris()[:]
    x = (x - x.mean(0)) / x.std(0)
    model = nn.Linear(4, 3)
    opt = optim.LBFGS(model.parameters(), max_iter=50)

    def closure():
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    opt.step(closure)
    assert (model(x).argmax(1) == y).float().mean().item() > 0.96


# --------------------------------------------------------------------------------------------------------------
# Diabetes, which does not ship

HEADER = "AGE\tSEX\tBMI\tBP\tS1\tS2\tS3\tS4\tS5\tS6\tY\n"


@pytest.mark.parametrize("scaled", [True, False])
def test_diabetes_from_sklearn(scaled):
    sk = pytest.importorskip("sklearn.datasets")
    data, targets = sk.load_diabetes(return_X_y=True, scaled=scaled)
    ours = Diabetes(scaled=scaled)
    np.testing.assert_allclose(ours.data.numpy(), data, rtol=1e-5, atol=1e-7)
    assert (ours.targets.numpy() == targets).all()
    assert list(ours.feature_names) == sk.load_diabetes().feature_names
    assert repr(ours) == "Diabetes(442 samples, 10 features)"
    assert ours.targets.dtype == minigrad.float32


def test_diabetes_from_a_file(tmp_path):
    table = np.random.default_rng(0).normal(size=(5, 11)).round(3)
    path = tmp_path / "diabetes.tab.txt"
    path.write_text(HEADER + "\n".join("\t".join(map(str, row)) for row in table))
    ours = Diabetes(path, scaled=False)
    assert (ours.data.numpy() == table[:, :10].astype(np.float32)).all()
    assert (ours.targets.numpy() == table[:, 10].astype(np.float32)).all()
    scaled = Diabetes(path).data
    np.testing.assert_allclose(scaled.sum(0).numpy(), 0, atol=1e-6)
    np.testing.assert_allclose((scaled**2).sum(0).numpy(), 1, rtol=1e-6)


def test_diabetes_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(RuntimeError, match=r"scikit-learn is not installed; download https://.* pip install"):
        Diabetes()
    with pytest.raises(RuntimeError, match="there is no file"):
        Diabetes(tmp_path / "none.txt")
    (tmp_path / "other.txt").write_text("a b\n1 2\n")
    with pytest.raises(RuntimeError, match=r"rows of 11 numbers in .*, got shape \(2,\)"):
        Diabetes(tmp_path / "other.txt")
    (tmp_path / "words.txt").write_text("a\nb c\n")
    with pytest.raises(RuntimeError, match="no table of numbers"):
        Diabetes(tmp_path / "words.txt")


def test_diabetes_is_in_no_file():
    assert not [path for path in FOLDER.iterdir() if "diabetes" in path.name]
    assert datasets.Diabetes is Diabetes
    with zipfile.ZipFile(FOLDER / "digits.npz") as archive:
        assert sorted(archive.namelist()) == ["data.npy", "part.npy", "targets.npy"]

"""Small tables of measurements: flowers, wines, tumours, patients."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.creation import from_numpy
from minigrad.datasets.labelled import Function, Labelled

__all__ = ["BreastCancer", "Diabetes", "Iris", "Wine"]

_FOLDER = Path(__file__).parent


class _Table(Labelled):
    """A table whose last column is the label."""

    classes: ClassVar[Sequence[str]] = ()
    file: ClassVar[str]
    feature_names: Sequence[str]

    def __init__(self, transform: Function | None = None, target_transform: Function | None = None) -> None:
        with gzip.open(_FOLDER / self.file, "rt", encoding="ascii") as lines:
            *self.feature_names, _ = lines.readline().strip().split(",")
            table = np.loadtxt(lines, delimiter=",")
        data, targets = table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64)
        super().__init__(from_numpy(data), from_numpy(targets), transform, target_transform)

    def __repr__(self) -> str:
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{type(self).__name__}({len(self)} samples, {len(self.feature_names)} features{classes})"


class Iris(_Table):
    """150 iris flowers of three species: length and width of sepals and petals in cm, (4,) float32, and int64 labels.

    The table with which R. A. Fisher showed how to tell groups apart by a line: *setosa* is set apart by one, the
    other two are not.

    Parameters
    ----------
    transform, target_transform : callable, optional
        What samples and labels pass through when they are read.

    Attributes
    ----------
    data, targets : Tensor
        (150, 4) float32 and (150,) int64.
    classes, feature_names : list of str
        What the labels and the columns mean.

    Notes
    -----
    Source: R. A. Fisher, *Iris*, UCI Machine Learning Repository, 1936, https://doi.org/10.24432/C56C76, licensed
    under CC BY 4.0, in the copy of scikit-learn, which has two flowers as in Fisher's article; see
    ``LICENSE-tables.txt`` beside the data.

    Examples
    --------
    >>> from minigrad.datasets import Iris
    >>> iris = Iris()
    >>> iris
    Iris(150 samples, 4 features, 3 classes)
    >>> flower, label = iris[149]
    >>> dict(zip(iris.feature_names, flower.tolist()))["petal width (cm)"] > 1.5, iris.classes[label]
    (True, 'virginica')
    """

    file = "iris.csv.gz"
    classes: ClassVar[Sequence[str]] = ["setosa", "versicolor", "virginica"]


class Wine(_Table):
    """178 wines from three growers of one Italian region: 13 results of a chemical analysis, (13,) float32; int64.

    The columns have scales between 0.1 and 1,000, so subtract the mean of each and divide by its standard deviation.

    Parameters, attributes : as for :class:`Iris`.

    Notes
    -----
    Source: S. Aeberhard and M. Forina, *Wine*, UCI Machine Learning Repository, 1992,
    https://doi.org/10.24432/C5PC7J, licensed under CC BY 4.0; see ``LICENSE-tables.txt`` beside the data.

    Examples
    --------
    >>> from minigrad.datasets import Wine
    >>> Wine()
    Wine(178 samples, 13 features, 3 classes)
    """

    file = "wine.csv.gz"
    classes: ClassVar[Sequence[str]] = ["class_0", "class_1", "class_2"]


class BreastCancer(_Table):
    """569 tumours: 30 measurements of cell nuclei in a microscope image, (30,) float32; 0 malignant, 1 benign.

    The columns have scales between 0.001 and 1,000, so subtract the mean of each and divide by its standard deviation.

    Parameters, attributes : as for :class:`Iris`.

    Notes
    -----
    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street, *Breast Cancer Wisconsin (Diagnostic)*, UCI Machine
    Learning Repository, 1993, https://doi.org/10.24432/C5DW2B, licensed under CC BY 4.0; see ``LICENSE-tables.txt``
    beside the data.

    Examples
    --------
    >>> from minigrad.datasets import BreastCancer
    >>> BreastCancer()
    BreastCancer(569 samples, 30 features, 2 classes)
    """

    file = "breast_cancer.csv.gz"
    classes: ClassVar[Sequence[str]] = ["malignant", "benign"]


class Diabetes(_Table):
    """442 patients: ten measurements, (10,) float32, and how far diabetes went in the year after, a float32.

    No licence is known that lets this table be passed on, so minigrad does not bring it: it is read from a file of
    yours, or from an installed scikit-learn.

    Parameters
    ----------
    path : str or path, optional
        The file ``diabetes.tab.txt`` from https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html. Without, the
        table comes from scikit-learn.
    scaled : bool
        Whether each column is made to have the mean 0 and squares that sum to 1, as scikit-learn does.
    transform, target_transform : callable, optional
        What samples and labels pass through when they are read.

    Raises
    ------
    RuntimeError
        If there is no such file, or it holds something else; or without one, if scikit-learn is not installed.

    Notes
    -----
    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least Angle Regression", Annals of Statistics, 2004.
    """

    feature_names: Sequence[str] = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]

    def __init__(
        self,
        path: str | Path | None = None,
        scaled: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        table = _diabetes_from_sklearn() if path is None else _diabetes_from(Path(path))
        data = table[:, :-1]
        if scaled:
            data = data - data.mean(0)
            data /= np.sqrt((data**2).sum(0))
        self.scaled = scaled
        data, targets = (from_numpy(part.astype(np.float32)) for part in (data, table[:, -1]))
        Labelled.__init__(self, data, targets, transform, target_transform)


_WHERE = (
    "download https://www4.stat.ncsu.edu/~boos/var.select/diabetes.tab.txt and pass Diabetes(path=...), or "
    "pip install scikit-learn"
)


def _diabetes_from_sklearn() -> Any:
    try:
        from sklearn.datasets import load_diabetes  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise RuntimeError(
            f"Diabetes: minigrad may not ship this table, and scikit-learn is not installed; {_WHERE}"
        ) from None
    load: Callable[..., Any] = load_diabetes
    data, targets = load(return_X_y=True, scaled=False)
    return np.concatenate([data, targets[:, None]], 1)


def _diabetes_from(path: Path) -> Any:
    if not path.is_file():
        raise RuntimeError(f"Diabetes: there is no file {path}; {_WHERE}")
    try:
        table = np.loadtxt(path, skiprows=1)
    except ValueError as error:
        raise RuntimeError(
            f"Diabetes: {path} is no table of numbers below a line of names ({error}); {_WHERE}"
        ) from None
    if table.ndim != 2 or table.shape[1] != 11:
        raise RuntimeError(f"Diabetes: expected rows of 11 numbers in {path}, got shape {table.shape}; {_WHERE}")
    return table

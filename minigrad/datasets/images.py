"""Image data sets that live in a folder of yours: MNIST, FashionMNIST, CIFAR10, laid out as torchvision does.

Images stay bytes, as they are stored; a transform makes floats of those that a batch needs. Where torchvision hands
out a PIL image, these hand out a tensor of bytes (C, H, W), on which all of :mod:`minigrad.transforms` work::

    train = MNIST("data", train=True, download=True, transform=Compose([ToTensor(), Normalize((0.1307,), (0.3081,))]))
    for x, y in DataLoader(train, batch_size=128, shuffle=True): ...
"""

from __future__ import annotations

import gzip
import math
import os
import shutil
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minigrad.creation import from_numpy
from minigrad.datasets.download import fetch
from minigrad.datasets.labelled import Column, Function, Labelled
from minigrad.tensor import Tensor

__all__ = ["CIFAR10", "FashionMNIST", "MNIST"]

_IDX_BYTES = 0x08  # the code of unsigned bytes among the kinds of numbers of the IDX format


class ImageFolder(Labelled):
    """Images in files under ``root``, with integer labels: what the data sets here share."""

    classes: ClassVar[Sequence[str]]

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.train = train
        if download:
            self.download()
        images, targets = self.read()
        super().__init__(images, targets, transform, target_transform)
        self.datasets = (Column(images, transform), Column(targets, target_transform, numbers=True))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The label of each class by its name."""
        return {name: k for k, name in enumerate(self.classes)}

    def download(self) -> None:
        """Fetch what is not in the folder yet."""
        raise NotImplementedError

    def read(self) -> tuple[Tensor, Tensor]:
        """Return all images (N, C, H, W) as bytes, and labels (N,) as int64."""
        raise NotImplementedError

    def _missing(self, path: Path) -> RuntimeError:
        return RuntimeError(
            f"{type(self).__name__}: there is no {path}; pass download=True to fetch it, or as root the folder "
            f"that holds {path.relative_to(self.root)}"
        )

    def _damaged(self, path: Path, why: str) -> RuntimeError:
        return RuntimeError(f"{type(self).__name__}: {path} is damaged: {why}; delete it and pass download=True")

    def __repr__(self) -> str:
        lines = [
            f"Dataset {type(self).__name__}",
            f"    Number of datapoints: {len(self)}",
            f"    Root location: {self.root}",
            f"    Split: {'Train' if self.train else 'Test'}",
        ]
        if self.transform is not None or self.target_transform is not None:
            lines.append("StandardTransform")
        for name, function in (("Transform", self.transform), ("Target transform", self.target_transform)):
            if function is not None:
                lines.append(f"{name}: " + repr(function).replace("\n", "\n" + " " * (len(name) + 2)))
        return "\n".join(lines)


# --------------------------------------------------------------------------------------------------------------
# IDX files


class MNIST(ImageFolder):
    """70,000 handwritten digits of 28 x 28 pixels: 60,000 for training and 10,000 for testing.

    A sample is (image, label): bytes (1, 28, 28), 0 paper and 255 ink, and an int.

    Parameters
    ----------
    root : str or path
        The folder that holds ``MNIST/raw/train-images-idx3-ubyte`` and its three siblings, compressed (``.gz``) or not.
    train : bool
        Which part.
    transform, target_transform : callable, optional
        What images and labels pass through when they are read.
    download : bool
        Whether to fetch what is missing (11 MB) from ``mirrors``.

    Attributes
    ----------
    data, targets : Tensor
        (N, 28, 28) bytes and (N,) int64.
    classes : list of str
        Names, by label.

    Raises
    ------
    RuntimeError
        If a file is missing or damaged, or could not be downloaded; says what to do.

    Notes
    -----
    Uncompressed files are not read but mapped into memory, so that opening takes no time; each process shares the
    pages with the others. Y. LeCun, C. Cortes and C. J. C. Burges, *The MNIST database of handwritten digits*.
    """

    mirrors: ClassVar[Sequence[str]] = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: ClassVar[Sequence[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: ClassVar[Sequence[str]] = [
        *("0 - zero", "1 - one", "2 - two", "3 - three", "4 - four"),
        *("5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"),
    ]

    @property
    def raw_folder(self) -> Path:
        """Where the files are."""
        return self.root / type(self).__name__ / "raw"

    def download(self) -> None:
        for name, md5 in self.resources:
            packed = self.raw_folder / name
            if packed.with_suffix("").exists():
                continue
            if not packed.exists():
                fetch([mirror + name for mirror in self.mirrors], packed, md5, type(self).__name__)
            self._unpack(packed)

    def _unpack(self, packed: Path) -> None:
        unfinished = packed.with_name(f".{packed.stem}.{os.urandom(4).hex()}")
        try:
            with gzip.open(packed) as source, open(unfinished, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            os.replace(unfinished, packed.with_suffix(""))
        except (OSError, EOFError, zlib.error) as error:
            raise self._damaged(packed, str(error)) from None
        finally:
            unfinished.unlink(missing_ok=True)

    def read(self) -> tuple[Tensor, Tensor]:
        part = "train" if self.train else "t10k"
        images = self._idx(f"{part}-images-idx3-ubyte", 3)
        labels = self._idx(f"{part}-labels-idx1-ubyte", 1)
        if len(images) != len(labels):
            raise RuntimeError(
                f"{type(self).__name__}: {len(images)} images but {len(labels)} labels in {self.raw_folder}; the files "
                "do not belong together, delete them and pass download=True"
            )
        if labels.max(initial=0) >= len(self.classes):
            raise self._damaged(
                self.raw_folder / f"{part}-labels-idx1-ubyte",
                f"it has the label {labels.max()}, and there are {len(self.classes)} classes",
            )
        return from_numpy(images[:, None]), from_numpy(labels.astype(np.int64))

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, train, transform, target_transform, download)
        self.data = self.data[:, 0]  # without the channel, as in torchvision

    def _idx(self, name: str, dims: int) -> np.ndarray[Any, Any]:
        """Return the array in an IDX file: 0, 0, code of the kind, number of dims, each dim as 4 bytes, the entries."""
        path = self.raw_folder / name
        packed = path.with_name(f"{name}.gz")
        start = 4 + 4 * dims
        if path.exists():
            size = path.stat().st_size
            # Mode "c": what somebody writes into the array stays in this process.
            raw = np.asarray(np.memmap(path, np.uint8, "c")) if size else np.empty(0, np.uint8)
        elif packed.exists():
            path = packed
            try:
                raw = np.frombuffer(bytearray(gzip.decompress(packed.read_bytes())), np.uint8)
            except (OSError, EOFError, zlib.error) as error:
                raise self._damaged(packed, str(error)) from None
        else:
            raise self._missing(path)
        if len(raw) < start or raw[:4].tolist() != [0, 0, _IDX_BYTES, dims]:
            raise self._damaged(path, f"it does not begin as an IDX file of bytes with {dims} dimension(s) does")
        shape = tuple(np.frombuffer(raw[4:start].tobytes(), ">u4").tolist())
        if len(raw) != start + math.prod(shape):
            raise self._damaged(
                path, f"it has {len(raw):,} bytes, and {shape} entries take {start + math.prod(shape):,}"
            )
        return raw[start:].reshape(shape)


class FashionMNIST(MNIST):
    """70,000 pieces of clothing of 28 x 28 pixels, of ten kinds, made to take the place of MNIST; 30 MB.

    Everything is as in :class:`MNIST`, with ``FashionMNIST/raw`` as folder. H. Xiao, K. Rasul and R. Vollgraf,
    "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.
    """

    mirrors: ClassVar[Sequence[str]] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources: ClassVar[Sequence[tuple[str, str]]] = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes: ClassVar[Sequence[str]] = [
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ]


# --------------------------------------------------------------------------------------------------------------
# CIFAR


class CIFAR10(ImageFolder):
    """60,000 colour photographs of 32 x 32 pixels, of ten kinds: 50,000 for training and 10,000 for testing.

    A sample is (image, label): bytes (3, 32, 32) and an int.

    Parameters
    ----------
    root : str or path
        The folder that holds ``cifar-10-batches-bin``, the *binary version* of the data set.
    train, transform, target_transform, download
        As in :class:`MNIST`; 170 MB.

    Attributes
    ----------
    data : ndarray
        (N, 32, 32, 3) bytes, as in torchvision.
    targets : list of int
        Labels.
    classes : list of str
        Names, by label.

    Raises
    ------
    RuntimeError
        If a file is missing or damaged, or could not be downloaded; or if only the version for Python is there, which
        torchvision reads: it is made of pickles, and to read a pickle is to run what its author put into it.

    Notes
    -----
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """

    base_folder = "cifar-10-batches-bin"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    filename = "cifar-10-binary.tar.gz"
    tgz_md5 = "c32a1d4ab5d03f1284b67883e8d87530"
    train_list: ClassVar[Sequence[str]] = [f"data_batch_{k}.bin" for k in range(1, 6)]
    test_list: ClassVar[Sequence[str]] = ["test_batch.bin"]
    classes: ClassVar[Sequence[str]] = [
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ]
    _record = 1 + 3 * 32 * 32  # a byte for the label, then the red, the green and the blue pixels row by row

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Function | None = None,
        target_transform: Function | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, train, transform, target_transform, download)
        self.data: Any = self.data.array.transpose(0, 2, 3, 1)  # a view
        self.targets: Any = self.targets.tolist()

    def download(self) -> None:
        folder = self.root / self.base_folder
        wanted = [*self.train_list, *self.test_list]
        if all((folder / name).exists() for name in wanted):
            return
        packed = self.root / self.filename
        if not packed.exists():
            fetch([self.url], packed, self.tgz_md5, type(self).__name__)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tarfile.open(packed) as archive:
                for name in wanted:  # by name, so that nothing else in the archive comes out of it
                    source = archive.extractfile(f"{self.base_folder}/{name}")
                    if source is None:
                        raise KeyError(f"{name} in it is no file")
                    unfinished = folder / f".{name}.{os.urandom(4).hex()}"
                    with open(unfinished, "wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
                    os.replace(unfinished, folder / name)
        except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as error:
            raise self._damaged(packed, str(error)) from None

    def read(self) -> tuple[Tensor, Tensor]:
        names = self.train_list if self.train else self.test_list
        paths = [self.root / self.base_folder / name for name in names]
        for path in paths:
            if not path.exists():
                if (self.root / "cifar-10-batches-py").exists():
                    raise RuntimeError(
                        f"{type(self).__name__}: {self.root} holds the version for Python, which is made of pickles, "
                        "and minigrad reads none, because a pickle can run any program; pass download=True to fetch "
                        f"the binary version ({self.filename})"
                    )
                raise self._missing(path)
            if path.stat().st_size % self._record:
                raise self._damaged(
                    path, f"it has {path.stat().st_size:,} bytes, no multiple of the {self._record:,} of an image"
                )
        sizes = [path.stat().st_size // self._record for path in paths]
        records = np.empty((sum(sizes), self._record), np.uint8)
        end = 0
        for path, n in zip(paths, sizes):
            with open(path, "rb", buffering=0) as file:
                file.readinto(memoryview(records[end : end + n]).cast("B"))  # type: ignore[arg-type]
            end += n
        labels = records[:, 0].astype(np.int64)
        if labels.max(initial=0) >= len(self.classes):
            raise RuntimeError(
                f"{type(self).__name__}: the files in {self.root / self.base_folder} have a label {labels.max()}, and "
                f"there are {len(self.classes)} classes; delete them and pass download=True"
            )
        return from_numpy(records[:, 1:].reshape(-1, 3, 32, 32)), from_numpy(labels)

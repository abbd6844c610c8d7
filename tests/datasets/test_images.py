"""Readers and downloads, against tiny files of the real formats and a server on this machine."""

import gzip
import hashlib
import http.server
import io
import subprocess
import sys
import tarfile
import threading

import numpy as np
import pytest

import minigrad
from minigrad import transforms
from minigrad.datasets import CIFAR10, MNIST, FashionMNIST, download
from minigrad.utils.data import DataLoader

rng = np.random.default_rng(0)
N = {"train": 12, "t10k": 5}
PIXELS = {part: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for part, n in N.items()}
LABELS = {part: rng.integers(0, 10, n, dtype=np.uint8) for part, n in N.items()}
RECORDS = [
    np.concatenate([rng.integers(0, 10, (4, 1)), rng.integers(0, 256, (4, 3072))], 1).astype(np.uint8) for _ in range(6)
]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


FILES = {f"{part}-images-idx3-ubyte": idx(PIXELS[part]) for part in N} | {
    f"{part}-labels-idx1-ubyte": idx(LABELS[part]) for part in N
}


def fill(folder, packed=False, kind="MNIST"):
    raw = folder / kind / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (raw / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    return raw


def fill_cifar(folder):
    base = folder / "cifar-10-batches-bin"
    base.mkdir()
    for name, records in zip([*CIFAR10.train_list, *CIFAR10.test_list], RECORDS):
        (base / name).write_bytes(records.tobytes())
    return base


# --------------------------------------------------------------------------------------------------------------
# Reading


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
@pytest.mark.parametrize("train", [True, False])
def test_idx(tmp_path, kind, packed, train):
    fill(tmp_path, packed, kind.__name__)
    data, part = kind(tmp_path, train=train), "train" if train else "t10k"
    assert len(data) == N[part]
    assert (data.data.dtype, data.targets.dtype) == (minigrad.uint8, minigrad.int64)
    assert (data.data.numpy() == PIXELS[part]).all()
    assert (data.targets.numpy() == LABELS[part]).all()
    image, label = data[3]
    assert (image.dtype, tuple(image.shape), type(label)) == (minigrad.uint8, (1, 28, 28), int)
    assert (image.numpy()[0] == PIXELS[part][3]).all() and label == LABELS[part][3]
    assert data.classes[label] and data.class_to_idx[data.classes[label]] == label


def test_what_is_written_stays_in_memory(tmp_path):
    raw = fill(tmp_path)
    data = MNIST(str(tmp_path))
    data.data[:] = 0
    assert data[0][0].max().item() == 0
    assert (raw / "train-images-idx3-ubyte").read_bytes() == FILES["train-images-idx3-ubyte"]
    assert (MNIST(tmp_path).data.numpy() == PIXELS["train"]).all()


def test_transforms_as_in_tutorials(tmp_path):
    fill(tmp_path)
    data = MNIST(tmp_path, transform=transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.25,))]))
    image, label = data[0]
    expected = (PIXELS["train"][:, None].astype(np.float32) / 255 - np.float32(0.5)) / np.float32(0.25)
    np.testing.assert_allclose(image.numpy(), expected[0], rtol=1e-6)
    (x, y), *_ = DataLoader(data, batch_size=8)
    assert (x.dtype, y.dtype) == (minigrad.float32, minigrad.int64)
    np.testing.assert_allclose(x.numpy(), expected[:8], rtol=1e-6)
    assert y.tolist() == LABELS["train"][:8].tolist()
    numbers = MNIST(tmp_path, target_transform=lambda label: label + 100)  # gets an int
    assert numbers[0][1] == label + 100
    assert next(iter(DataLoader(numbers, batch_size=3)))[1].tolist() == (LABELS["train"][:3] + 100.0).tolist()


def test_workers_give_the_same(tmp_path):
    fill(tmp_path)
    data = MNIST(tmp_path, transform=transforms.Compose([transforms.RandomCrop(28, padding=4), transforms.ToTensor()]))

    def epoch(num_workers):
        minigrad.manual_seed(0)
        return [x.numpy() for x, _ in DataLoader(data, batch_size=4, shuffle=True, num_workers=num_workers)]

    assert all((a == b).all() for a, b in zip(epoch(0), epoch(2)))


def test_cifar(tmp_path):
    fill_cifar(tmp_path)
    data, test = CIFAR10(tmp_path), CIFAR10(tmp_path, train=False)
    rows = np.concatenate(RECORDS[:5])
    assert (len(data), len(test)) == (20, 4)
    assert data.targets == rows[:, 0].tolist()
    assert data.data.shape == (20, 32, 32, 3)
    assert (data.data.transpose(0, 3, 1, 2).reshape(20, -1) == rows[:, 1:]).all()
    image, label = data[7]
    assert (tuple(image.shape), image.dtype, label) == ((3, 32, 32), minigrad.uint8, int(rows[7, 0]))
    augment = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    x, y = next(iter(DataLoader(CIFAR10(tmp_path, transform=augment), batch_size=6)))
    assert (tuple(x.shape), x.dtype, y.tolist()) == ((6, 3, 32, 32), minigrad.float32, rows[:6, 0].tolist())


def test_repr_as_torchvision(tmp_path):
    fill(tmp_path)
    assert repr(MNIST(tmp_path, train=False)) == (
        f"Dataset MNIST\n    Number of datapoints: 5\n    Root location: {tmp_path}\n    Split: Test"
    )
    assert repr(MNIST(tmp_path, transform=transforms.Compose([transforms.ToTensor()]))).endswith(
        "    Split: Train\nStandardTransform\nTransform: Compose(\n               ToTensor()\n           )"
    )


def test_opening_is_fast(tmp_path):
    import time

    raw = fill(tmp_path)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((60000, 28, 28), np.uint8)))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(60000, np.uint8)))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        data = MNIST(tmp_path)
        times.append(time.perf_counter() - start)
    assert data.data.nbytes == 47_040_000
    assert min(times) < 0.02  # reading all of it takes longer


# --------------------------------------------------------------------------------------------------------------
# What is wrong


def damaged(name, content):
    def damage(raw):
        (raw / name).write_bytes(content)

    return damage


IMAGES, MARKS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda raw: (raw / IMAGES).unlink(), "there is no .*train-images-idx3-ubyte; pass download=True .* MNIST/raw"),
        (damaged(IMAGES, b""), "damaged: it does not begin as an IDX file of bytes with 3"),
        (damaged(IMAGES, FILES[MARKS]), "does not begin as an IDX file"),
        (damaged(IMAGES, FILES[IMAGES][:-1]), "it has 9,423 bytes, and .12, 28, 28. entries take 9,424; delete it"),
        (damaged(IMAGES, FILES["t10k-images-idx3-ubyte"]), "5 images but 12 labels .* do not belong together"),
        (damaged(MARKS, idx(np.full(12, 10, np.uint8))), "it has the label 10, and there are 10 classes"),
    ],
)
def test_idx_errors(tmp_path, damage, words):
    damage(fill(tmp_path))
    with pytest.raises(RuntimeError, match=words):
        MNIST(tmp_path)


@pytest.mark.parametrize("cut", [lambda x: x[:-20], lambda x: b"not gzip", lambda x: x[:100] + b"?" * 50 + x[150:]])
def test_damaged_archives(tmp_path, cut):
    path = fill(tmp_path, packed=True) / f"{IMAGES}.gz"
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(
        RuntimeError, match=r"train-images-idx3-ubyte.gz is damaged: .* delete it and pass download=True"
    ):
        MNIST(tmp_path)


def test_cifar_errors(tmp_path):
    with pytest.raises(RuntimeError, match=r"CIFAR10: there is no .*data_batch_1.bin; pass download=True"):
        CIFAR10(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(RuntimeError, match=r"the version for Python, which is made of pickles, .* can run any program"):
        CIFAR10(tmp_path)
    base = fill_cifar(tmp_path)
    (base / "data_batch_2.bin").write_bytes(b"123")
    with pytest.raises(RuntimeError, match="damaged: it has 3 bytes, no multiple of the 3,073"):
        CIFAR10(tmp_path)
    (base / "data_batch_2.bin").write_bytes(bytes([77]) * 3073)
    with pytest.raises(RuntimeError, match="have a label 77, and there are 10 classes"):
        CIFAR10(tmp_path)


# --------------------------------------------------------------------------------------------------------------
# Downloading


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content) + self.server.missing))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as found:
        found.files, found.asked, found.missing = {}, [], 0
        found.url = f"http://127.0.0.1:{found.server_port}/"
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture
def mnist(server, monkeypatch):
    packed = {f"{name}.gz": gzip.compress(content) for name, content in FILES.items()}
    server.files = {f"/{name}": content for name, content in packed.items()}
    monkeypatch.setattr(MNIST, "mirrors", [server.url + "gone/", server.url])
    monkeypatch.setattr(
        MNIST, "resources", [(name, hashlib.md5(content).hexdigest()) for name, content in packed.items()]
    )
    return server


def test_download(tmp_path, mnist):
    data = MNIST(tmp_path, download=True)
    assert (data.data.numpy() == PIXELS["train"]).all()
    assert len(mnist.asked) == 8  # each of the four first at the mirror that has nothing
    assert len(MNIST(tmp_path, train=False, download=True)) == 5
    assert len(mnist.asked) == 8  # and never again
    names = sorted(path.name for path in (tmp_path / "MNIST" / "raw").iterdir())
    assert names == sorted([*FILES, *(f"{name}.gz" for name in FILES)])


def test_download_takes_what_is_there(tmp_path, mnist):
    raw = fill(tmp_path, packed=True)
    MNIST(tmp_path, download=True)
    assert mnist.asked == []
    assert (raw / IMAGES).read_bytes() == FILES[IMAGES]


def test_download_refuses_other_content(tmp_path, mnist):
    mnist.files[f"/{IMAGES}.gz"] = b"an error page"
    with pytest.raises(RuntimeError) as caught:
        MNIST(tmp_path, download=True)
    message = str(caught.value)
    for part in (
        "could not download train-images-idx3-ubyte.gz",
        "gone/",
        "Not Found",
        "has the MD5",
        "elsewhere goes to",
    ):
        assert part in message
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_download_notices_a_broken_connection(tmp_path, mnist):
    mnist.missing = 10
    with pytest.raises(RuntimeError, match=r"only \d+ of \d+ bytes came"):
        MNIST(tmp_path, download=True)
    assert list((tmp_path / "MNIST" / "raw").iterdir()) == []


def test_download_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", "file:///etc/"])
    with pytest.raises(RuntimeError, match=r"(?s)refused.*begins with http:// or https://.*Is this machine online"):
        MNIST(tmp_path, download=True)


def test_download_of_cifar(tmp_path, server, monkeypatch):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, records in zip([*CIFAR10.train_list, *CIFAR10.test_list, "../../escaped"], [*RECORDS, RECORDS[0]]):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    server.files["/c.tar.gz"] = packed.getvalue()
    monkeypatch.setattr(CIFAR10, "url", server.url + "c.tar.gz")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(packed.getvalue()).hexdigest())
    root = tmp_path / "root"
    assert len(CIFAR10(root, download=True)) == 20
    assert len(CIFAR10(root, train=False, download=True)) == 4
    assert server.asked == ["/c.tar.gz"]
    assert sorted(path.name for path in tmp_path.rglob("*") if "escaped" in path.name) == []


def test_bar_if_tqdm_is_installed(tmp_path, server, monkeypatch):
    tqdm = pytest.importorskip("tqdm")
    bars = []

    class Bar:
        def __init__(self, **kwargs):
            self.settings, self.done, self.closed = kwargs, 0, False
            bars.append(self)

        def update(self, n):
            self.done += n

        def close(self):
            self.closed = True

    monkeypatch.setattr(tqdm, "tqdm", Bar)
    server.files["/x"] = b"abc"
    download.fetch([server.url + "x"], tmp_path / "x", hashlib.md5(b"abc").hexdigest(), "Test")
    assert [(bar.settings["total"], bar.done, bar.closed) for bar in bars] == [(3, 3, True)]
    monkeypatch.setitem(sys.modules, "tqdm", None)
    download.fetch([server.url + "x"], tmp_path / "y", hashlib.md5(b"abc").hexdigest(), "Test")
    assert (tmp_path / "y").read_bytes() == b"abc"


def test_what_downloads_is_imported_when_needed():
    code = (
        "import sys, minigrad.datasets; before = 'urllib.request' in sys.modules; minigrad.datasets.MNIST; "
        "print(before, 'urllib.request' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "True"

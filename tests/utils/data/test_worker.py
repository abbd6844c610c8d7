"""Batches made by worker processes: the same as without, errors and ends of all kinds, nothing left behind."""

import gc
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import pytest

import minigrad
from minigrad.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    get_worker_info,
    worker,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:DataLoader. num_workers="),  # there may be one core only
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.skipif(sys.platform != "linux", reason="data sets of these tests are not at hand in spawned processes"),
]


@pytest.fixture(autouse=True)
def nothing_left():
    """No test may leave a process, or an open file, behind."""
    resource_tracker.ensure_running()  # Python's own, which it keeps once a process was spawned
    files = len(os.listdir("/proc/self/fd"))
    yield
    if len(os.listdir("/proc/self/fd")) > files:
        gc.collect()  # tracebacks of errors are circles
    assert multiprocessing.active_children() == []
    assert len(os.listdir("/proc/self/fd")) <= files


class Numbers(Dataset):
    """0, 1, 2, ...; what is called for a number in ``actions`` happens when it is asked for."""

    def __init__(self, n=12, **actions):
        self.n = n
        self.actions = {int(name.strip("at_")): action for name, action in actions.items()}

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.actions.get(index, lambda: None)()
        return index


class Pids(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return os.getpid()


def numbers(loader):
    return [batch.tolist() for batch in loader]


def gone(pid):
    """Return whether a process has ended, within a generous time; a zombie has."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


# ----------------------------------------------------------------------------------------------------------------
# The same batches


class Augmented(Dataset):
    """Draws from minigrad's generator, and from the two global ones that are not ours."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        return (
            index,
            minigrad.randn(2),
            minigrad.nn.functional.dropout(minigrad.ones(3)),
            random.random(),
            np.random.rand(),  # noqa: NPY002
        )


def epochs(num_workers, **options):
    minigrad.manual_seed(3)
    loader = DataLoader(Augmented(), batch_size=2, shuffle=True, num_workers=num_workers, **options)
    found = []
    for _ in range(2):
        found.append([])
        for batch in loader:
            minigrad.rand(num_workers + 1)  # what the loop draws, for dropout perhaps, changes nothing
            found[-1].append([part.tolist() for part in batch])
    return found


def test_batches_and_their_random_numbers_do_not_depend_on_the_number_of_workers():
    minigrad.manual_seed(3)
    generator = minigrad.Generator()
    runs = [epochs(n, generator=generator.manual_seed(5)) for n in (0, 1, 2, 4)]
    ours = [[[batch[:3] for batch in epoch] for epoch in run] for run in runs]
    assert ours[0] == ours[1] == ours[2] == ours[3]
    assert runs[1] == runs[2] == runs[3]  # in workers, the global generators too
    assert runs[2] == epochs(2, generator=generator.manual_seed(5), persistent_workers=True, prefetch_factor=5)
    drawn = [x for epoch in ours[0] for batch in epoch for x in batch[1]]
    assert len({tuple(x) for x in drawn}) == len(drawn) == 22  # no two samples get the same noise
    assert len({x for epoch in runs[2] for batch in epoch for x in batch[3] + batch[4]}) == 44


def test_making_batches_here_leaves_the_stream_of_the_loop_alone():
    class Seeding(Augmented):
        def __getitem__(self, index):
            minigrad.manual_seed(0)
            return super().__getitem__(index)

    drawn = []
    for dataset in (Numbers(11), Augmented(), Seeding()):
        minigrad.manual_seed(7)
        drawn.append([minigrad.rand(1).item() for _ in DataLoader(dataset, batch_size=2)])
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn[0])) == 6


def test_an_error_while_making_a_batch_gives_the_generator_back():
    minigrad.manual_seed(1)
    before = minigrad.backend.default_generator()
    with pytest.raises(ZeroDivisionError):
        list(DataLoader(Numbers(at_3=lambda: 1 / 0)))
    assert minigrad.backend.default_generator() is before


def with_and_without(dataset, **options):
    """Return what a loader yields, which must be the same with two workers and with none."""
    runs = []
    for num_workers in (0, 2):
        batches = list(DataLoader(dataset, num_workers=num_workers, **options))
        runs.append(repr(batches))
    assert runs[0] == runs[1]
    return batches


def test_kinds_of_data_sets_and_batches():
    pairs = TensorDataset(minigrad.arange(12).reshape(6, 2).T.clone().T, minigrad.arange(6))
    assert len(with_and_without(pairs, batch_size=4)) == 2
    assert len(with_and_without(pairs, batch_size=4, drop_last=True)) == 1
    assert len(with_and_without(pairs, batch_size=None)) == 6
    parts = ConcatDataset([Subset(pairs, [5, 0]), pairs])
    assert [y.tolist() for _, y in with_and_without(parts, batch_sampler=[[7, 0], [-1], [1, 2, 3]])] == [
        [5, 5],
        [5],
        [0, 0, 1],
    ]
    named = [{"name": f"x{k}", "data": (np.arange(k, k + 2), None if k > 5 else 0.5)} for k in range(4)]
    assert len(with_and_without(named, batch_size=3)) == 2
    assert with_and_without(named, batch_size=2, collate_fn=lambda samples: [x["name"] for x in samples]) == [
        ["x0", "x1"],
        ["x2", "x3"],
    ]
    assert with_and_without(Numbers(0), batch_size=2) == []


def test_a_batch_can_be_written_to_and_has_memory_of_its_own():
    images, labels = next(
        iter(DataLoader(TensorDataset(minigrad.zeros(40, 64, 64), minigrad.arange(40)), 40, num_workers=1))
    )
    images += 1.0
    assert (images.sum().item(), labels.dtype, images.dtype) == (40 * 64 * 64, minigrad.int64, minigrad.float32)


def test_a_collate_fn_may_use_its_memory_again():
    memory = np.zeros(300_000)

    def collate(samples):
        memory[:] = samples[0]
        return memory

    loader = DataLoader(Numbers(6), collate_fn=collate, num_workers=1, prefetch_factor=6)
    time.sleep(0.1)
    assert [(batch[0], batch[-1]) for batch in loader] == [(k, k) for k in range(6)]


def test_large_requests_and_large_answers_do_not_wait_for_each_other():
    data = TensorDataset(minigrad.arange(100_000))
    batches = DataLoader(data, batch_sampler=[range(100_000)] * 12, num_workers=1, prefetch_factor=6)
    assert [int(x[-1]) for (x,) in batches] == [99_999] * 12


def test_in_order_or_as_they_come():
    one_is_here = multiprocessing.get_context("fork").Event()
    data = Numbers(6, at_0=lambda: one_is_here.wait(60))
    found = []
    for batch in DataLoader(data, num_workers=2, in_order=False):
        found += batch.tolist()
        if found[-1] == 1:
            one_is_here.set()
    assert sorted(found) == list(range(6))
    assert found[0] == 1
    assert numbers(DataLoader(data, num_workers=2)) == [[k] for k in range(6)]


def test_prefetching_goes_as_far_as_it_is_told():
    asked = []

    class Watched:
        def __iter__(self):
            for k in range(10):
                asked.append(k)
                yield k

    loop = iter(DataLoader(Numbers(10), sampler=Watched(), num_workers=2, prefetch_factor=2))
    assert next(loop).tolist() == [0]
    assert asked == [0, 1, 2, 3, 4]  # two for each of two workers, and one for the batch that came back
    assert [int(x) for x in loop] == list(range(1, 10))


# ----------------------------------------------------------------------------------------------------------------
# What a worker knows


def test_worker_info_and_init():
    class Told(Dataset):
        offset = 0

        def __len__(self):
            return 6

        def __getitem__(self, index):
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, info.dataset is self, self.offset

    def init(number):
        get_worker_info().dataset.offset = 100 + number

    assert get_worker_info() is None
    loader = DataLoader(Told(), num_workers=2, worker_init_fn=init)
    first, second = ([[int(x) for x in batch] for batch in loader] for _ in range(2))
    assert [(i, n, same, offset) for i, n, _, same, offset in first] == [(k % 2, 2, 1, 100 + k % 2) for k in range(6)]
    assert len({seed for _, _, seed, _, _ in first + second}) == 4  # one for each worker of each epoch
    assert get_worker_info() is None


def test_an_error_in_worker_init_fn():
    def init(number):
        raise FileNotFoundError(2, "no data", f"part{number}")

    with pytest.raises(FileNotFoundError, match="in worker_init_fn of worker 0") as caught:
        list(DataLoader(Numbers(), num_workers=2, worker_init_fn=init))
    assert caught.value.filename == "part0"


# ----------------------------------------------------------------------------------------------------------------
# Streams


class Stream(IterableDataset):
    def __init__(self, n=10, split=True):
        self.n, self.split = n, split

    def __iter__(self):
        info = get_worker_info()
        step = info.num_workers if info is not None and self.split else 1
        return iter(range(info.id if step > 1 else 0, self.n, step))


class SizedStream(Stream):
    def __len__(self):
        return self.n


@pytest.mark.parametrize("batch_size", [1, 2, 3, None])
@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_streams_as_torch(batch_size, num_workers):
    data = pytest.importorskip("torch.utils.data")

    class Theirs(data.IterableDataset):
        def __iter__(self):
            info = data.get_worker_info()
            return iter(range(0 if info is None else info.id, 10, 1 if info is None else info.num_workers))

    for drop_last in (False, True) if batch_size == 3 and num_workers < 3 else (False,):
        options = dict(batch_size=batch_size, drop_last=drop_last, num_workers=num_workers)
        ours = [np.asarray(x).tolist() for x in DataLoader(Stream(), **options)]
        assert ours == [np.asarray(x).tolist() for x in data.DataLoader(Theirs(), **options)]


def test_workers_whose_streams_end_at_different_times():
    class Uneven(IterableDataset):
        def __iter__(self):
            return iter(range([1, 5][get_worker_info().id]))

    assert numbers(DataLoader(Uneven(), num_workers=2)) == [[0], [0], [1], [2], [3], [4]]
    loader = DataLoader(Uneven(), num_workers=2, persistent_workers=True)
    assert numbers(loader) == numbers(loader)


def test_chained_streams():
    assert numbers(DataLoader(Stream(3) + Stream(2), batch_size=2, num_workers=1)) == [[0, 1], [2, 0], [1]]
    assert numbers(DataLoader(ChainDataset([Stream(4)] * 2), batch_size=2, num_workers=2)) == [[0, 2], [1, 3]] * 2


def test_a_stream_that_every_worker_reads_whole_is_noticed():
    loader = DataLoader(SizedStream(4, split=False), batch_size=2, num_workers=2)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match=r"said 2 batches, and there are more.*get_worker_info"):
        assert numbers(loader) == [[0, 1], [0, 1], [2, 3], [2, 3]]
    loader = DataLoader(SizedStream(5), batch_size=2, num_workers=1)
    assert len(loader) == len(numbers(loader)) == 3


# ----------------------------------------------------------------------------------------------------------------
# Errors


class TwoParts(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def raises(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_comes_as_it_is_with_the_way_to_it(num_workers):
    error = KeyError("colour", 3)
    loop = iter(DataLoader(Numbers(at_5=raises(error)), batch_size=2, num_workers=num_workers))
    assert [next(loop).tolist(), next(loop).tolist()] == [[0, 1], [2, 3]]
    with pytest.raises(KeyError) as caught:
        next(loop)
    assert caught.value.args == ("colour", 3)
    (note,) = caught.value.__notes__
    assert note.startswith(f"in worker {2 % num_workers} of the DataLoader, which was making batch 2:\n\nTraceback")
    assert 'test_worker.py", line' in note
    assert "raise error" in note
    assert multiprocessing.active_children() == []
    assert list(loop) == []


def test_an_error_that_does_not_travel_keeps_its_words():
    class Local(Exception):
        pass

    for error, words in ((Local("inner"), "Local: inner"), (TwoParts(1, 2), "TwoParts: 1 and 2")):
        with pytest.raises(RuntimeError, match=words) as caught:
            list(DataLoader(Numbers(at_0=raises(error)), num_workers=1))
        assert "raise error" in caught.value.__notes__[0]


def test_a_batch_that_does_not_travel():
    with pytest.raises((TypeError, AttributeError), match=r"(?i)pickle"):
        list(DataLoader(Numbers(), collate_fn=lambda samples: threading.Lock(), num_workers=1))


def test_a_gradient_that_would_be_lost_is_refused():
    data = TensorDataset(minigrad.ones(4, requires_grad=True))
    with pytest.raises(RuntimeError, match=r"its gradient would be lost; detach\(\) it"):
        list(DataLoader(data, num_workers=1))
    leaf = minigrad.ones(2, requires_grad=True)
    (batch,) = DataLoader([0], num_workers=1, collate_fn=lambda samples: leaf)
    assert (batch.requires_grad, batch.tolist()) == (True, [1.0, 1.0])


def test_a_killed_worker_is_noticed():
    loader = DataLoader(Numbers(at_3=lambda: os.kill(os.getpid(), signal.SIGKILL)), num_workers=2)
    with pytest.raises(RuntimeError, match=r"worker 1 \(process \d+\) was killed by signal 9 \(SIGKILL\); if memory"):
        list(loader)


def test_a_worker_that_ends_itself_is_noticed():
    with pytest.raises(RuntimeError, match=r"worker 0 \(process \d+\) ended with exit code 3"):
        list(DataLoader(Numbers(at_2=lambda: os._exit(3)), num_workers=2))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(worker, "_GRACE", 0.1)


@pytest.mark.usefixtures("impatient")
def test_timeout():
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out, no batch from worker 0 within timeout=0\.3 seconds"):
        list(DataLoader(Numbers(at_0=lambda: time.sleep(60)), num_workers=1, timeout=0.3))
    assert time.monotonic() - start < 30  # and nobody waits for the sleeper
    assert len(list(DataLoader(Numbers(2), num_workers=1, timeout=60))) == 2


def test_an_error_of_the_sampler():
    def sampler():
        yield 0
        raise OverflowError("no more")

    with pytest.raises(OverflowError, match="no more"):
        list(DataLoader(Numbers(), sampler=sampler(), num_workers=1))


# ----------------------------------------------------------------------------------------------------------------
# Ends


@pytest.mark.usefixtures("impatient")
def test_leaving_a_loop_early_ends_its_workers_at_once():
    start = time.monotonic()
    for batch in DataLoader(Numbers(100, at_4=lambda: time.sleep(60)), num_workers=2):
        assert len(multiprocessing.active_children()) == 2
        if batch.item() == 2:
            break
    assert multiprocessing.active_children() == []
    with pytest.raises(ZeroDivisionError):
        for batch in DataLoader(Numbers(), num_workers=2):
            1 / batch.item()
    gc.collect()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - start < 30


def test_an_iterator_that_is_forgotten_or_never_used():
    loop = iter(DataLoader(Numbers(), num_workers=2))
    unused = iter(DataLoader(Numbers(), num_workers=2))
    next(loop)
    del loop, unused
    assert multiprocessing.active_children() == []


def test_two_loops_at_once_have_workers_of_their_own():
    loader = DataLoader(Numbers(3), num_workers=1)
    assert [(int(a), int(b)) for a in loader for b in loader] == list(itertools.product(range(3), range(3)))


SCRIPT = """
import os, signal, sys, time
import minigrad, numpy as np
from minigrad.utils.data import DataLoader

signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background starts deaf to Ctrl-C

class Pids:
    def __len__(self): return 100
    def __getitem__(self, index): return os.getpid()

class Products:
    def __len__(self): return 4
    def __getitem__(self, index): return float((np.ones((300, 300)) @ np.ones((300, 300)))[0, 0])

def stay(**options):
    loader = DataLoader(Pids(), num_workers=2, **options)
    loop = iter(loader)
    print(*[next(loop).item() for _ in range(2)], flush=True)
    return loader, loop

if __name__ == "__main__":
    exec(sys.argv[1])
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(minigrad.__file__).parents[1])])}
    started = []

    def start(program, **more):
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(tmp_path / "script.py"), program],
            env=environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that Ctrl-C reaches this group only
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_all_with_one_traceback(script):
    process = script("kept = stay(); time.sleep(60)")
    pids = [int(word) for word in process.stdout.readline().split()]
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("Traceback") == errors.count("KeyboardInterrupt") == 1
    assert len(set(pids)) == 2
    assert all(gone(pid) for pid in pids)


def test_workers_do_not_outlive_a_killed_program(script):
    process = script("kept = stay(persistent_workers=True), stay(); time.sleep(60)")
    pids = [int(word) for _ in range(2) for word in process.stdout.readline().split()]
    process.kill()
    assert len(set(pids)) == 4
    assert all(gone(pid) for pid in pids)


def test_a_program_that_ends_within_a_loop(script):
    process = script("kept = stay(), stay(persistent_workers=True); kept[0][1].__next__(); sys.exit(7)")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (7, "")
    assert all(gone(int(pid)) for pid in output.split())


def test_forks_of_a_process_with_blas_threads_can_multiply(script):
    process = script(
        "a = np.ones((600, 600)); a @ a; print([x.tolist() for x in DataLoader(Products(), 2, num_workers=2)])",
        **{f"{library}_NUM_THREADS": "2" for library in ("OPENBLAS", "MKL", "OMP")},
    )
    assert process.communicate(timeout=60) == ("[[300.0, 300.0], [300.0, 300.0]]\n", "")


def test_spawned_workers(script):
    process = script(
        "loader = DataLoader(Products(), 2, num_workers=1, multiprocessing_context='spawn', shuffle=True); "
        "print([x.tolist() for x in loader])"
    )
    assert process.communicate(timeout=60) == ("[[300.0, 300.0], [300.0, 300.0]]\n", "")


def test_a_script_without_main_guard_is_told_so(script, tmp_path):
    process = script("")
    (tmp_path / "script.py").write_text(
        "from minigrad.utils.data import DataLoader\n"
        "list(DataLoader([1, 2], num_workers=1, multiprocessing_context='spawn'))\n"
    )
    process = script("")
    _, errors = process.communicate(timeout=60)
    assert "ended with exit code 1; does the program start its work under `if __name__ == '__main__':`?" in errors


def test_what_cannot_be_sent_to_a_spawned_worker_is_refused():
    loader = DataLoader(Numbers(at_1=lambda: None), num_workers=2, multiprocessing_context="spawn")
    with pytest.raises(TypeError, match=r"started by 'spawn' get the data set.* as a pickle, which failed \(.*lambda"):
        list(loader)


# ----------------------------------------------------------------------------------------------------------------
# Workers that stay


def processes(loader):
    return [int(x) for x in loader]


def test_persistent_workers_stay_for_the_next_epoch_and_end_with_their_loader():
    loader = DataLoader(Pids(), num_workers=2, persistent_workers=True)
    first = processes(loader)
    assert processes(loader) == first
    assert len(set(first)) == 2
    assert len(multiprocessing.active_children()) == 2
    assert set(processes(DataLoader(Pids(), num_workers=2))).isdisjoint(first)
    del loader
    assert multiprocessing.active_children() == []


def test_an_epoch_after_one_that_was_left_early():
    loader = DataLoader(Numbers(8), num_workers=2, persistent_workers=True, prefetch_factor=3)
    for _ in range(2):
        for batch in loader:
            if batch.item() == 1:
                break
        assert numbers(loader) == [[k] for k in range(8)]


def test_persistent_workers_serve_one_loop_at_a_time():
    loader = DataLoader(Numbers(4), num_workers=1, persistent_workers=True)
    first, second = iter(loader), iter(loader)
    assert next(first).item() == 0
    assert next(second).item() == 0
    with pytest.raises(RuntimeError, match="another loop over this loader has begun"):
        next(first)
    assert [int(x) for x in second] == [1, 2, 3]


def test_new_workers_take_the_place_of_broken_ones():
    loader = DataLoader(Pids(), num_workers=2, persistent_workers=True)
    first = set(processes(loader))
    os.kill(min(first), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="SIGKILL"):
        processes(loader)
    second = processes(loader)
    assert first.isdisjoint(second)
    assert len(second) == 8


# ----------------------------------------------------------------------------------------------------------------
# Options


@pytest.mark.parametrize(
    ("error", "options", "message"),
    [
        (ValueError, {"timeout": -1}, "timeout of 0 or more seconds, got -1"),
        (ValueError, {"prefetch_factor": 0}, "prefetch_factor of 1 or more, got 0"),
        (ValueError, {"multiprocessing_context": "thread"}, r"one of \['fork'.*, got 'thread'"),
        (TypeError, {"multiprocessing_context": 3}, "a start method such as 'spawn'.*, got 3"),
        (ValueError, {"num_workers": 0, "timeout": 5}, "timeout=5 is for worker processes"),
        (ValueError, {"num_workers": 0, "multiprocessing_context": "fork"}, "='fork' is for worker processes"),
        (ValueError, {"num_workers": 1.5}, "num_workers to be an integer of 0 or more, got 1.5"),
    ],
)
def test_refuses(error, options, message):
    with pytest.raises(error, match=message):
        DataLoader(Numbers(), **{"num_workers": 1} | options)


def test_a_context_is_used_as_it_is_given():
    context = multiprocessing.get_context("fork")
    loader = DataLoader(Numbers(2), num_workers=1, multiprocessing_context=context)
    assert loader.multiprocessing_context is context
    assert numbers(loader) == [[0], [1]]
    assert DataLoader(Numbers(), num_workers=1).multiprocessing_context.get_start_method() == "fork"


def test_more_workers_than_cores_are_advised_against(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1})
    with pytest.warns(UserWarning, match=r"num_workers=3, but this machine has 2 processor cores"):
        DataLoader(Numbers(), num_workers=3)


def test_data_on_the_gpu_is_refused():
    import strict_cupy

    with strict_cupy.installed():
        data = TensorDataset(minigrad.arange(4).to("cuda"))
        with pytest.raises(ValueError, match="the data set is on the GPU"):
            DataLoader(Subset(data, [0]), num_workers=1)

"""Ranks find each other and speak to each other; a process by itself needs nobody."""

import datetime
import inspect
import sys

import numpy as np
import pytest
from launched import PROGRAMS, require_mpi, start

import minigrad
from minigrad import distributed
from minigrad.distributed import ReduceOp


def test_what_three_ranks_say_to_each_other(ranks):
    first = np.arange(6.0, dtype=np.float32).reshape(2, 3)
    copies = [first, first + 1, first + 2]
    results = ranks(3, "collectives")
    for rank, result in enumerate(results):
        assert (result["backend"], result["size"]) == ("mpi", 3)
        expected = {
            "SUM": sum(copies), "AVG": first + 1, "PRODUCT": np.prod(copies, axis=0), "MIN": first, "MAX": first + 2,
            "reduce": first + 1 if rank == 2 else copies[rank], "strided": sum(copies).T, "scalar": 3.0,
            "broadcast": [1, 2**40], "parameter": [0, 0], "ring": [3.0],
        }  # fmt: skip
        for name, value in expected.items():
            np.testing.assert_array_equal(result[name].numpy(), value, err_msg=name)
        np.testing.assert_array_equal([x.numpy() for x in result["gathered"]], copies)
        assert result["objects"] == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
        assert result["dated"] is True  # autograd notices the change in place
        assert result["sender"] == (rank - 1) % 3
        assert result["only on 0"] == (0 if rank == 0 else None)
        assert result["weight"] == (9 / 5 if rank == 0 else 3 / 5)


def test_misuse_is_named(ranks):
    for rank, result in enumerate(ranks(2, "collectives")):
        messages = iter(result["said"])
        assert "expected op to be one of ReduceOp, such as ReduceOp.SUM, got 'sum'" in next(messages)
        assert "ReduceOp.AVG needs a floating tensor, got int64" in next(messages)
        assert "this tensor has a history; pass x.detach()" in next(messages)
        assert "expected src to be a rank from 0 to 1, got 2" in next(messages)
        assert "expected a list of 2 tensors, one for each rank, of shape (2,)" in next(messages)
        assert f"send: rank {rank} cannot send to itself" in next(messages)
        assert "no rank has a sample" in next(messages)
        other = f"rank {rank} has ('weight', ({3 + rank}, 2), 'float32') where rank {1 - rank} has ('weight', "
        assert other in next(messages)
        assert "ranks 0 and 1 draw different batches" in next(messages).replace("ranks 1 and 0", "ranks 0 and 1")
        assert "batch 1 has 1 samples, too few for 2 ranks" in next(messages)


class TestAlone:
    """Without mpiexec everything works, and says the same."""

    def test_needs_no_mpi(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(
            "import sys\n"
            "sys.modules['mpi4py'] = None\n"  # an import of it raises
            "from minigrad import distributed\n"
            "distributed.init_process_group()\n"
            "print(distributed.rank(), distributed.world_size(), distributed.get_backend())\n"
        )
        done = start(None, script)
        assert (done.stdout, done.stderr) == ("0 1 alone\n", "")

    def test_collectives(self, alone):
        x = minigrad.tensor([1.0, 2.0])
        for op in ReduceOp:
            distributed.all_reduce(x, op)
        distributed.reduce(x), distributed.broadcast(x), distributed.barrier()
        places, objects = [minigrad.zeros(2)], [None]
        distributed.all_gather(places, x)
        distributed.all_gather_object(objects, "me")
        assert x.tolist() == places[0].tolist() == [1.0, 2.0]
        assert objects == ["me"]
        assert distributed.batch_weight(5) == 1.0
        assert distributed.rank_zero_only(max)(3, 4) == 4
        with pytest.raises(ValueError, match="rank 0 cannot send to itself"):
            distributed.send(x, 0)
        with pytest.raises(ValueError, match="rank 0 cannot receive from itself"):
            distributed.recv(x)

    def test_before_init(self):
        assert distributed.is_available() and not distributed.is_initialized()
        with pytest.raises(ValueError, match=r"get_rank: .* call minigrad.distributed.init_process_group\(\) first"):
            distributed.get_rank()
        distributed.destroy_process_group()

    def test_twice(self, alone):
        assert distributed.is_initialized()
        with pytest.raises(ValueError, match="has been called already"):
            distributed.init_process_group()

    @pytest.mark.parametrize(
        ("error", "settings", "message"),
        [
            (ValueError, {"backend": "gloo"}, "expected backend to be 'mpi' or 'nccl', got 'gloo'"),
            (NotImplementedError, {"init_method": "tcp://10.0.0.1:99"}, "init_method='tcp://10.0.0.1:99' is not"),
            (NotImplementedError, {"timeout": datetime.timedelta(1)}, "MPIEXEC_TIMEOUT"),
            (ValueError, {"world_size": 2, "rank": 0}, "expected world_size=1, which is what mpiexec has decided"),
            (ValueError, {"rank": 1}, "expected rank=0"),
        ],
    )
    def test_settings_of_others(self, error, settings, message):
        with pytest.raises(error, match=message):
            distributed.init_process_group(**settings)
        assert not distributed.is_initialized()

    def test_groups_and_asynchronous_messages(self, alone):
        x = minigrad.ones(1)
        with pytest.raises(NotImplementedError, match="all_reduce: there is one group"):
            distributed.all_reduce(x, group="half of them")
        with pytest.raises(NotImplementedError, match="barrier: async_op=True"):
            distributed.barrier(async_op=True)
        with pytest.raises(TypeError, match="all_reduce: expected a Tensor, got ndarray"):
            distributed.all_reduce(np.ones(1))
        with pytest.raises(ValueError, match="expected a list with 1 places, got 0"):
            distributed.all_gather_object([], 1)

    @pytest.mark.parametrize("name", ["new_group", "isend", "scatter", "reduce_scatter", "TCPStore", "fsdp"])
    def test_what_is_not_here_says_why(self, name):
        with pytest.raises(AttributeError, match=rf"minigrad.distributed has no '{name}': .{{15}}"):
            getattr(distributed, name)

    def test_mpi_with_one_process(self, tmp_path):
        require_mpi()
        script = tmp_path / "script.py"
        script.write_text(
            "import minigrad; from minigrad import distributed as d\n"
            "d.init_process_group('mpi'); x = minigrad.ones(2); d.all_reduce(x)\n"
            "print(d.get_backend(), d.get_world_size(), x.tolist(), d.is_mpi_available())\n"
        )
        for n in (None, 1):
            assert start(n, script, environment={"PMI_NONE": "1"}).stdout == "mpi 1 [1.0, 1.0] True\n"


class TestLaunchedWrongly:
    """Under a launcher, N processes that do not find each other would train N models in silence."""

    @pytest.fixture
    def script(self, tmp_path):
        path = tmp_path / "script.py"
        path.write_text("from minigrad import distributed\ndistributed.init_process_group()\n")
        return path

    @pytest.mark.parametrize("variable", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
    @pytest.mark.parametrize(
        ("init", "mpi", "cause"),
        [
            ("raise ModuleNotFoundError(\"No module named 'mpi4py'\")", "", "No module named 'mpi4py'"),
            ("", "raise RuntimeError('cannot load MPI library\\nlibmpi.so')", "cannot load MPI library"),
        ],
        ids=["no mpi4py", "no library"],
    )
    def test_without_mpi(self, script, tmp_path, variable, init, mpi, cause):
        package = tmp_path / "mpi4py"
        package.mkdir()
        (package / "__init__.py").write_text(init)
        (package / "MPI.py").write_text(mpi)
        done = start(None, script, environment={variable: "2"})
        assert done.returncode == 1
        *_, message, advice = done.stderr.splitlines()
        assert message.endswith(f"one of 2 processes, and they have no way to send messages: {cause}.")
        assert advice == "  pip install 'minigrad[dist]' brings mpi4py and MPICH"

    def test_with_the_mpiexec_of_another_mpi(self, script):
        require_mpi()
        done = start(None, script, environment={"OMPI_COMM_WORLD_SIZE": "2"}, warnings="ignore")  # mpi4py may warn
        assert done.returncode == 1
        assert "mpiexec started 2 processes, but each believes to be one of 1: mpiexec and mpi4py belong" in done.stderr

    def test_by_torchrun(self, script):
        done = start(None, script, environment={"WORLD_SIZE": "4", "RANK": "0"})
        assert "torchrun started this process" in done.stderr
        assert "mpiexec -n 4 python -m mpi4py" in done.stderr


def test_names_and_signatures_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours = {
        "device_id",
        "store",
        "group_name",
        "pg_options",
        "_ranks",
        "group_src",
        "group_dst",
        "device_ids",
        "timeout",
    }
    for name in (
        "all_gather", "all_gather_object", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_backend",
        "get_rank", "get_world_size", "init_process_group", "is_available", "is_initialized", "is_mpi_available",
        "recv", "reduce", "send",
    ):  # fmt: skip
        theirs = inspect.signature(getattr(torch.distributed, name)).parameters
        mine = inspect.signature(getattr(distributed, name)).parameters
        assert [key for key in mine if key != "timeout"] == [key for key in theirs if key not in ours], name
    assert {op.name for op in ReduceOp} < set(dir(torch.distributed.ReduceOp))


def test_importing_it_does_not_import_mpi():
    script = "import sys, minigrad.distributed, minigrad.utils.data\nprint('mpi4py' in sys.modules)\n"
    assert start(None, "-c", script).stdout == "False\n"
    assert PROGRAMS.exists() and sys.executable

"""The text of tensors: fixed texts as PyTorch prints them, and PyTorch itself side by side where it is installed."""

import math
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import printing
from minigrad.printing import format_tensor, printoptions, set_printoptions

DTYPES = [np.float16, np.float32, np.float64, np.uint8, np.int8, np.int16, np.int32, np.int64, np.bool_]
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    with printoptions(profile="default"):
        yield


@pytest.fixture
def torch() -> Iterator[Any]:
    module = pytest.importorskip("torch")
    yield module
    module.set_default_dtype(module.float32)
    module.set_printoptions(profile="default")


def f32(values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def lines(text: str) -> str:
    return dedent(text).strip("\n")


# Fixed texts.


@pytest.mark.parametrize(
    ("array", "text"),
    [
        # 0-d
        (f32(3), "tensor(3.)"),
        (f32(1 / 3), "tensor(0.3333)"),
        (f32(-0.0), "tensor(-0.)"),
        (f32(123456789), "tensor(1.2346e+08)"),
        (f32(1e-10), "tensor(1.0000e-10)"),
        (f32(NAN), "tensor(nan)"),
        (np.array(True), "tensor(True)"),
        (np.array(5), "tensor(5)"),
        (np.array(2.5), "tensor(2.5000, dtype=minigrad.float64)"),
        # whole numbers, and not
        (f32([1, 2]), "tensor([1., 2.])"),
        (f32([1, -200]), "tensor([   1., -200.])"),
        (f32([1.5, 2]), "tensor([1.5000, 2.0000])"),
        (f32([-1.5, 2]), "tensor([-1.5000,  2.0000])"),
        (f32([1, 1000]), "tensor([   1., 1000.])"),
        # nan, inf and zeros take no part in the width of whole numbers
        (f32([1, NAN, -INF]), "tensor([1., nan, -inf])"),
        (f32([0.5, NAN, INF]), "tensor([0.5000,    nan,    inf])"),
        (f32([-INF, NAN]), "tensor([-inf, nan])"),
        (f32([-0.0, 1]), "tensor([-0., 1.])"),
        (f32([-0.0, 0.5]), "tensor([-0.0000, 0.5000])"),
        # scientific: above 1e8, below 1e-4, ratio above 1000
        (f32([1e8]), "tensor([100000000.])"),
        (f32([100000008]), "tensor([1.0000e+08])"),
        (np.array([99999999.5]), "tensor([99999999.5000], dtype=minigrad.float64)"),
        (np.array([0.0001]), "tensor([0.0001], dtype=minigrad.float64)"),
        (f32([9e-5]), "tensor([9.0000e-05])"),
        (f32([0, 1e-9, -1e-9]), "tensor([ 0.0000e+00,  1.0000e-09, -1.0000e-09])"),
        (f32([1, 1001]), "tensor([1.0000e+00, 1.0010e+03])"),
        (np.array([1e-300, 1.0]), "tensor([1.0000e-300,  1.0000e+00], dtype=minigrad.float64)"),
        # other kinds
        (np.array([True, False]), "tensor([ True, False])"),
        (np.array([True, True]), "tensor([True, True])"),
        (np.array([-1, 200]), "tensor([ -1, 200])"),
        (np.array([1, 255], np.uint8), "tensor([  1, 255], dtype=minigrad.uint8)"),
        (np.array([-1, 20], np.int32), "tensor([-1, 20], dtype=minigrad.int32)"),
        (np.array([1.5, 65504], np.float16), "tensor([1.5000e+00, 6.5504e+04], dtype=minigrad.float16)"),
        # empty
        (f32([]), "tensor([])"),
        (np.zeros((0, 3), np.float32), "tensor([], size=(0, 3))"),
        (np.zeros(0, np.int64), "tensor([], dtype=minigrad.int64)"),
        (np.zeros(0, np.bool_), "tensor([], dtype=minigrad.bool)"),
        (np.zeros((3, 0)), "tensor([], size=(3, 0), dtype=minigrad.float64)"),
    ],
)
def test_one_line(array: np.ndarray, text: str) -> None:
    assert format_tensor(array) == text


def test_rows_and_matrices() -> None:
    assert format_tensor(f32([[2, 4], [6, 8]]), suffixes=["grad_fn=<MulBackward0>"]) == lines("""
        tensor([[2., 4.],
                [6., 8.]], grad_fn=<MulBackward0>)
    """)
    assert format_tensor(np.arange(8).reshape(2, 1, 2, 2)) == lines("""
        tensor([[[[0, 1],
                  [2, 3]]],


                [[[4, 5],
                  [6, 7]]]])
    """)


def test_long_row_wraps_at_the_line_width() -> None:
    assert format_tensor(np.arange(20) * 100) == lines("""
        tensor([   0,  100,  200,  300,  400,  500,  600,  700,  800,  900, 1000, 1100,
                1200, 1300, 1400, 1500, 1600, 1700, 1800, 1900])
    """)


def test_deeper_rows_wrap_earlier() -> None:
    row = np.full(24, -1)  # cells of 4 columns, the first of them in column 8 or 10
    with printoptions(linewidth=79):
        assert format_tensor(row).split("\n")[0].count("-1") == 18
        assert format_tensor(row[None, None]).split("\n")[0].count("-1") == 17


def test_zeros_wrap_as_if_one_column_wide() -> None:
    assert format_tensor(np.zeros(24, np.float32)) == "tensor([" + "0., " * 23 + "0.])"
    assert format_tensor(np.zeros(25, np.float32)) == "tensor([" + "0., " * 23 + "0.,\n        0.])"


def test_summary() -> None:
    assert format_tensor(np.arange(1000)).count(",") == 999
    assert format_tensor(np.arange(1001)) == "tensor([   0,    1,    2,  ...,  998,  999, 1000])"
    assert format_tensor(np.zeros((2, 7, 1, 90), np.bool_)[:, :, 0]) == lines("""
        tensor([[[False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 ...,
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False]],

                [[False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 ...,
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False],
                 [False, False, False,  ..., False, False, False]]])
    """)


def test_hidden_elements_decide_nothing() -> None:
    array = np.ones(2000, np.float32)
    array[1000:1010] = [1e30, 1e-30, 0.5, NAN, INF, -1e9, 3, 4, 5, 6]
    assert format_tensor(array) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"


def test_huge_arrays_are_not_read() -> None:
    huge = np.broadcast_to(np.float32(2), (10**6, 10**6, 10**5))  # 400 PB, were it real
    assert format_tensor(huge).count("2.") == 6**3


def test_only_the_shown_elements_leave_the_device() -> None:
    carried = []

    def to_numpy(array: np.ndarray) -> np.ndarray:
        carried.append(array.shape)
        return array

    format_tensor(np.zeros((500, 4, 500)), to_numpy=to_numpy)
    assert carried == [(6, 4, 6)]


def test_notes_that_do_not_fit_begin_a_line() -> None:
    note = ["grad_fn=<MulBackward0>"]
    assert format_tensor(np.zeros(3), suffixes=note) == (
        "tensor([0., 0., 0.], dtype=minigrad.float64, grad_fn=<MulBackward0>)"
    )
    assert format_tensor(np.zeros(12), suffixes=note) == lines("""
        tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.], dtype=minigrad.float64,
               grad_fn=<MulBackward0>)
    """)
    assert format_tensor(np.zeros(13), suffixes=note) == lines("""
        tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.],
               dtype=minigrad.float64, grad_fn=<MulBackward0>)
    """)


def test_last_note_that_fits() -> None:
    array, room = f32(np.zeros((1, 3))), 80 - len("tensor([[0., 0., 0.]]")
    fits, too_long = "x" * (room - 4), "x" * (room - 3)
    assert format_tensor(array, suffixes=[fits]) == f"tensor([[0., 0., 0.]], {fits})"
    assert format_tensor(array, suffixes=[too_long]) == f"tensor([[0., 0., 0.]],\n       {too_long})"


def test_notes_stand_in_the_order_device_size_dtype_rest() -> None:
    text = format_tensor(np.zeros((0, 2)), suffixes=["device='cuda:0'", "requires_grad=True"])
    assert text == "tensor([], device='cuda:0', size=(0, 2), dtype=minigrad.float64,\n       requires_grad=True)"
    assert format_tensor(f32(1), suffixes=["requires_grad=True"]) == "tensor(1., requires_grad=True)"


def test_default_dtype_goes_without_saying() -> None:
    assert format_tensor(np.zeros(1), default_dtype=np.float64) == "tensor([0.])"
    assert format_tensor(f32([]), default_dtype=np.float64) == "tensor([], dtype=minigrad.float32)"


def test_prefix_sets_the_indent() -> None:
    assert format_tensor(np.eye(2, dtype=np.int64), prefix="T") == "T([[1, 0],\n   [0, 1]])"


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError, match="expected booleans, integers or floats, got an array of dtype complex128"):
        format_tensor(np.zeros(2, np.complex128))


# Options.


def test_precision_and_sci_mode() -> None:
    with printoptions(precision=2):
        assert format_tensor(f32([1, 2.5])) == "tensor([1.00, 2.50])"
    with printoptions(precision=0):
        assert format_tensor(f32([0.5, 100])) == "tensor([  0, 100])"
        assert format_tensor(f32([1, 100])) == "tensor([  1., 100.])"
    with printoptions(sci_mode=True):
        assert format_tensor(f32([1, NAN])) == "tensor([1.0000e+00,        nan])"
        assert format_tensor(f32([0, 0])) == "tensor([0., 0.])"
    with printoptions(sci_mode=False):
        assert format_tensor(f32([1, 1e9])) == "tensor([         1., 1000000000.])"
        assert format_tensor(f32([1e-9, 0.5])) == "tensor([0.0000, 0.5000])"


def test_threshold_edgeitems_linewidth() -> None:
    with printoptions(threshold=5, edgeitems=1):
        assert format_tensor(np.arange(5)) == "tensor([0, 1, 2, 3, 4])"
        assert format_tensor(np.arange(12).reshape(2, 6)) == ("tensor([[ 0,  ...,  5],\n        [ 6,  ..., 11]])")
        assert format_tensor(np.arange(12).reshape(3, 4)) == (
            "tensor([[ 0,  ...,  3],\n        ...,\n        [ 8,  ..., 11]])"
        )
    with printoptions(threshold=5, edgeitems=0):
        assert format_tensor(np.arange(6).reshape(2, 3)) == "tensor([...], size=(2, 3))"
    with printoptions(linewidth=10):
        assert format_tensor(np.arange(2)) == "tensor([0,\n        1])"


def test_profiles() -> None:
    set_printoptions(profile="short", edgeitems=1)
    assert printing._options == printing._Options(precision=2, edgeitems=1)
    set_printoptions(profile="full")
    assert format_tensor(np.arange(1001)).count(",") == 1000
    set_printoptions(profile="default")
    assert printing._options == printing._Options()


def test_each_call_sets_sci_mode() -> None:
    set_printoptions(sci_mode=True, precision=3)
    set_printoptions(linewidth=100)
    assert printing._options == printing._Options(precision=3, linewidth=100, sci_mode=None)


def test_printoptions_ends_with_its_block() -> None:
    with pytest.raises(KeyError), printoptions(precision=1):
        assert format_tensor(f32(0.25)) == "tensor(0.2)"
        raise KeyError
    assert format_tensor(f32(0.25)) == "tensor(0.2500)"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("profile", "long"),
        ("precision", -1),
        ("precision", 2.5),
        ("edgeitems", -1),
        ("linewidth", 0.5),
        ("threshold", -1),
        ("threshold", NAN),
    ],
)
def test_wrong_options_change_nothing(name: str, wrong: Any) -> None:
    options: dict[str, Any] = {"precision": 1, name: wrong}
    with pytest.raises(ValueError, match=f"expected {name} to be .*, got {wrong!r}"):
        set_printoptions(**options)
    assert printing._options == printing._Options()


# Side by side with PyTorch.


def assert_same(torch: Any, array: np.ndarray) -> None:
    expected = repr(torch.tensor(array)).replace("torch.", "minigrad.")
    assert format_tensor(array) == expected, f"{array.dtype} {array.shape} {printing._options}"


def set_both(torch: Any, **options: Any) -> None:
    torch.set_printoptions(**options)
    set_printoptions(**options)


def random_shape(rng: np.random.Generator) -> tuple[int, ...]:
    kind = rng.integers(8)
    if kind == 0:
        return (int(rng.integers(1, 1300)),)
    if kind == 1:
        return (int(rng.integers(1, 60)), int(rng.integers(1, 60)))
    return tuple(rng.integers(0 if kind == 2 else 1, 9, size=rng.integers(0, 5)).tolist())


def random_array(rng: np.random.Generator, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < rng.choice([0, 0.5, 1]))
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        high = min(info.max, 10 ** int(rng.integers(1, 19)))
        return rng.integers(max(info.min, -high), high, shape, dtype, endpoint=True)
    scale = 10.0 ** rng.integers(-12, 12) if dtype != np.float16 else 10.0 ** rng.integers(-5, 4)
    spread = rng.choice([0, 1, 4, 10])
    values = scale * rng.standard_normal(shape) * 10.0 ** rng.uniform(-spread / 2, spread / 2, shape)
    if rng.random() < 0.3:
        values = np.round(values)
    if rng.random() < 0.3:
        values = np.abs(values)
    for odd in (0.0, -0.0, NAN, INF, -INF):
        if rng.random() < 0.2:
            values = np.where(rng.random(shape) < rng.choice([0.1, 0.6, 1]), odd, values)
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_random_arrays(torch: Any, dtype: Any) -> None:
    rng = np.random.default_rng(20)
    for _ in range(120):
        assert_same(torch, random_array(rng, dtype, random_shape(rng)))


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
def test_random_options(torch: Any, dtype: Any) -> None:
    rng = np.random.default_rng(21)
    for _ in range(60):
        set_both(
            torch,
            profile=rng.choice(["default", "short", "full"]).item(),
            precision=rng.integers(0, 9).item(),
            threshold=rng.choice([0, 1, 10, 100, 1000, INF]).item(),
            edgeitems=rng.integers(0, 5).item(),
            linewidth=rng.integers(0, 150).item(),
            sci_mode=[None, True, False][rng.integers(3)],
        )
        assert_same(torch, random_array(rng, dtype, random_shape(rng)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_limits_of_scientific_notation(torch: Any, dtype: Any) -> None:
    limits = [
        dtype(limit)
        for limit in (1e8, 1e-4, 1000, 999, 1, 0.5, 0.001, 9.9995, 99999.9999)
        if limit < 65504 or dtype != np.float16
    ]
    edges = [x for limit in limits for x in (np.nextafter(limit, dtype(0)), limit, np.nextafter(limit, dtype(INF)))]
    edges += [np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
    for a in edges:
        for b in [*edges, 0]:
            assert_same(torch, np.array([a, -b], dtype))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(data=st.data())
def test_any_array(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5))
    assert_same(torch, data.draw(hnp.arrays(dtype, shape)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
def test_every_length_of_row_and_of_note(torch: Any, dtype: Any) -> None:
    for width in range(1, 45):
        name = "F" * width
        function: Any = type(
            name,
            (torch.autograd.Function,),
            {"forward": staticmethod(lambda ctx, x: x * 1), "backward": staticmethod(lambda ctx, g: g)},
        )
        for size in range(26):
            array = np.zeros(size, dtype)
            expected = repr(function.apply(torch.tensor(array, requires_grad=True)))
            text = format_tensor(array, suffixes=[f"grad_fn=<{name}Backward>"])
            assert text == expected.replace("torch.", "minigrad.")


def test_default_dtype_as_torch(torch: Any) -> None:
    torch.set_default_dtype(torch.float64)
    for dtype in DTYPES:
        for shape in [(), (0,), (2,), (0, 2)]:
            expected = repr(torch.tensor(np.ones(shape, dtype))).replace("torch.", "minigrad.")
            assert format_tensor(np.ones(shape, dtype), default_dtype=np.float64) == expected

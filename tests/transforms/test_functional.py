"""Each function against its definition: small images by hand, PyTorch's building blocks, SciPy, colorsys."""

import colorsys
import math

import numpy as np
import pytest

import minigrad
from minigrad import transforms
from minigrad.autograd import gradcheck
from minigrad.transforms import functional as F

BILINEAR = transforms.InterpolationMode.BILINEAR


def image(*shape, dtype="float64"):
    x = np.random.default_rng(0).random(shape)
    return minigrad.tensor((x * 255).astype(dtype) if dtype == "uint8" else x.astype(dtype))


def row(*values):
    return minigrad.tensor([[list(values)]])


def close(x, y, atol=1e-12):
    x = x.numpy() if isinstance(x, minigrad.Tensor) else x
    np.testing.assert_allclose(x, np.asarray(y), rtol=0, atol=atol)


# --------------------------------------------------------------------------------------------------------------
# Boxes, mirrors, borders


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 2, 3, 4)])
def test_flips(shape):
    x = image(*shape)
    close(F.hflip(x), x.numpy()[..., ::-1])
    close(F.vflip(x), x.numpy()[..., ::-1, :])


def test_crop_outside_is_zero():
    x = minigrad.arange(1, 5).reshape(1, 2, 2)
    assert F.crop(x, -1, 1, 2, 3).tolist() == [[[0, 0, 0], [2, 0, 0]]]


def test_crop_with_a_place_for_each_image():
    x = image(3, 2, 5, 6)
    tops, lefts = np.array([0, 2, 3]), np.array([3, -1, 1])
    each = [F.crop(x[k], int(tops[k]), int(lefts[k]), 2, 3) for k in range(3)]
    close(F.crop(x, tops, lefts, 2, 3), minigrad.stack(each).numpy())


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (2, [[[4, 5], [7, 8]]]),  # (3 - 2) / 2 = 0.5 rounds to the even number 0 ... rows 1-2 in a 4 x 3 image
        ((2, 3), [[[3, 4, 5], [6, 7, 8]]]),
        ((4, 5), [[[0, 0, 1, 2, 0], [0, 3, 4, 5, 0], [0, 6, 7, 8, 0], [0, 9, 10, 11, 0]]]),
    ],
)
def test_center_crop(size, expected):
    x = minigrad.arange(12).reshape(1, 4, 3)
    if size == 2:
        expected = x.numpy()[:, 1:3, 0:2].tolist()
    assert F.center_crop(x, size).tolist() == expected


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_pad_as_numpy(mode, dtype):
    x = image(2, 4, 5, dtype=dtype)
    left, top, right, bottom = 1, 2, 3, 0
    expected = np.pad(x.numpy(), ((0, 0), (top, bottom), (left, right)), mode)
    y = F.pad(x, (left, top, right, bottom), padding_mode=mode)
    assert y.dtype == x.dtype
    close(y, expected)
    close(F.pad(x, (1, 2), padding_mode=mode), np.pad(x.numpy(), ((0, 0), (2, 2), (1, 1)), mode))
    close(F.pad(x, 1, padding_mode=mode), np.pad(x.numpy(), ((0, 0), (1, 1), (1, 1)), mode))


def test_pad_fill():
    x = minigrad.zeros(3, 1, 1)
    assert F.pad(x, (1, 0), fill=0.5)[0].tolist() == [[0.5, 0.0, 0.5]]
    assert F.pad(x, (1, 0), fill=(1, 2, 3))[:, 0, 0].tolist() == [1.0, 2.0, 3.0]


def test_erase():
    x = minigrad.ones(2, 3, 3)
    y = F.erase(x, 0, 1, 2, 1, minigrad.tensor([[[5.0]], [[6.0]]]))
    assert y[1].tolist() == [[1, 6, 1], [1, 6, 1], [1, 1, 1]]
    assert x.sum().item() == 18
    assert F.erase(x, 0, 0, 1, 1, 0.0, inplace=True) is not None
    assert x.sum().item() == 16


def test_erase_with_a_box_for_each_image():
    x = image(3, 2, 4, 5)
    boxes = np.array([[0, 1, 2, 3], [1, 1, 1, 1], [2, 0, 2, 5]])
    each = [F.erase(x[k], *boxes[k].tolist(), minigrad.tensor([[[7.0]], [[8.0]]]).double()) for k in range(3)]
    y = F.erase(x, *boxes.T, minigrad.tensor([[[7.0]], [[8.0]]]))
    assert y.dtype == x.dtype
    close(y, minigrad.stack(each).numpy())


# --------------------------------------------------------------------------------------------------------------
# Resizing


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(3, 2), (5, 17), (16, 9), (8, 11)])
def test_resize_as_torch(mode, antialias, size):
    torch = pytest.importorskip("torch")
    x = image(2, 3, 8, 11)
    smooth = mode.startswith("bi")
    options = {"antialias": antialias, "align_corners": False} if smooth else {}
    expected = torch.nn.functional.interpolate(torch.from_numpy(x.numpy()), size, mode=mode, **options)
    close(F.resize(x, size, mode, antialias=antialias), expected.numpy())
    close(F.resize(x[1], size, mode, antialias=antialias), expected[1].numpy())


def test_resize_by_hand():
    assert F.resize(row(0.0, 4.0), (1, 4)).tolist() == [[[0.0, 1.0, 3.0, 4.0]]]
    # made half as wide, a hat of width 4 around each new centre: weights 1/8 3/8 3/8 1/8, less what is outside
    close(F.resize(row(0.0, 0.0, 1.0, 0.0).double(), (1, 2)), [[[1 / 7, 3 / 7]]])
    stripes = row(*[0.0, 1.0] * 8)
    assert F.resize(stripes, (1, 4), antialias=False).tolist() == [[[0.5] * 4]]
    assert F.resize(stripes, (1, 4), "nearest").tolist() == [[[0.0] * 4]]


@pytest.mark.parametrize(
    ("old", "size", "max_size", "new"),
    [
        ((6, 9), 4, None, (4, 6)),
        ((9, 6), 4, None, (6, 4)),
        ((10, 7), [5], None, (7, 5)),
        ((4, 100), 4, 50, (2, 50)),
        ((4, 8), None, 4, (2, 4)),
        ((5, 5), (2, 3), None, (2, 3)),
    ],
)
def test_resize_keeps_the_ratio(old, size, max_size, new):
    assert tuple(F.resize(minigrad.zeros(1, *old), size, max_size=max_size).shape) == (1, *new)


def test_resize_of_bytes_rounds():
    x = minigrad.tensor([[[0, 255]]], dtype=minigrad.uint8)
    assert F.resize(x, (1, 4)).tolist() == [[[0, 64, 191, 255]]]
    overshooting = minigrad.tensor([[[0, 0, 255, 255]]], dtype=minigrad.uint8)
    y = F.resize(overshooting, (1, 9), "bicubic")
    assert (y.dtype, y.min().item(), y.max().item()) == (minigrad.uint8, 0, 255)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest", "nearest-exact"])
def test_resized_crop_is_crop_and_resize(mode):
    x = image(4, 2, 9, 12)
    boxes = np.array([[0, 0, 9, 12], [2, 3, 1, 1], [1, 5, 6, 7], [4, 0, 5, 3]])
    expected = [F.resize(F.crop(x[k], *boxes[k].tolist()), (5, 4), mode) for k in range(4)]
    close(F.resized_crop(x, *boxes.T, (5, 4), mode), minigrad.stack(expected).numpy())
    close(F.resized_crop(x[2], *boxes[2].tolist(), (5, 4), mode), expected[2].numpy())
    plain = F.resize(F.crop(x[2], *boxes[2].tolist()), (5, 4), mode, antialias=False)
    close(F.resized_crop(x[2], *boxes[2].tolist(), (5, 4), mode, antialias=False), plain.numpy())


# --------------------------------------------------------------------------------------------------------------
# Rotation, affine maps, perspective


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 5, 5), (1, 6, 7)])
def test_quarter_turns(mode, shape):
    x = image(*shape)
    half = np.rot90(x.numpy(), 2, (1, 2))
    close(F.rotate(x, 180, mode), half)
    if shape[1] == shape[2]:
        close(F.rotate(x, 90, mode), np.rot90(x.numpy(), 1, (1, 2)))
        close(F.rotate(x, -90, mode), np.rot90(x.numpy(), -1, (1, 2)))
    close(F.rotate(x, 90, mode, expand=True), np.rot90(x.numpy(), 1, (1, 2)))


def torch_affine(x, matrix, size, mode):
    """Sample with PyTorch at the places of a 2 x 3 matrix in pixels from the middle, as torchvision does."""
    torch = pytest.importorskip("torch")
    h, w = x.shape[-2:]
    x_new = torch.linspace(-size[1] / 2 + 0.5, size[1] / 2 - 0.5, size[1], dtype=torch.float64)
    y_new = torch.linspace(-size[0] / 2 + 0.5, size[0] / 2 - 0.5, size[0], dtype=torch.float64)
    points = torch.stack([*torch.meshgrid(x_new, y_new, indexing="xy"), torch.ones(size, dtype=torch.float64)], -1)
    grid = points @ torch.tensor(matrix, dtype=torch.float64).T / torch.tensor([w / 2, h / 2], dtype=torch.float64)
    found = torch.nn.functional.grid_sample(
        torch.from_numpy(x.numpy())[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False
    )
    return found[0].numpy()


def inverse_affine(center, angle, translate, scale, shear):
    """The six numbers, written out as in torchvision's documentation of the map, for one image."""
    rot, sx, sy = (math.radians(a) for a in (angle, *shear))
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m = np.array([[d, -b], [-c, a]]) / scale
    shift = center - m @ (np.array(center) + translate)
    return np.concatenate([m, shift[:, None]], 1)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("angle", [17.0, -130.0])
@pytest.mark.parametrize("center", [None, (2.0, 7.5)])
def test_rotate_as_torch(mode, angle, center):
    x = image(2, 9, 12)
    middle = np.zeros(2) if center is None else np.array(center) - [6.0, 4.5]
    expected = torch_affine(x, inverse_affine(middle, -angle, (0, 0), 1.0, (0, 0)), (9, 12), mode)
    close(F.rotate(x, angle, mode, center=center), expected)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_affine_as_torch(mode):
    x = image(3, 2, 9, 12)
    angles, scales = np.array([20.0, 0.0, -75.0]), np.array([1.3, 0.6, 1.0])
    shifts, shears = np.array([[2, -1], [0, 3], [-4, 0]]), np.array([[10.0, 0.0], [0.0, -15.0], [5.0, 25.0]])
    expected = [
        torch_affine(x[k], inverse_affine(np.zeros(2), angles[k], shifts[k], scales[k], shears[k]), (9, 12), mode)
        for k in range(3)
    ]
    close(F.affine(x, angles, shifts, scales, shears, mode), expected)
    close(F.affine(x[2], -75.0, [-4, 0], 1.0, [5.0, 25.0], mode), expected[2])


def test_affine_moves_by_whole_pixels():
    x = minigrad.arange(1, 10).reshape(1, 3, 3)
    assert F.affine(x, 0, (1, -1), 1, 0).tolist() == [[[0, 4, 5], [0, 7, 8], [0, 0, 0]]]
    assert F.affine(x, 0, (1, -1), 1, 0, fill=7).tolist() == [[[7, 4, 5], [7, 7, 8], [7, 7, 7]]]


def test_rotation_as_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    x = image(1, 15, 15)
    expected = ndimage.rotate(x.numpy()[0], 25.0, order=1, reshape=False, mode="grid-constant", prefilter=False)
    close(F.rotate(x, 25.0, "bilinear")[0], expected)


@pytest.mark.parametrize(
    ("angle", "shape", "size"),
    [(45, (8, 8), (12, 12)), (30, (9, 12), (15, 16)), (0, (5, 6), (5, 6)), (180, (5, 6), (5, 6))],
)
def test_expand(angle, shape, size):
    y = F.rotate(minigrad.ones(1, *shape), angle, "bilinear", expand=True)
    assert tuple(y.shape[1:]) == size
    assert abs(y.sum().item() - math.prod(shape)) < 0.06 * math.prod(shape)


def test_fill_is_what_surrounds_the_image():
    x = image(2, 7, 7)
    wide = F.pad(x, 10, fill=(0.25, 0.75))
    expected = F.center_crop(F.rotate(wide, 33.0, "bilinear"), 7)
    close(F.rotate(x, 33.0, "bilinear", fill=[0.25, 0.75]), expected.numpy())
    close(F.rotate(minigrad.full((1, 7, 7), 0.5).double(), 33.0, "bilinear", fill=0.5), np.full((1, 7, 7), 0.5))


def test_perspective_moves_the_corners():
    x = image(1, 8, 10)
    start = [[0, 0], [9, 0], [9, 7], [0, 7]]
    close(F.perspective(x, start, start), x.numpy(), atol=1e-10)
    moved = [[2, 1], [8, 0], [9, 7], [1, 5]]
    # Where does each new pixel come from? Two ramps tell, as bilinear interpolation is exact on them.
    i, j = np.mgrid[:8, :10] + 0.5
    found = F.perspective(minigrad.tensor(np.stack([j, i])), start, moved).numpy()
    inside = F.perspective(minigrad.ones(1, 8, 10).double(), start, moved).numpy()[0] > 0.999
    u, v, x1, y1 = found[0][inside], found[1][inside], j[inside], i[inside]
    one, zero = np.ones_like(u), np.zeros_like(u)
    rows = [[u, v, one, zero, zero, zero, -u * x1, -v * x1, -x1], [zero, zero, zero, u, v, one, -u * y1, -v * y1, -y1]]
    forward = np.linalg.svd(np.concatenate([np.stack(r, -1) for r in rows]))[2][-1].reshape(3, 3)
    ends = forward @ np.array([[x0, y0, 1.0] for x0, y0 in start]).T
    close((ends[:2] / ends[2]).T, moved, atol=1e-6)
    y = F.perspective(x, start, moved, "nearest")
    both = F.perspective(minigrad.stack([x, x]), start, [moved, start], "nearest")
    close(both[0], y.numpy())
    close(both[1], x.numpy())


def test_perspective_of_a_parallelogram_is_affine():
    x = image(2, 9, 9)
    start = np.array([[0, 0], [9, 0], [9, 9], [0, 9]])
    close(F.perspective(x, start, start + [2, -1]), F.affine(x, 0, (2, -1), 1, 0, "bilinear").numpy(), atol=1e-10)


# --------------------------------------------------------------------------------------------------------------
# Colours


def test_grey():
    x = image(2, 3, 4, 5)
    expected = (x.numpy() * np.array([0.2989, 0.587, 0.114])[:, None, None]).sum(1, keepdims=True)
    close(F.rgb_to_grayscale(x), expected)
    close(F.rgb_to_grayscale(x, 3), np.repeat(expected, 3, 1))
    white = minigrad.full((3, 1, 1), 255, dtype=minigrad.uint8)
    assert F.rgb_to_grayscale(white).tolist() == [[[254]]]  # the weights sum to 0.9999, and bytes are cut off


def test_blends():
    x = image(2, 3, 4, 5)
    a = x.numpy()
    grey = F.rgb_to_grayscale(x).numpy()
    close(F.adjust_brightness(x, 1.7), np.clip(1.7 * a, 0, 1))
    mean = grey.mean((1, 2, 3), keepdims=True)
    close(F.adjust_contrast(x, 1.7), np.clip(1.7 * a - 0.7 * mean, 0, 1))
    close(F.adjust_saturation(x, 0.4), np.clip(0.4 * a + 0.6 * grey, 0, 1))
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
        close(adjust(x, 1.0), a)
        close(adjust(x, np.array([0.3, 1.9])), [adjust(x[0], 0.3).numpy(), adjust(x[1], 1.9).numpy()])


def test_blends_of_bytes_cut_off():
    x = minigrad.tensor([[[0, 101, 200]]], dtype=minigrad.uint8)
    y = F.adjust_brightness(x, 1.5)
    assert (y.dtype, y.tolist()) == (minigrad.uint8, [[[0, 151, 255]]])


@pytest.mark.parametrize("factor", [-0.5, -0.2, 0.0, 0.1, 0.5])
def test_hue_as_colorsys(factor):
    x = image(3, 6, 6)
    a = x.numpy()
    a[:, 0, :3] = [[0.0, 1.0, 0.5]] * 3  # greys have no hue
    a[:, 1, 0], a[:, 1, 1], a[:, 1, 2] = (1, 1, 0), (0, 1, 1), (1, 0, 1)  # two channels equally light
    expected = np.empty_like(a)
    for i, j in np.ndindex(6, 6):
        h, s, v = colorsys.rgb_to_hsv(*a[:, i, j])
        expected[:, i, j] = colorsys.hsv_to_rgb((h + factor) % 1.0, s, v)
    close(F.adjust_hue(x, factor), expected, atol=1e-12)
    close(F.adjust_hue(minigrad.stack([x, x]), np.array([factor, 0.0])), [expected, a], atol=1e-12)


def test_hue_of_bytes():
    red = minigrad.tensor([[[255]], [[0]], [[0]]], dtype=minigrad.uint8)
    assert F.adjust_hue(red, 1 / 3).reshape(3).tolist() == [0, 255, 0]


def test_gamma_invert_solarize():
    x = row(0.0, 0.25, 1.0)
    assert F.adjust_gamma(x, 0.5).tolist() == [[[0.0, 0.5, 1.0]]]
    assert F.invert(x).tolist() == [[[1.0, 0.75, 0.0]]]
    assert F.solarize(x, 0.25).tolist() == [[[0.0, 0.75, 0.0]]]
    assert F.invert(minigrad.tensor([[[3]]], dtype=minigrad.uint8)).tolist() == [[[252]]]


@pytest.mark.parametrize(("kernel", "sigma"), [(3, None), (5, 1.3), ((3, 5), (0.4, 2.0))])
def test_blur_as_torch(kernel, sigma):
    torch = pytest.importorskip("torch")
    x = image(2, 3, 8, 9)
    kx, ky = (kernel, kernel) if isinstance(kernel, int) else kernel
    sx, sy = (0.15 * kx + 0.35, 0.15 * ky + 0.35) if sigma is None else (sigma, sigma) if np.ndim(sigma) == 0 else sigma
    bells = [torch.exp(-0.5 * (torch.arange(k).double() - k // 2).div(s) ** 2) for k, s in ((ky, sy), (kx, sx))]
    window = torch.outer(bells[0] / bells[0].sum(), bells[1] / bells[1].sum()).expand(3, 1, ky, kx)
    wide = torch.nn.functional.pad(torch.from_numpy(x.numpy()), (kx // 2, kx // 2, ky // 2, ky // 2), mode="reflect")
    close(F.gaussian_blur(x, kernel, sigma), torch.nn.functional.conv2d(wide, window, groups=3).numpy())


def test_blur_with_a_sigma_for_each_image():
    x = image(2, 1, 8, 8)
    y = F.gaussian_blur(x, 3, np.array([[0.5, 0.5], [2.0, 1.0]]))
    close(y, [F.gaussian_blur(x[0], 3, 0.5).numpy(), F.gaussian_blur(x[1], 3, (2.0, 1.0)).numpy()])
    assert F.gaussian_blur(minigrad.full((1, 8, 8), 200, dtype=minigrad.uint8), 3).tolist() == [[[200] * 8] * 8]


# --------------------------------------------------------------------------------------------------------------
# Kinds of numbers


def test_to_tensor():
    a = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    x = F.to_tensor(a)
    assert (x.dtype, tuple(x.shape), x.array.flags.c_contiguous) == (minigrad.float32, (3, 2, 4), True)
    close(x, a.transpose(2, 0, 1).astype("f") / np.float32(255))
    assert tuple(F.to_tensor(a[..., 0]).shape) == (1, 2, 4)
    assert tuple(F.to_tensor(a[None]).shape) == (1, 3, 2, 4)
    assert F.to_tensor(a.astype(np.float64) * 2).numpy().max() == 46.0  # floats are not scaled
    close(F.to_tensor(minigrad.tensor(a)), a.astype("f") / np.float32(255))


def test_to_tensor_of_a_picture():
    class Picture:  # what a PIL image offers
        __array_interface__ = np.array([[0, 255]], np.uint8).__array_interface__

    assert F.to_tensor(Picture()).tolist() == [[[0.0, 1.0]]]


@pytest.mark.parametrize(
    ("old", "new", "values", "expected"),
    [
        ("uint8", "float32", [0, 255], [0.0, 1.0]),
        ("float32", "uint8", [0.0, 0.5, 0.999, 1.0], [0, 127, 255, 255]),
        ("uint8", "int16", [0, 255], [0, 255 * 128]),
        ("int16", "uint8", [0, 255 * 128], [0, 255]),
        ("uint8", "uint8", [7], [7]),
        ("float32", "float64", [0.5], [0.5]),
    ],
)
def test_convert_image_dtype(old, new, values, expected):
    y = F.convert_image_dtype(minigrad.tensor([[values]], dtype=np.dtype(old)), np.dtype(new))
    assert (y.dtype, y.tolist()) == (np.dtype(new), [[expected]])


def test_normalize():
    x = image(2, 3, 4, 4)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.5)
    expected = (x.numpy() - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    close(F.normalize(x, mean, std), expected)
    close(F.normalize(x[1], minigrad.tensor(mean).double(), std), expected[1], atol=1e-6)
    assert F.normalize(x, mean, std, inplace=True) is x
    close(x, expected)


# --------------------------------------------------------------------------------------------------------------
# All of them

CALLS = {
    "hflip": (),
    "vflip": (),
    "crop": (1, -1, 2, 3),
    "center_crop": (3,),
    "pad": (2,),
    "resize": ((3, 5),),
    "resized_crop": (1, 1, 2, 3, (4, 4)),
    "rotate": (20.0, "bilinear"),
    "affine": (20.0, (1, 0), 1.2, 5.0, "bilinear"),
    "perspective": ([[0, 0], [3, 0], [3, 3], [0, 3]], [[0, 1], [3, 0], [3, 3], [0, 3]]),
    "rgb_to_grayscale": (),
    "adjust_brightness": (0.7,),
    "adjust_contrast": (0.7,),
    "adjust_saturation": (0.7,),
    "adjust_hue": (0.2,),
    "adjust_gamma": (2.0,),
    "gaussian_blur": (3,),
    "invert": (),
}


@pytest.mark.parametrize("name", CALLS)
def test_differentiable(name):
    x = image(1, 3, 4, 4).requires_grad_()
    assert gradcheck(lambda x: getattr(F, name)(x, *CALLS[name]), (x,))


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_dtype_stays_and_a_batch_is_its_images(name, dtype):
    x = image(2, 3, 5, 6, dtype=dtype)
    y = getattr(F, name)(x, *CALLS[name])
    assert y.dtype == x.dtype
    each = [getattr(F, name)(x[k], *CALLS[name]).numpy() for k in range(2)]
    close(y.float(), np.stack(each).astype("f"), atol=1e-6)


# --------------------------------------------------------------------------------------------------------------
# Refusals


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.hflip(np.zeros((1, 2, 2))), TypeError, r"hflip: expected a Tensor .* got ndarray; .*ToTensor"),
        (lambda: F.hflip(minigrad.zeros(2, 2)), TypeError, r"got \(2, 2\); one grey image .*unsqueeze"),
        (lambda: F.hflip(minigrad.zeros(1, 2, 2).bool()), TypeError, "got bool"),
        (lambda: F.crop(minigrad.zeros(1, 2, 2), 0, 0, 0, 1), ValueError, "at least 1, got 0 x 1"),
        (lambda: F.crop(minigrad.zeros(3, 1, 2, 2), [0, 1], 0, 1, 1), ValueError, r"crop: expected a number as top"),
        (lambda: F.pad(minigrad.zeros(1, 2, 2), (1, 2, 3)), ValueError, "1, 2 or 4 integers"),
        (lambda: F.pad(minigrad.zeros(1, 2, 2), 1, padding_mode="wrap"), ValueError, "'symmetric', got 'wrap'"),
        (lambda: F.pad(minigrad.zeros(1, 2, 2), 3, padding_mode="symmetric"), ValueError, "at most the whole image"),
        (lambda: F.pad(minigrad.zeros(3, 2, 2), 1, fill=(1, 2)), ValueError, "fill as one number or 3"),
        (lambda: F.resize(minigrad.zeros(1, 2, 2), 0), ValueError, "at least 1"),
        (lambda: F.resize(minigrad.zeros(1, 2, 2), 4, "lanczos"), ValueError, "'bicubic', got 'lanczos'"),
        (lambda: F.resize(minigrad.zeros(1, 2, 2), 4, max_size=4), ValueError, "max_size above size=4"),
        (lambda: F.resize(minigrad.zeros(1, 2, 2), (2, 2), max_size=4), ValueError, "goes with one number"),
        (lambda: F.rotate(minigrad.zeros(1, 2, 2), 4, "bicubic"), ValueError, "'bilinear', got 'bicubic'"),
        (lambda: F.rotate(minigrad.zeros(2, 1, 2, 2), [4, 5], expand=True), ValueError, "each angle needs a size"),
        (lambda: F.affine(minigrad.zeros(1, 2, 2), 0, (0, 0), 0.0, 0), ValueError, "scale above 0"),
        (lambda: F.affine(minigrad.zeros(1, 2, 2), 0, (0, 0, 1), 1.0, 0), ValueError, "2 numbers as translate"),
        (lambda: F.perspective(minigrad.zeros(1, 2, 2), [[0, 0]] * 4, [[0, 0]] * 4), ValueError, "lie on a line"),
        (lambda: F.rgb_to_grayscale(minigrad.zeros(2, 2, 2)), ValueError, "1 .grey. or 3 .* got 2"),
        (lambda: F.rgb_to_grayscale(minigrad.zeros(3, 2, 2), 2), ValueError, "1 or 3, got 2"),
        (lambda: F.adjust_brightness(minigrad.zeros(3, 2, 2), -1), ValueError, "at least 0, got -1"),
        (lambda: F.adjust_hue(minigrad.zeros(3, 2, 2), 0.6), ValueError, "between -0.5 and 0.5, got 0.6"),
        (lambda: F.gaussian_blur(minigrad.zeros(3, 2, 2), 4), ValueError, "odd numbers, got 4"),
        (
            lambda: F.gaussian_blur(minigrad.zeros(3, 2, 2), 5),
            ValueError,
            "5 x 5 pixels reaches over an image of 2 x 2",
        ),
        (lambda: F.gaussian_blur(minigrad.zeros(3, 2, 2), 3, 0.0), ValueError, "sigma above 0"),
        (lambda: F.to_tensor([1, 2]), TypeError, "got list"),
        (lambda: F.to_tensor(minigrad.zeros(1, 2, 2)), TypeError, "tensor already, leave ToTensor"),
        (lambda: F.to_tensor(np.zeros(3)), ValueError, r"got \(3,\)"),
        (
            lambda: F.convert_image_dtype(minigrad.zeros(1, 1, 1), minigrad.int32),
            RuntimeError,
            "does not tell all int32",
        ),
        (lambda: F.normalize(minigrad.zeros(1, 1, 1).int(), [0], [1]), TypeError, "put ToTensor"),
        (lambda: F.normalize(minigrad.zeros(1, 1, 1), [0], [0]), ValueError, "would divide by 0"),
        (lambda: F.normalize(minigrad.zeros(3, 1, 1), [0, 1], [1]), ValueError, "mean as one number or 3"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()

"""Random transforms: what they draw, that each image draws its own, that seeds repeat them, how they print."""

import inspect
import math

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn, transforms
from minigrad.transforms import functional as F

RANDOM = [
    transforms.RandomHorizontalFlip(),
    transforms.RandomVerticalFlip(),
    transforms.RandomCrop(8, padding=2),
    transforms.RandomCrop(10, pad_if_needed=True, padding_mode="reflect"),
    transforms.RandomResizedCrop(8),
    transforms.RandomRotation(30),
    transforms.RandomRotation((10, 40), "bilinear", fill=0.5),
    transforms.RandomAffine(20, (0.2, 0.1), (0.8, 1.2), (-10, 10, -5, 5)),
    transforms.RandomPerspective(),
    transforms.RandomErasing(),
    transforms.RandomErasing(0.8, value="random"),
    transforms.RandomErasing(0.8, value=(0.1, 0.2, 0.3)),
    transforms.ColorJitter(0.4, 0.4, 0.4, 0.2),
    transforms.RandomGrayscale(0.5),
    transforms.RandomInvert(),
    transforms.GaussianBlur(3),
    transforms.GaussianNoise(),
    transforms.RandomApply([transforms.RandomInvert(1.0)]),
    transforms.RandomChoice([transforms.RandomInvert(1.0), transforms.RandomVerticalFlip(1.0)]),
    transforms.RandomOrder([transforms.RandomInvert(), transforms.ColorJitter(0.5)]),
]
names = [f"{k} {type(t).__name__}" for k, t in enumerate(RANDOM)]
every = pytest.mark.parametrize("transform", RANDOM, ids=names)


def images(n=6, dtype="float32"):
    x = np.random.default_rng(1).random((n, 3, 8, 8)).astype("float32")
    return minigrad.tensor((x * 255).astype(dtype) if dtype == "uint8" else x.astype(dtype))


def rng(seed=0):
    return minigrad.Generator().manual_seed(seed)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_seeds_repeat_and_dtypes_stay(transform, dtype):
    x = images(dtype=dtype)
    if dtype == "uint8" and isinstance(transform, transforms.GaussianNoise):
        pytest.skip("noise is for floats")
    before = x.numpy().copy()
    minigrad.manual_seed(3)
    first, single = transform(x), transform(x[0])
    minigrad.manual_seed(3)
    assert (transform(x) == first).all()
    assert (transform(x[0]) == single).all()
    assert first.dtype == single.dtype == x.dtype
    assert single.shape == first.shape[1:]
    assert (x.numpy() == before).all()  # a new image each time


@every
def test_every_image_draws_its_own(transform):
    same = images(1).expand(16, -1, -1, -1)
    y = transform(same).numpy()
    assert len({image.tobytes() for image in y}) > 1 or isinstance(transform, transforms.RandomOrder)


@every
def test_one_draw_for_all_on_request(transform):
    if isinstance(transform, transforms.GaussianNoise):
        pytest.skip("noise is drawn for each pixel")
    if isinstance(transform, (transforms.RandomApply, transforms.RandomChoice, transforms.RandomOrder)):
        inner = [transforms.RandomInvert(same_on_batch=True), transforms.RandomVerticalFlip(same_on_batch=True)]
        shared = type(transform)(inner, same_on_batch=True)
    else:
        shared = type(transform).__new__(type(transform))
        shared.__dict__.update(transform.__dict__, same_on_batch=True)
    if getattr(shared, "value", None) == "random":
        pytest.skip("noise is drawn for each pixel")
    same = images(1).expand(5, -1, -1, -1)
    for _ in range(5):
        y = shared(same).numpy()
        assert (y == y[:1]).all()


@every
def test_generator_of_its_own(transform):
    if isinstance(transform, (transforms.RandomApply, transforms.RandomChoice, transforms.RandomOrder)):
        pytest.skip("the inner ones have theirs")
    x = images()
    own = type(transform).__new__(type(transform))
    own.__dict__.update(transform.__dict__, generator=rng(5))
    before = minigrad.backend.default_generator().get_state()
    first = own(x)
    assert minigrad.backend.default_generator().get_state() == before
    own.generator.manual_seed(5)
    assert (own(x) == first).all()


@every
def test_on_the_device(transform):
    """The same pixels as on the host, and nothing read back; parameters are drawn on the host, noise is not."""
    x = images()
    minigrad.manual_seed(4)
    expected = transform(x).numpy()
    with strict_cupy.installed() as cp:
        on_device = x.to("cuda")
        minigrad.manual_seed(4)
        before = cp.syncs
        y = transform(on_device)
        assert cp.syncs == before
        noisy = isinstance(transform, transforms.GaussianNoise) or getattr(transform, "value", None) == "random"
        assert y.device.type == "cuda"
        assert tuple(y.shape) == expected.shape
        if not noisy:
            np.testing.assert_allclose(y.cpu().numpy(), expected, atol=2e-6)


@pytest.mark.parametrize(
    "transform",
    [
        transforms.Normalize([0.1, 0.2, 0.3], [0.5]),
        transforms.Resize(5),
        transforms.Resize((12, 3), "bicubic", antialias=False),
        transforms.CenterCrop(10),
        transforms.Pad((1, 2), padding_mode="symmetric"),
        transforms.Pad(1, fill=(1, 2, 3)),
        transforms.Grayscale(3),
        transforms.ConvertImageDtype(minigrad.uint8),
        lambda x: F.solarize(F.adjust_gamma(x, 2.0), 0.5),
    ],
)
def test_without_chance_on_the_device(transform):
    x = images()
    expected = transform(x).numpy()
    with strict_cupy.installed() as cp:
        on_device = x.to("cuda")
        before = cp.syncs
        y = transform(on_device)
        assert cp.syncs == before
        np.testing.assert_allclose(y.cpu().numpy(), expected, atol=2e-6)


@every
def test_gradients_flow(transform):
    x = images().requires_grad_()
    (transform(x) ** 2).sum().backward()
    assert x.grad.shape == x.shape
    assert (x.grad != 0).any()


@pytest.mark.parametrize("n", [0, 1, 3])
@every
def test_small_batches(transform, n):
    y = transform(images(3)[:n])
    assert y.shape[0] == n


# --------------------------------------------------------------------------------------------------------------
# What is drawn


def test_flips_half_of_them():
    x = minigrad.arange(2.0).reshape(1, 1, 1, 2).expand(4000, -1, -1, -1)
    y = transforms.RandomHorizontalFlip(0.3)(x)
    assert abs(y[:, 0, 0, 0].mean().item() - 0.3) < 0.03  # 4 standard deviations
    assert (transforms.RandomHorizontalFlip(0.0)(x) == x).all()
    assert (transforms.RandomHorizontalFlip(1.0)(x) == F.hflip(x)).all()


def test_crop_draws_every_place():
    x = minigrad.arange(12.0).reshape(1, 1, 3, 4).expand(500, -1, -1, -1)
    y = transforms.RandomCrop((2, 3))(x)
    assert set(y[:, 0, 0, 0].tolist()) == {0.0, 1.0, 4.0, 5.0}
    assert (y[:, 0, 1, 2] - y[:, 0, 0, 0] == 6).all()
    assert transforms.RandomCrop.get_params(x, (3, 4)) == (0, 0, 3, 4)


def test_resized_crop_draws_within_its_limits():
    x = minigrad.zeros(1, 40, 60)
    top, left, height, width = transforms.RandomResizedCrop.get_params(x, (0.2, 0.5), (0.5, 2.0), n=2000)
    area, ratio = height * width / 2400, width / height
    assert (top >= 0).all() and (top + height <= 40).all() and (left >= 0).all() and (left + width <= 60).all()
    assert 0.18 < area.min() < 0.22 and 0.45 < area.max() < 0.53
    assert 0.45 < ratio.min() < 0.56 and 1.8 < ratio.max() < 2.2
    assert abs(np.log(ratio).mean()) < 0.1
    one = transforms.RandomResizedCrop.get_params(x, (0.2, 0.5), (0.5, 2.0))
    assert all(isinstance(number, int) for number in one)


def test_resized_crop_falls_back_to_the_middle():
    wide = minigrad.zeros(1, 4, 40)
    assert transforms.RandomResizedCrop.get_params(wide, (1.0, 1.0), (1.0, 1.0)) == (0, 18, 4, 4)
    assert transforms.RandomResizedCrop.get_params(wide.mT, (1.0, 1.0), (1.0, 1.0)) == (18, 0, 4, 4)


def test_erasing_draws_within_its_limits():
    x = minigrad.ones(2000, 1, 32, 32)
    y = transforms.RandomErasing(1.0, (0.1, 0.2), (0.5, 2.0))(x)
    erased = (y == 0).float().sum((1, 2, 3)).numpy() / 1024
    assert erased.min() > 0.08 and erased.max() < 0.22
    share = ((transforms.RandomErasing(0.25)(x) == 0).float().sum((1, 2, 3)) > 0).float().mean().item()
    assert abs(share - 0.25) < 0.04


def test_erasing_happens_in_small_images_too():
    y = transforms.RandomErasing(1.0, scale=(0.001, 0.002))(minigrad.ones(50, 1, 8, 8))
    assert ((y == 0).sum((1, 2, 3)) == 1).all()


def test_erasing_in_place():
    x = images()
    y = transforms.RandomErasing(0.5, inplace=True)(x)
    assert y is x
    assert 0 < (x == 0).sum().item() < x.numel()


def test_erasing_with_noise_and_colours():
    x = minigrad.zeros(40, 3, 16, 16)
    noise = transforms.RandomErasing(1.0, (0.3, 0.33), value="random")(x)
    values = noise[noise != 0].numpy()
    assert abs(values.mean()) < 0.1 and abs(values.std() - 1) < 0.1
    coloured = transforms.RandomErasing(1.0, value=(1, 2, 3))(x)
    assert coloured.amax((0, 2, 3)).tolist() == [1, 2, 3]
    i, j, h, w, v = transforms.RandomErasing.get_params(x[0], (0.1, 0.2), (1.0, 1.0))
    assert tuple(v.shape) == (3, h, w) and h == w and i + h <= 16 and j + w <= 16


def test_angles_shifts_and_scales():
    angles = transforms.RandomRotation.get_params((-20, 30), n=2000)
    assert -20 <= angles.min() < -19 and 29 < angles.max() < 30
    angle, shift, scale, shear = transforms.RandomAffine.get_params(
        (0, 0), (0.25, 0.5), (0.5, 2.0), (1, 2), (8, 8), n=2000
    )
    assert (angle == 0).all()
    assert set(shift[:, 0].tolist()) == {-2, -1, 0, 1, 2} and set(shift[:, 1].tolist()) == set(range(-4, 5))
    assert 0.5 <= scale.min() < 0.51 and 1.98 < scale.max() < 2.0
    assert shear[:, 0].min() >= 1 and shear[:, 0].max() < 2 and (shear[:, 1] == 0).all()
    angle, shift, scale, shear = transforms.RandomAffine.get_params((0, 0), None, None, None, (8, 8))
    assert (angle, shift, scale, shear) == (0, (0, 0), 1.0, (0.0, 0.0))


def test_corners_move_inwards():
    start, ends = transforms.RandomPerspective.get_params(9, 9, 0.5, n=500)
    steps = np.abs(ends - np.array(start))
    assert set(steps.reshape(-1).tolist()) == {0, 1, 2}
    assert ((ends >= 0) & (ends <= 8)).all()


def test_jitter_is_its_parts():
    x = images()
    jitter = transforms.ColorJitter((0.5, 1.5), 0, (2.0, 2.0), 0.1)
    minigrad.manual_seed(7)
    y = jitter(x)
    minigrad.manual_seed(7)
    order, b, c, s, h = jitter.get_params((0.5, 1.5), None, (2.0, 2.0), (-0.1, 0.1), n=6)
    assert c is None and (s == 2).all() and len(set(b.tolist())) == 6
    for k in order.tolist():
        x = [lambda x: F.adjust_brightness(x, b), lambda x: x, lambda x: F.adjust_saturation(x, s),
             lambda x: F.adjust_hue(x, h)][k](x)  # fmt: skip
    assert (x == y).all()
    orders = {tuple(jitter.get_params(None, None, None, None)[0].tolist()) for _ in range(300)}
    assert len(orders) == math.factorial(4)


def test_noise():
    x = minigrad.full((1, 100, 100), 0.5)
    y = transforms.GaussianNoise(0.1, 0.05)(x) - x
    assert abs(y.mean().item() - 0.1) < 0.003 and abs(y.std().item() - 0.05) < 0.003
    y = transforms.GaussianNoise(sigma=10.0)(x)
    assert (y.min().item(), y.max().item()) == (0.0, 1.0)
    assert transforms.GaussianNoise(sigma=10.0, clip=False)(x).max().item() > 1


# --------------------------------------------------------------------------------------------------------------
# Transforms of transforms


def plus(number):
    return transforms.Lambda(lambda x: x + number)


def test_compose():
    assert transforms.Compose([plus(1), lambda x: x * 10])(2) == 30
    assert transforms.Compose([])(2) == 2


def test_apply_to_some():
    x = minigrad.zeros(1000, 1, 1, 1)
    y = transforms.RandomApply([plus(1), plus(1)], p=0.2)(x)
    assert set(y.reshape(-1).tolist()) == {0.0, 2.0}
    assert abs(y.mean().item() / 2 - 0.2) < 0.05
    assert transforms.RandomApply([plus(1)], p=1.0)(5) == 6  # what is no image is passed on as it is
    assert transforms.RandomApply(nn.ModuleList([transforms.Pad(1)]), p=1.0)(x[0]).shape == (1, 3, 3)


def test_choice_for_each():
    x = minigrad.zeros(1000, 1, 1, 1)
    y = transforms.RandomChoice([plus(1), plus(2), plus(3)], p=[1, 0, 3])(x).reshape(-1)
    assert set(y.tolist()) == {1.0, 3.0}
    assert abs((y == 3).float().mean().item() - 0.75) < 0.06
    grown = transforms.RandomChoice([transforms.Pad(1), transforms.Resize(10)])(images(20))
    assert tuple(grown.shape) == (20, 3, 10, 10)
    ordered = transforms.RandomChoice([transforms.RandomInvert(1.0), plus(0)])(minigrad.arange(8.0).reshape(8, 1, 1, 1))
    assert all(value in (k, 1 - k) for k, value in enumerate(ordered.reshape(-1).tolist()))


def test_order():
    results = {transforms.RandomOrder([plus(1), lambda x: x * 10])(2) for _ in range(50)}
    assert results == {21, 30}


def test_in_a_sequential():
    augment = nn.Sequential(
        transforms.RandomCrop(6), transforms.RandomHorizontalFlip(), transforms.Normalize([0.5], [0.5])
    )
    assert tuple(augment(images()).shape) == (6, 3, 6, 6)
    assert list(augment.parameters()) == []


# --------------------------------------------------------------------------------------------------------------
# Names, defaults, printing: torchvision's

SIGNATURES = {
    "Normalize": "(mean, std, inplace=False)",
    "Resize": "(size, interpolation=BILINEAR, max_size=None, antialias=True)",
    "CenterCrop": "(size)",
    "Pad": "(padding, fill=0, padding_mode='constant')",
    "RandomCrop": "(size, padding=None, pad_if_needed=False, fill=0, padding_mode='constant')",
    "RandomResizedCrop": "(size, scale=(0.08, 1.0), ratio=(0.75, 1.3333333333333333), interpolation=BILINEAR, "
    "antialias=True)",
    "RandomHorizontalFlip": "(p=0.5)",
    "RandomVerticalFlip": "(p=0.5)",
    "RandomRotation": "(degrees, interpolation=NEAREST, expand=False, center=None, fill=0)",
    "RandomAffine": "(degrees, translate=None, scale=None, shear=None, interpolation=NEAREST, fill=0, center=None)",
    "RandomPerspective": "(distortion_scale=0.5, p=0.5, interpolation=BILINEAR, fill=0)",
    "RandomErasing": "(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)",
    "ColorJitter": "(brightness=0, contrast=0, saturation=0, hue=0)",
    "Grayscale": "(num_output_channels=1)",
    "RandomGrayscale": "(p=0.1)",
    "RandomInvert": "(p=0.5)",
    "GaussianBlur": "(kernel_size, sigma=(0.1, 2.0))",
    "GaussianNoise": "(mean=0.0, sigma=0.1, clip=True)",
    "RandomApply": "(transforms, p=0.5)",
    "RandomChoice": "(transforms, p=None)",
    "RandomOrder": "(transforms)",
    "Compose": "(transforms)",
    "Lambda": "(lambd)",
    "ToTensor": "()",
    "ConvertImageDtype": "(dtype)",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    parameters = inspect.signature(getattr(transforms, name)).parameters.values()
    shown = []
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY:  # minigrad's own
            assert parameter.name in ("same_on_batch", "generator")
            continue
        default = getattr(parameter.default, "name", repr(parameter.default))
        shown.append(parameter.name if parameter.default is parameter.empty else f"{parameter.name}={default}")
    assert f"({', '.join(shown)})" == SIGNATURES[name]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (transforms.Normalize((0.5,), (0.2,)), "Normalize(mean=(0.5,), std=(0.2,))"),
        (transforms.Resize(32), "Resize(size=32, interpolation=bilinear, max_size=None, antialias=True)"),
        (transforms.CenterCrop(4), "CenterCrop(size=(4, 4))"),
        (transforms.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
        (transforms.RandomCrop(4, padding=1), "RandomCrop(size=(4, 4), padding=1)"),
        (
            transforms.RandomResizedCrop(4),
            "RandomResizedCrop(size=(4, 4), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, "
            "antialias=True)",
        ),
        (transforms.RandomVerticalFlip(), "RandomVerticalFlip(p=0.5)"),
        (
            transforms.RandomRotation(30, center=(1, 2)),
            "RandomRotation(degrees=[-30.0, 30.0], interpolation=nearest, expand=False, center=(1, 2), fill=0)",
        ),
        (transforms.RandomAffine(5), "RandomAffine(degrees=[-5.0, 5.0])"),
        (
            transforms.RandomAffine(5, (0.1, 0.1), (1, 2), 3, "bilinear", 1),
            "RandomAffine(degrees=[-5.0, 5.0], translate=(0.1, 0.1), scale=(1, 2), shear=[-3.0, 3.0], "
            "interpolation=bilinear, fill=1)",
        ),
        (transforms.RandomPerspective(), "RandomPerspective(p=0.5)"),
        (
            transforms.RandomErasing(),
            "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False)",
        ),
        (
            transforms.ColorJitter(0.5, hue=0.1),
            "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.1, 0.1))",
        ),
        (transforms.Grayscale(3), "Grayscale(num_output_channels=3)"),
        (transforms.RandomGrayscale(), "RandomGrayscale(p=0.1)"),
        (transforms.GaussianBlur(3), "GaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))"),
        (transforms.GaussianNoise(), "GaussianNoise(mean=0.0, sigma=0.1, clip=True)"),
        (transforms.ToTensor(), "ToTensor()"),
        (transforms.Lambda(abs), "Lambda()"),
        (transforms.Compose([transforms.ToTensor()]), "Compose(\n    ToTensor()\n)"),
        (transforms.RandomApply([transforms.ToTensor()]), "RandomApply(\n    p=0.5\n    ToTensor()\n)"),
        (transforms.RandomOrder([transforms.ToTensor()]), "RandomOrder(\n    ToTensor()\n)"),
        (transforms.RandomChoice([transforms.ToTensor()]), "RandomChoice(\n    ToTensor()\n)(p=None)"),
    ],
)
def test_repr(transform, expected):
    assert repr(transform) == expected


# --------------------------------------------------------------------------------------------------------------
# Refusals


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: transforms.RandomHorizontalFlip(1.5), ValueError, "RandomHorizontalFlip: .* between 0 and 1, got 1.5"),
        (lambda: transforms.RandomCrop((1, 2, 3)), ValueError, "one or two numbers"),
        (lambda: transforms.RandomCrop(9)(images()), ValueError, "at least 9 x 9, got 8 x 8; pass padding="),
        (lambda: transforms.RandomCrop(9, padding_mode="wrap"), ValueError, "'symmetric', got 'wrap'"),
        (lambda: transforms.RandomResizedCrop(9, scale=(1.0, 0.5)), ValueError, r"scale as \(min, max\) in this order"),
        (lambda: transforms.RandomResizedCrop(9, ratio=(0.0, 0.5)), ValueError, "ratio above 0"),
        (lambda: transforms.RandomRotation(-3), ValueError, "degrees of at least 0"),
        (lambda: transforms.RandomRotation((1, 2, 3)), ValueError, "degrees as one number or 2"),
        (lambda: transforms.RandomRotation(3, expand=True)(images()), ValueError, "same_on_batch=True"),
        (lambda: transforms.RandomRotation(3, "bicubic"), ValueError, "'bilinear', got 'bicubic'"),
        (lambda: transforms.RandomAffine(0, translate=(2, 0)), ValueError, "two shares between 0 and 1"),
        (lambda: transforms.RandomAffine(0, scale=(0, 1)), ValueError, "scale as .* above 0"),
        (lambda: transforms.RandomAffine(0, shear=(1, 2, 3)), ValueError, "shear as one number or 2 or 4"),
        (lambda: transforms.RandomPerspective(2.0), ValueError, "distortion_scale between 0 and 1"),
        (lambda: transforms.RandomErasing(scale=(0.5, 1.5)), ValueError, "scale as .* between 0 and 1"),
        (lambda: transforms.RandomErasing(value="noise"), ValueError, "'random', got 'noise'"),
        (lambda: transforms.RandomErasing(1.0, value=(1, 2))(images()), ValueError, "one number or 3"),
        (lambda: transforms.ColorJitter(-1), ValueError, "brightness of at least 0"),
        (lambda: transforms.ColorJitter(hue=0.6), ValueError, "hue as .* between -0.5 and 0.5"),
        (lambda: transforms.GaussianBlur(4), ValueError, "odd numbers, got 4"),
        (lambda: transforms.GaussianBlur(3, (0.0, 1.0)), ValueError, "sigma above 0"),
        (lambda: transforms.GaussianNoise()(images(dtype="uint8")), TypeError, "floating image, got uint8"),
        (lambda: transforms.Compose(transforms.ToTensor()), TypeError, r"write Compose\(\[a, b, ...\]\)"),
        (lambda: transforms.Compose([transforms.ToTensor]), TypeError, "entry 0 is ToTensor; make one: ToTensor"),
        (lambda: transforms.Compose([3]), TypeError, "entry 0 is a int"),
        (lambda: transforms.RandomApply([], p=2), ValueError, "between 0 and 1, got 2"),
        (lambda: transforms.RandomChoice([plus(1)], p=[1, 2]), ValueError, "one weight .* for each transform"),
        (lambda: transforms.RandomChoice([plus(1)], p=1), TypeError, "list of numbers"),
        (lambda: transforms.Lambda(3), TypeError, "expected a function, got int"),
        (lambda: transforms.RandomInvert()(np.zeros((1, 2, 2))), TypeError, "RandomInvert: expected a Tensor"),
        (lambda: transforms.AutoAugment, AttributeError, "searched for on photographs"),
        (lambda: transforms.ToPILImage, AttributeError, "permute"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_shapes_must_fit_into_one_batch():
    with pytest.raises(RuntimeError, match="RandomApply: expected changed images of the shape"):
        transforms.RandomApply([transforms.Pad(1)], generator=rng())(images(50))
    with pytest.raises(RuntimeError, match="RandomChoice: expected images of one shape"):
        transforms.RandomChoice([transforms.Pad(1), plus(1)], generator=rng())(images(50))

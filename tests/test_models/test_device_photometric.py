"""Colors changed on the device against the worker's and torchvision's."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate

import mmsoco  # noqa: F401  (torchvision needs its shims)
from mmsoco.datasets.transforms import PackViews, PhotometricJitter
from mmsoco.datasets.transforms import photometric as worker
from mmsoco.datasets.transforms.geometry import CropParams
from mmsoco.models import device_photometric as device
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.structures import PhotometricParams

# Of a preprocessor whose output is to be compared in gray levels.
LEVELS = dict(mean=[0] * 3, std=[1] * 3)


@pytest.fixture(scope='module')
def functional():
    return pytest.importorskip('torchvision.transforms.functional')


def photo(seed, size=(40, 56)):
    """Smooth colors with some noise: what a photograph is made of."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]] / size[0]
    waves = rng.uniform(2, 9, (3, 2))
    smooth = np.stack([np.sin(a * rows + b * columns) for a, b in waves], -1)
    noisy = 128 + 100 * smooth + rng.normal(0, 8, smooth.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def imgs():
    return [photo(seed) for seed in range(24)]


def as_batch(imgs):
    return torch.from_numpy(np.stack(imgs)).permute(0, 3, 1, 2).float()


def pack(params, threshold=128):
    return torch.from_numpy(np.stack([p.pack(threshold) for p in params]))


def on_device(imgs, params):
    rows = pack(params)
    out = device.jitter(as_batch(imgs), rows)
    out = device.solarize_drawn(device.blur_drawn(out, rows), rows)
    return out.permute(0, 2, 3, 1).numpy()


def draw_all_orders(jitter, seed, blur_prob=0, solarize_prob=0):
    """Draw for each of the 24 orders."""
    rng = np.random.default_rng(seed)
    drawn = [jitter.draw(rng, blur_prob, solarize_prob) for _ in range(24)]
    orders = itertools.permutations(range(4))
    return [
        dataclasses.replace(own, order=np.array(order))
        for own, order in zip(drawn, orders, strict=True)
    ]


def test_every_order_on_one_batch(imgs):
    """24 orders, a draw per sample: within a gray level of the worker."""
    jitter = PhotometricJitter(jitter_prob=1, gray_prob=0)
    params = draw_all_orders(jitter, seed=0)
    found = on_device(imgs, params)
    for img, own, result in zip(imgs, params, found, strict=True):
        difference = abs(result - worker.apply_photometric(img, own))
        assert difference.mean() < 1.5
        # One of the worker's 256 hues is up to 5 levels in these colors.
        assert np.percentile(difference, 99) <= 10


def test_blends_alone_are_within_rounding(imgs):
    """Without the hue of 256 steps only the worker's rounding is left."""
    rng = np.random.default_rng(1)
    jitter = PhotometricJitter(hue=0, blur_prob=0.5, gray_prob=0.3)
    params = [jitter.draw(rng, 0.5, 0) for _ in imgs]
    found = on_device(imgs, params)
    for img, own, result in zip(imgs, params, found, strict=True):
        difference = abs(result - worker.apply_photometric(img, own))
        assert difference.mean() < 0.6 and difference.max() < 3


@pytest.mark.parametrize('shift', [-0.1, 0.03, 0.5])
def test_hue_equals_torchvision_on_floats(functional, imgs, shift):
    pixels = as_batch(imgs[:3])
    expected = 255 * functional.adjust_hue(pixels / 255, shift)
    planes = device.shift_hue(pixels.unbind(1), torch.full((3,), shift))
    found = torch.stack(planes, dim=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


def test_gray_pixels_have_no_hue():
    gray = torch.full((1, 2, 2), 77.0)
    for plane in device.shift_hue([gray] * 3, torch.tensor([0.2])):
        assert torch.equal(plane, gray)


def test_blur_equals_torchvision_per_sample(functional, imgs):
    sigma = torch.tensor([0.1, 0.8, 2.0])
    pixels = as_batch(imgs[:3])
    [found] = device.blur([pixels], sigma)
    for image, own, result in zip(pixels, sigma, found, strict=True):
        expected = functional.gaussian_blur(image, 15, own.item())
        torch.testing.assert_close(result, expected, rtol=0, atol=0.2)


def test_solarize_equals_the_worker(imgs):
    params = [
        PhotometricParams(np.arange(4), solarize=i % 2 == 0)
        for i in range(len(imgs))
    ]
    found = on_device(imgs, params)
    for img, own, result in zip(imgs, params, found, strict=True):
        assert (result == worker.apply_photometric(img, own)).all()


def test_neutral_numbers_change_nothing(imgs):
    params = [PhotometricParams(np.array([3, 1, 0, 2]))] * len(imgs)
    assert (on_device(imgs, params) == np.stack(imgs)).all()


@pytest.mark.parametrize('channels', [1, 4])
def test_other_channels_keep_what_needs_colors(imgs, channels):
    """Brightness, contrast, blur and solarization; within rounding."""
    picked = [np.dstack([img, img[::-1]])[..., :channels] for img in imgs]
    jitter = PhotometricJitter(jitter_prob=1, gray_prob=1)
    params = draw_all_orders(jitter, 2, blur_prob=0.5, solarize_prob=0)
    found = on_device(picked, params)
    for img, own, result in zip(picked, params, found, strict=True):
        expected = worker.apply_photometric(img, own)
        assert expected.shape == img.shape and expected.dtype == np.uint8
        difference = abs(result - expected)
        assert difference.mean() < 0.8 and difference.max() < 3


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_worker_and_device_agree_on_deep_pixels(imgs, channels):
    """Both keep fractions of gray levels, so that nothing is rounded."""
    rng = np.random.default_rng(3)
    deep = [
        np.clip(np.dstack([img, img[::-1]])[..., :channels]
                + rng.random((*img.shape[:2], channels)), 0, 255)
        .astype(np.float32)
        for img in imgs
    ]  # fmt: skip
    jitter = PhotometricJitter(jitter_prob=1, gray_prob=0.3)
    params = draw_all_orders(jitter, 3, blur_prob=0.5, solarize_prob=0.5)
    found = on_device(deep, params)
    for img, own, result in zip(deep, params, found, strict=True):
        expected = worker.apply_photometric(img.copy(), own)
        assert expected.shape == img.shape and expected.dtype == np.float32
        # A pixel at the threshold may fall to either side of it.
        close = abs(result - expected) < 0.05
        assert close.mean() > 0.999


def test_deep_pixels_keep_fractions(imgs):
    """Each operation's formula, in float64."""
    img = imgs[0].astype(np.float32) + np.float32(0.25)
    img = img.clip(0, 255)
    exact = img.astype(np.float64)
    luma = exact @ [0.299, 0.587, 0.114]
    cases = {
        'brightness': (worker.adjust_brightness(img, 1.3), 1.3 * exact),
        'contrast': (
            worker.adjust_contrast(img, 0.7),
            0.7 * exact + 0.3 * luma.mean(),
        ),
        'saturation': (
            worker.adjust_saturation(img, 1.4),
            1.4 * exact - 0.4 * luma[..., None],
        ),
    }
    for name, (found, expected) in cases.items():
        np.testing.assert_allclose(
            found, expected.clip(0, 255), atol=0.01, err_msg=name
        )
    bright = img >= 127.5
    expected = np.where(bright, 255 - img, img)
    assert (worker.solarize(img, 128) == expected).all()


@pytest.mark.parametrize('size', [(1, 1), (8, 30)])
def test_tiny_views(size):
    img = photo(0, size)
    params = PhotometricParams(
        np.arange(4), 1.4, 0.6, 1.2, 0.1, True, 2.0, True
    )
    [result] = on_device([img], [params])
    expected = worker.apply_photometric(img, params)
    assert expected.shape == img.shape
    assert abs(result - expected).mean() < 2


def packed_batch(imgs, jitter):
    """What the loader hands out; view 3 is view 2, resized."""
    size = imgs[0].shape[:2]
    samples = []
    for i, img in enumerate(imgs):
        results = dict(
            views={1: img, 2: img},
            crops=[CropParams(0, 0, 1, 1, s) for s in (size, size, (20, 28))],
            originals=[1, 2, 2],
            roi_sets=[],
            view_bboxes=[np.zeros((1, 4), np.float32)],
            index=i,
            rng=np.random.default_rng((0, 3, i)),
        )
        samples.append(PackViews()(jitter(results)))
    return default_collate(samples)


def test_both_places_give_the_same_batch(imgs):
    """The same (seed, epoch, index): the same views, wherever made."""
    settings = dict(blur_prob=(1.0, 0.1), solarize_prob=(0.0, 0.2))
    plain = SoCoDataPreprocessor(**LEVELS)
    batches = [
        plain(packed_batch(imgs, PhotometricJitter(**settings, on_device=on)))
        for on in (False, True)
    ]
    for expected, found in zip(*(b['inputs'] for b in batches), strict=True):
        assert found.shape == expected.shape
        difference = (found - expected).abs()
        assert difference.mean() < 1
        # Solarized pixels at the threshold jump by what hue's rounding moves
        # them, so single pixels may differ more.
        assert difference.flatten().quantile(0.99) < 6


def test_a_sample_does_not_depend_on_its_batch(imgs):
    jitter = PhotometricJitter(
        blur_prob=0.5, solarize_prob=0.5, on_device=True
    )
    preprocessor = SoCoDataPreprocessor()
    together = preprocessor(packed_batch(imgs[:8], jitter))
    for i in range(8):
        batch = packed_batch(imgs[:8], jitter)
        alone = preprocessor(
            dict(
                inputs=[v[i : i + 1] for v in batch['inputs']],
                data_samples={
                    key: [x[i : i + 1] for x in batch['data_samples'][key]]
                    for key in ('cutout', 'photometric', 'sources')
                },
            )
        )
        for one, of in zip(alone['inputs'], together['inputs'], strict=True):
            torch.testing.assert_close(one[0], of[i], rtol=1e-4, atol=1e-4)


def test_colors_are_changed_in_float32_under_autocast(imgs):
    jitter = PhotometricJitter(
        blur_prob=0.5, solarize_prob=0.2, on_device=True
    )
    expected = SoCoDataPreprocessor()(packed_batch(imgs, jitter))
    with torch.autocast('cpu', torch.bfloat16):
        found = SoCoDataPreprocessor()(packed_batch(imgs, jitter))
    for view, of in zip(found['inputs'], expected['inputs'], strict=True):
        assert view.equal(of)


# Inductor, which training uses, compiles C++ code for a minute.
@pytest.fixture(
    scope='module',
    params=['aot_eager', pytest.param('inductor', marks=pytest.mark.slow)],
)
def compiled(request):
    preprocessor = SoCoDataPreprocessor(**LEVELS, channels_last=True)
    # Refuses to compile only parts.
    preprocessor.compile_colors(fullgraph=True, backend=request.param)
    return preprocessor


def one_view(imgs, params):
    num = len(imgs)
    return dict(
        inputs=[torch.from_numpy(np.stack(imgs))],
        data_samples=dict(
            photometric=[pack(params)],
            cutout=[torch.zeros(num, 0, 4)],
        ),
    )


def assert_same_levels(compiled, batch):
    [found] = compiled(batch)['inputs']
    [expected] = SoCoDataPreprocessor(**LEVELS)(batch)['inputs']
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-3)


def test_compiled_colors_are_the_same_whatever_was_drawn(imgs, compiled):
    """One compilation serves every draw: all orders, few or no samples."""
    jitter = PhotometricJitter(jitter_prob=1, gray_prob=0.3)
    params = draw_all_orders(jitter, seed=2, blur_prob=0.5)
    assert_same_levels(compiled, one_view(imgs, params))
    with torch.compiler.set_stance('fail_on_recompile'):
        params = draw_all_orders(PhotometricJitter(), seed=3, blur_prob=1)
        assert_same_levels(compiled, one_view(imgs, params))
        # Jitter's rounding may move a pixel over the threshold, so without.
        jitter = PhotometricJitter(jitter_prob=0, gray_prob=0)
        params = draw_all_orders(jitter, seed=4, solarize_prob=0.5)
        assert_same_levels(compiled, one_view(imgs, params))
        with pytest.raises(RuntimeError, match='recompile'):
            compiled(one_view(imgs[:5], params[:5]))


def test_compiled_neutral_numbers_change_nothing(imgs, compiled):
    params = [PhotometricParams(np.array([3, 1, 0, 2]))] * len(imgs)
    [found] = compiled(one_view(imgs, params))['inputs']
    assert found.equal(as_batch(imgs))

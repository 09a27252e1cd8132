import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import mmsoco  # noqa: F401  (torchvision needs its shims)
from mmsoco.datasets.transforms import PhotometricJitter
from mmsoco.datasets.transforms.photometric import (
    PhotometricParams,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    apply_photometric,
    solarize,
)

OFF = dict(jitter_prob=0, gray_prob=0, blur_prob=0, solarize_prob=0)


@pytest.fixture(scope='module')
def functional():
    return pytest.importorskip('torchvision.transforms.functional')


@pytest.fixture(scope='module')
def img():
    """Smooth colors with some noise: what a photograph is made of."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:40, 0:56] / 40
    smooth = np.stack(
        [columns, rows, 0.5 + 0.5 * np.sin(9 * columns * rows)], -1
    )
    noisy = 200 * smooth / 1.4 + rng.normal(20, 8, smooth.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def difference(ours, theirs):
    return abs(ours.astype(int) - np.asarray(theirs).astype(int))


@pytest.mark.parametrize('factor', [0.6, 0.9, 1.0, 1.4])
@pytest.mark.parametrize(
    'ours, name',
    [
        (adjust_brightness, 'adjust_brightness'),
        (adjust_contrast, 'adjust_contrast'),
        (adjust_saturation, 'adjust_saturation'),
    ],
)
def test_blends_equal_torchvision_on_pil(functional, img, ours, name, factor):
    """PIL cuts fractions of gray levels off, we round them."""
    theirs = getattr(functional, name)(Image.fromarray(img), factor)
    assert difference(ours(img, factor), theirs).max() <= 1


@pytest.mark.parametrize('shift', [-0.1, -0.03, 0.02, 0.1, 0.5])
def test_hue_is_near_torchvision_on_floats(functional, img, shift):
    """Ours knows 256 hues, as PIL does; torchvision's floats all of them."""
    pixels = torch.from_numpy(img).permute(2, 0, 1) / 255
    exact = 255 * functional.adjust_hue(pixels, shift).permute(1, 2, 0)
    ours = abs(adjust_hue(img, shift) - exact.numpy())
    assert ours.mean() < 1
    assert np.percentile(ours, 99) <= 5


def test_hue_turns_red_to_green_and_back():
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    green = adjust_hue(red, 1 / 3)
    assert difference(green, [0, 200, 0]).max() <= 3
    assert difference(adjust_hue(green, -1 / 3), red).max() <= 3


def test_gray_pixels_have_no_hue(img):
    gray = np.repeat(img[..., :1], 3, axis=2)
    assert (adjust_hue(gray, 0.1) == gray).all()
    assert (adjust_saturation(gray, 1.2) == gray).all()


@pytest.mark.parametrize('threshold', [0, 128, 255])
def test_solarize_equals_torchvision(functional, img, threshold):
    theirs = functional.solarize(Image.fromarray(img), threshold)
    assert (solarize(img, threshold) == np.asarray(theirs)).all()


def test_gray_equals_torchvision(functional, img):
    theirs = functional.rgb_to_grayscale(Image.fromarray(img), 3)
    params = PhotometricParams(order=np.arange(4), gray=True)
    assert difference(apply_photometric(img, params), theirs).max() <= 1


@pytest.mark.parametrize('sigma', [0.1, 0.7, 2.0])
def test_blur_equals_torchvision(functional, img, sigma):
    params = PhotometricParams(order=np.arange(4), sigma=sigma)
    pixels = torch.from_numpy(img).permute(2, 0, 1).float()
    theirs = functional.gaussian_blur(pixels, 21, sigma)
    ours = apply_photometric(img, params)
    assert difference(ours, theirs.permute(1, 2, 0).round()).max() <= 1


def test_operations_come_in_the_order_drawn(img):
    params = dict(brightness=1.4, contrast=0.6)
    first = apply_photometric(
        img, PhotometricParams(order=np.array([0, 1, 2, 3]), **params)
    )
    expected = adjust_contrast(adjust_brightness(img, 1.4), 0.6)
    assert (first == expected).all()
    other = apply_photometric(
        img, PhotometricParams(order=np.array([1, 0, 2, 3]), **params)
    )
    expected = adjust_brightness(adjust_contrast(img, 0.6), 1.4)
    assert (other == expected).all()


def test_neutral_numbers_change_nothing(img):
    params = PhotometricParams(order=np.array([3, 1, 0, 2]))
    assert (apply_photometric(img, params) == img).all()


def test_numbers_have_the_paper_distribution():
    transform = PhotometricJitter()
    rng = np.random.default_rng(0)
    draws = [transform.draw(rng, 0.1, 0.2) for _ in range(4000)]
    jittered = [d for d in draws if d.brightness != 1]
    assert abs(len(jittered) / 4000 - 0.8) < 0.02
    for name, centre, width in (
        ('brightness', 1, 0.4),
        ('contrast', 1, 0.4),
        ('saturation', 1, 0.2),
        ('hue', 0, 0.1),
    ):
        values = np.array([getattr(d, name) for d in jittered]) - centre
        assert 0.98 * width < abs(values).max() <= width
        assert abs(values.std() - width / np.sqrt(3)) < 0.03 * width
    assert abs(np.mean([d.gray for d in draws]) - 0.2) < 0.02
    assert abs(np.mean([d.solarize for d in draws]) - 0.2) < 0.02
    sigmas = np.array([d.sigma for d in draws])
    assert abs((sigmas > 0).mean() - 0.1) < 0.02
    assert 0.1 <= sigmas[sigmas > 0].min() and sigmas.max() <= 2
    firsts = np.bincount([d.order[0] for d in draws], minlength=4) / 4000
    assert abs(firsts - 0.25).max() < 0.03


def test_each_view_has_its_own_probabilities(img):
    settings = OFF | dict(blur_prob=(1.0, 0.0), solarize_prob=(0.0, 1.0))
    settings['sigma'] = (1.0, 2.0)
    results = dict(views={1: img, 2: img}, rng=np.random.default_rng(0))
    results = PhotometricJitter(**settings)(results)
    assert (results['views'][1] != img).any()
    assert (results['views'][2] == solarize(img, 128)).all()


def test_device_gets_the_numbers_that_the_worker_would_apply(img):
    twins = [
        dict(views={1: img, 2: img}, rng=np.random.default_rng(7))
        for _ in range(2)
    ]
    settings = dict(blur_prob=1.0, solarize_prob=0.5, solarize_threshold=100)
    PhotometricJitter(**settings)(twins[0])
    PhotometricJitter(**settings, on_device=True)(twins[1])
    assert twins[1]['views'][1] is img
    for row, finished in zip(
        twins[1]['photometric'].values(),
        twins[0]['views'].values(),
        strict=True,
    ):
        *order, brightness, contrast, saturation, hue, gray, sigma, level = row
        params = PhotometricParams(
            order=np.array(order, int),
            brightness=brightness,
            contrast=contrast,
            saturation=saturation,
            hue=hue,
            gray=gray == 1,
            sigma=sigma,
            solarize=level == 100,
        )
        assert level in (100, 256)
        again = apply_photometric(img, params, 100)
        # float32 in between moves single pixels over a rounding border.
        assert difference(again, finished).mean() < 0.01
    assert twins[0]['rng'].random() == twins[1]['rng'].random()


def test_one_probability_more_leaves_the_other_draws_alone():
    off, on = (
        PhotometricJitter(gray_prob=prob).draw(
            np.random.default_rng(5), 0.1, 0.2
        )
        for prob in (0.0, 1.0)
    )
    assert not off.gray and on.gray
    assert (off.hue, off.sigma, off.solarize) == (
        on.hue,
        on.sigma,
        on.solarize,
    )


def test_transform_is_sent_whole():
    transform = PhotometricJitter(hue=0.2)
    assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)


@pytest.mark.parametrize(
    'kwargs, text',
    [
        (dict(hue=0.6), 'hue must be at most 0.5 turns'),
        (dict(brightness=1.1), 'brightness must lie'),
        (dict(blur_prob=(1.0, 2.0)), 'blur_prob must lie'),
        (dict(sigma=(0.0, 1.0)), 'sigma must be'),
    ],
)
def test_bad_settings_are_named(kwargs, text):
    with pytest.raises(ValueError, match=text):
        PhotometricJitter(**kwargs)


def test_probabilities_for_another_number_of_views(img):
    results = dict(views=[img, img], rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match='3 values of blur_prob.*2 views'):
        PhotometricJitter()(results)

"""Color jitter, grayscale, blur and solarization of the views.

`PhotometricJitter.draw` draws all random numbers of a view;
`apply_photometric` is a pure function of pixels and numbers. The operations
follow torchvision's on uint8 images: each clips and rounds to whole gray
levels before the next.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from mmsoco.registry import TRANSFORMS
from mmsoco.structures import PhotometricParams

from .views import check_range, check_share

_GRAY_LEVELS = np.arange(256, dtype=np.float64)
# Luma of ITU-R 601, as in PIL's and OpenCV's conversions.
_LUMA = np.array([0.299, 0.587, 0.114])
# The operations of `PhotometricParams.order` that do not need red, green and
# blue: brightness and contrast.
_WITHOUT_COLORS = (0, 1)


@TRANSFORMS.register_module()
class PhotometricJitter:
    """Change the colors of each view; the defaults are the paper's settings.

    In this order: with ``jitter_prob`` brightness, contrast, saturation and
    hue in random order, then grayscale, Gaussian blur and solarization. A
    `ResizedView` takes the finished pixels of its original and has no colors
    to draw, so it is not counted where a probability is given per view. Views
    of one or four channels get no saturation, hue or grayscale; float32 views
    (of 16-bit images) keep fractions of gray levels.

    Reads ``views`` and ``rng``; changes ``views``. With ``on_device`` the
    numbers are only drawn, the same ones: ``photometric`` is written, an
    (11,) float32 row of `PhotometricParams.pack` by the number of its view,
    and `SoCoDataPreprocessor` applies them to the whole batch on the model's
    device.

    Args:
        brightness: Factor from U(1 - b, 1 + b).
        contrast: Factor from U(1 - c, 1 + c).
        saturation: Factor from U(1 - s, 1 + s).
        hue: Shift from U(-hue, hue), in turns, at most 0.5.
        jitter_prob: Probability of these four.
        gray_prob: Probability of grayscale.
        blur_prob: Probability of blur; one number, or one per view.
        sigma: Range of the blur's standard deviation in pixels.
        solarize_prob: Probability of solarization; one number, or one per
            view.
        solarize_threshold: Gray level from which pixels are inverted.
        on_device: Whether the pixels are changed on the model's device. It
            takes most of the work off the workers and suits GPUs; where the
            device is the CPU, the workers are faster at it.

    Raises:
        ValueError: If a number lies outside of its range, or when called, if
            the sample has another number of views than probabilities.
    """

    def __init__(
        self,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.2,
        hue: float = 0.1,
        jitter_prob: float = 0.8,
        gray_prob: float = 0.2,
        blur_prob: float | Sequence[float] = (1.0, 0.1, 0.1),
        sigma: tuple[float, float] = (0.1, 2.0),
        solarize_prob: float | Sequence[float] = (0.0, 0.2, 0.2),
        solarize_threshold: int = 128,
        on_device: bool = False,
    ) -> None:
        self.brightness = check_share('brightness', brightness)
        self.contrast = check_share('contrast', contrast)
        self.saturation = check_share('saturation', saturation)
        self.hue = check_share('hue', hue)
        if hue > 0.5:
            raise ValueError(f'hue must be at most 0.5 turns, got {hue}')
        self.jitter_prob = check_share('jitter_prob', jitter_prob)
        self.gray_prob = check_share('gray_prob', gray_prob)
        self.blur_prob = _per_view('blur_prob', blur_prob)
        self.sigma = check_range('sigma', sigma)
        self.solarize_prob = _per_view('solarize_prob', solarize_prob)
        self.solarize_threshold = solarize_threshold
        self.on_device = on_device

    def __call__(self, results: dict) -> dict:
        """Draw and apply for one sample; see the class."""
        views = results['views']
        blur = _spread('blur_prob', self.blur_prob, len(views))
        solarize = _spread('solarize_prob', self.solarize_prob, len(views))
        rows = {}
        for view, blur_prob, solarize_prob in zip(
            [*views], blur, solarize, strict=True
        ):
            params = self.draw(results['rng'], blur_prob, solarize_prob)
            if self.on_device:
                rows[view] = params.pack(self.solarize_threshold)
            else:
                views[view] = apply_photometric(
                    views[view], params, self.solarize_threshold
                )
        if self.on_device:
            results['photometric'] = rows
        return results

    def draw(
        self, rng: np.random.Generator, blur_prob: float, solarize_prob: float
    ) -> PhotometricParams:
        """Draw the numbers of one view.

        The same number of random numbers is drawn in all cases, so that a
        change of one probability does not change the other draws.

        Args:
            rng: Source of all randomness.
            blur_prob: Probability of blur for this view.
            solarize_prob: Probability of solarization for this view.

        Returns:
            The numbers.
        """
        # One call, then plain floats: small arrays cost more than they save.
        u = rng.random(13).tolist()
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        jittered = u[4] < self.jitter_prob
        change = [
            jittered * limit * (2 * x - 1)
            for limit, x in zip(ranges, u[5:9], strict=True)
        ]
        least, most = self.sigma
        return PhotometricParams(
            order=np.array(sorted(range(4), key=u.__getitem__)),
            brightness=1 + change[0],
            contrast=1 + change[1],
            saturation=1 + change[2],
            hue=change[3],
            gray=u[9] < self.gray_prob,
            sigma=(u[10] < blur_prob) * (least + u[11] * (most - least)),
            solarize=u[12] < solarize_prob,
        )

    def __repr__(self) -> str:
        args = ', '.join(f'{k}={v!r}' for k, v in vars(self).items())
        return f'PhotometricJitter({args})'


def apply_photometric(
    img: np.ndarray, params: PhotometricParams, solarize_threshold: int = 128
) -> np.ndarray:
    """Change the colors of one view.

    Args:
        img: (h, w, C) view, uint8 or float32 in 0 to 255.
        params: The numbers.
        solarize_threshold: Gray level from which pixels are inverted.

    Returns:
        (h, w, C) view of that type.
    """
    shape, has_colors = img.shape, img.shape[2] == 3
    operations = (
        (adjust_brightness, params.brightness, 1),
        (adjust_contrast, params.contrast, 1),
        (adjust_saturation, params.saturation, 1),
        (adjust_hue, params.hue, 0),
    )
    for i in params.order:
        operation, value, neutral = operations[i]
        if value != neutral and (has_colors or i in _WITHOUT_COLORS):
            img = operation(img, value)
    if params.gray and has_colors:
        img = cv2.cvtColor(
            cv2.cvtColor(img, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB
        )
    if params.sigma > 0:
        img = blur(img, params.sigma)
    if params.solarize:
        img = solarize(img, solarize_threshold)
    # OpenCV leaves out the dimension of a single channel.
    return img.reshape(shape)


def adjust_brightness(img: np.ndarray, factor: float) -> np.ndarray:
    """Multiply pixels: factor x."""
    if img.dtype != np.uint8:
        return np.clip(img * np.float32(factor), 0, 255)
    return cv2.convertScaleAbs(img, alpha=factor)


def adjust_contrast(img: np.ndarray, factor: float) -> np.ndarray:
    """Move pixels away from the view's mean gray m: m + factor (x - m).

    Like torchvision's, m is the mean of the grayscale image; the gray of the
    mean color is the same number and needs no grayscale image. Without
    colors m is the mean of all channels.
    """
    count = 1 if img.ndim == 2 else img.shape[2]
    weights = _LUMA if count == 3 else np.full(count, 1 / count)
    mean = float(weights @ cv2.mean(img)[:count])
    return _clip(cv2.addWeighted(img, factor, img, 0, (1 - factor) * mean))


def adjust_saturation(img: np.ndarray, factor: float) -> np.ndarray:
    """Move pixels away from their own gray g: g + factor (x - g)."""
    matrix = factor * np.eye(3) + (1 - factor) * _LUMA
    return _clip(cv2.transform(img, matrix))


def adjust_hue(img: np.ndarray, shift: float) -> np.ndarray:
    """Rotate the hue of RGB pixels by a fraction of the color circle.

    As in PIL, the hue of uint8 pixels has 256 steps.
    """
    if img.dtype != np.uint8:
        hsv = cv2.cvtColor(img, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + np.float32(360 * shift)) % 360
        return _clip(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    hsv = cv2.cvtColor(img, cv2.COLOR_RGB2HSV_FULL)
    # A whole row at once: numpy is slow at strided bytes.
    row = np.zeros(hsv.shape[1:], np.uint8)
    row[:, 0] = round(shift * 256) % 256
    rows = hsv.reshape(len(hsv), -1)
    rows += row.ravel()  # wraps around
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def blur(img: np.ndarray, sigma: float) -> np.ndarray:
    """Blur pixels with a Gaussian, mirrored at the border pixel.

    The kernel is that of ``cv2.GaussianBlur`` for uint8: it ends at 3 standard
    deviations. That function itself computes in fixed point, to give the same
    bits on every machine, and takes twice as long as the plain filter.

    Args:
        img: (h, w, C) view, uint8 or float32.
        sigma: Standard deviation in pixels, positive.

    Returns:
        (h, w, C) of that type; uint8 is rounded.
    """
    kernel = cv2.getGaussianKernel(round(6 * sigma + 1) | 1, sigma)
    return cv2.sepFilter2D(img, -1, kernel, kernel)


def solarize(img: np.ndarray, threshold: int) -> np.ndarray:
    """Invert pixels at or above a gray level: x -> 255 - x.

    Fractions of gray levels are rounded for the comparison.
    """
    if img.dtype != np.uint8:
        return np.where(img >= threshold - 0.5, 255 - img, img)
    table = np.where(
        _GRAY_LEVELS < threshold, _GRAY_LEVELS, 255 - _GRAY_LEVELS
    )
    return cv2.LUT(img, table.astype(np.uint8))


def _clip(img: np.ndarray) -> np.ndarray:
    """Clip float32 pixels to 0..255, as OpenCV does with uint8."""
    return img if img.dtype == np.uint8 else np.clip(img, 0, 255)


def _per_view(
    name: str, probs: float | Sequence[float]
) -> float | tuple[float, ...]:
    if isinstance(probs, (int, float)):
        return check_share(name, probs)
    return tuple(check_share(name, prob) for prob in probs)


def _spread(
    name: str, probs: float | tuple[float, ...], count: int
) -> tuple[float, ...]:
    """Return one probability per view."""
    if isinstance(probs, (int, float)):
        return (probs,) * count
    if len(probs) != count:
        raise ValueError(
            f'PhotometricJitter has {len(probs)} values of {name}, but the '
            f'sample has {count} views with their own pixels; give one '
            'number, or one per view'
        )
    return probs

"""Colour jitter, greyscale, blur and solarization of a batch, on its device.

The worker's operations (`mmsoco.datasets.transforms.photometric`) on the same
numbers, but in float32: they clip to 0..255, as uint8 does, and keep
fractions of grey levels. A pixel differs by about one level on average,
and by a few levels where the worker's hue of 256 steps rounds.

Every sample has its own numbers and its own order of operations. Libraries
batch less: torchvision's functions take one number for a whole batch, kornia
draws one order per batch. So the operations are written out here. Brightness,
contrast and saturation are one blend towards black, the mean grey or each
pixel's grey, which makes any order of them equal steps for all samples.

Numbers come on the host: which samples an operation concerns is known without
waiting for the device.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsoco.structures import PhotometricBatch
from mmsoco.structures.photometric import NEVER

# Luma of ITU-R 601.
_LUMA = (0.299, 0.587, 0.114)
_CONTRAST, _SATURATION, _HUE = 1, 2, 3


def apply_photometric(images: Tensor, params: PhotometricBatch) -> Tensor:
    """Change the colours of a batch of views.

    Args:
        images: (B, 3, h, w) float32 RGB in 0..255; overwritten.
        params: What is done to each sample, on the host.

    Returns:
        (B, 3, h, w) float32 RGB in 0..255.
    """
    weights = blend_weights(params).to(images.device, non_blocking=True)
    for step in range(4):
        turned = (params.order[:, step] == _HUE) & (params.hue != 0)
        images = _on_rows(images, turned, shift_hue, params.hue)
        images = blend(images, weights[step])
    images = _on_rows(images, params.grey > 0, to_grey, params.grey)
    images = _on_rows(images, params.sigma > 0, blur, params.sigma)
    bright = params.threshold < NEVER
    return _on_rows(images, bright, solarize, params.threshold)


def blend_weights(params: PhotometricBatch) -> Tensor:
    """Write brightness, contrast and saturation as weights of `blend`.

    Args:
        params: What is done to each sample.

    Returns:
        (4, B, 3): for each step of the order, the weights of pixel, own grey
        and mean grey; 1, 0, 0 where the step is the hue.
    """
    order = params.order.T  # (4, B)
    factors = F.pad(params.factors, (0, 1), value=1.0)  # none for the hue
    factor = factors.gather(1, params.order).T
    rest = 1 - factor
    return torch.stack(
        [factor, rest * (order == _SATURATION), rest * (order == _CONTRAST)],
        dim=-1,
    )


def blend(images: Tensor, weights: Tensor) -> Tensor:
    """Blend each pixel with its own grey and with the mean grey, in place.

    Args:
        images: (B, 3, h, w) in 0..255.
        weights: (B, 3) of pixel, own grey and mean grey.

    Returns:
        ``images``, clipped to 0..255.
    """
    pixel, own, mean = weights[..., None, None, None].unbind(1)  # (B, 1, 1, 1)
    grey = luma(images)
    towards = own * grey + mean * grey.mean(dim=(2, 3), keepdim=True)
    return images.mul_(pixel).add_(towards).clamp_(0, 255)


def luma(images: Tensor) -> Tensor:
    """Give the grey of RGB pixels: (B, 3, h, w) to (B, 1, h, w)."""
    red, green, blue = images.split(1, dim=1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def to_grey(images: Tensor, _: Tensor) -> Tensor:
    """Take the colours away."""
    return luma(images).expand_as(images)


def shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue, keeping HSV's saturation and value.

    With the value V, the chroma C = V - min and the hue H in sixths of the
    circle, a channel of HSV is V - C clip(min(k, 4 - k), 0, 1), where
    k = (n + H) mod 6 and n = 5, 3, 1 for red, green and blue.

    Args:
        images: (n, 3, h, w) in 0..255.
        shift: (n,) in turns, on the host.

    Returns:
        (n, 3, h, w) in 0..255.
    """
    value, largest = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    # Seen from the largest channel, the next minus the one after it.
    rolled = images.roll(-1, 1) - images.roll(-2, 1)
    ahead = rolled.gather(1, largest) / chroma.clamp(min=1e-6)
    hue = 2 * largest + ahead + 6 * _column(shift, images)
    offset = images.new_tensor([5.0, 3.0, 1.0])[:, None, None]
    k = (offset + hue) % 6
    return value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur with a Gaussian, mirrored at the border pixel's centre.

    Args:
        images: (n, 3, h, w).
        sigma: (n,) standard deviations in pixels, positive, on the host.

    Returns:
        (n, 3, h, w).
    """
    num, channels, height, width = images.shape
    # As OpenCV's for uint8, each kernel ends at 3 standard deviations.
    extents = torch.round(6 * sigma + 1).long() // 2
    # A mirror shows no more of views of a few pixels.
    radius = min(extents.max().item(), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1)
    exponents = -0.5 * (offsets / sigma[:, None]) ** 2  # (n, k)
    beyond = offsets.abs() > extents[:, None]
    kernels = exponents.masked_fill(beyond, -torch.inf).softmax(dim=1)
    kernels = kernels.to(images, non_blocking=True)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None]  # (3n, 1, k)
    # Each channel of each sample is a group with a kernel of its own.
    flat = images.reshape(1, num * channels, height, width)
    flat = F.pad(flat, [radius] * 4, mode='reflect')
    flat = F.conv2d(flat, kernels[:, :, None], groups=num * channels)
    flat = F.conv2d(flat, kernels[..., None], groups=num * channels)
    return flat.view_as(images)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert pixels from a grey level on: x -> 255 - x.

    Args:
        images: (n, 3, h, w) in 0..255.
        threshold: (n,) grey levels, compared with rounded pixels; on the
            host.

    Returns:
        (n, 3, h, w) in 0..255.
    """
    bright = images >= _column(threshold, images) - 0.5
    return torch.where(bright, 255 - images, images)


def _on_rows(
    images: Tensor,
    rows: Tensor,
    operation: Callable[[Tensor, Tensor], Tensor],
    numbers: Tensor,
) -> Tensor:
    """Apply an operation to the samples where ``rows``, (B,) bool, is set."""
    index = rows.nonzero().squeeze(1)
    if len(index) == 0:
        return images
    if len(index) == len(images):
        return operation(images, numbers).contiguous()
    numbers = numbers[index]
    index = index.to(images.device, non_blocking=True)
    return images.index_copy_(0, index, operation(images[index], numbers))


def _column(numbers: Tensor, images: Tensor) -> Tensor:
    """Move one number per sample beside the images: (n, 1, 1, 1)."""
    return numbers.to(images, non_blocking=True)[:, None, None, None]

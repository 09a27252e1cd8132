"""Color jitter, grayscale, blur and solarization of a batch, on its device.

These are the worker's operations (`mmsoco.datasets.transforms.photometric`)
with the same random numbers, but in float32: they clip to 0..255, as uint8
does, and keep fractions of gray levels. A pixel differs by about one level on
average, and by a few levels where the worker rounds the hue to 256 steps.

Every sample has its own numbers and its own order of operations. torchvision's
functions take one number for a whole batch, and kornia draws one order per
batch, so the operations are implemented here. Brightness, contrast and
saturation are blends with black, the mean gray or each pixel's gray, so that
any order of them consists of the same steps for all samples.

`jitter` and `solarize_drawn` run in two ways. Without ``torch.compile``, each
operation runs only on the samples that need it, which are known on the host
without waiting for the device. Inside ``torch.compile``, sizes must not depend
on random numbers, so an operation runs on all samples, and a mask selects. The
compiler keeps a whole step in registers, so discarded results cost arithmetic
but no memory traffic. It does so only if the channels are separate tensors:
then one pass over the pixels yields all three.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmsoco.structures import PhotometricBatch
from mmsoco.structures.photometric import NEVER

# Luma of ITU-R 601.
_LUMA = (0.299, 0.587, 0.114)
_CONTRAST, _SATURATION, _HUE = 1, 2, 3


def jitter(images: Tensor, draws: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue, or remove colors.

    Args:
        images: (B, C, h, w) uint8 or float32 in 0..255; without RGB, their
            saturation and hue do not change.
        draws: (B, 11) float32, see `PhotometricParams.pack`; on the host, or
            in compiled code in addition to the images.

    Returns:
        (B, C, h, w) float32 in 0..255.
    """
    params = PhotometricBatch.unpack(draws)
    has_colors = images.shape[1] == 3
    if not has_colors:
        params = without_colors(params)
    weights = [
        weight.to(images.device, non_blocking=True)
        for weight in blend_weights(params)
    ]
    planes: Sequence[Tensor]
    planes = [plane.float() for plane in images.unbind(1)]
    for step in range(4):
        blended = blend(planes, *(weight[step] for weight in weights))
        if not has_colors:
            planes = blended
            continue
        turned = (params.order[:, step] == _HUE) & (params.hue != 0)
        planes = _on_chosen(turned, shift_hue, params.hue, planes, blended)
    if has_colors:
        gray = params.gray
        planes = _on_chosen(gray > 0, to_gray, gray, planes, planes)
    return torch.stack(planes, dim=1)


def without_colors(params: PhotometricBatch) -> PhotometricBatch:
    """Leave out operations that need red, green and blue."""
    factors = params.factors.clone()
    factors[:, _SATURATION] = 1
    return params._replace(factors=factors)


def blur_drawn(images: Tensor, draws: Tensor) -> Tensor:
    """Blur the samples that were drawn for it; see `blur`.

    Not for compiled code, which would have to blur all samples, although most
    views need only a tenth, and know the size of the kernels in advance. A
    convolution is not part of a fused pass anyway.

    Args:
        images: (B, C, h, w) float32; may be overwritten.
        draws: (B, 11), see `jitter`; on the host.

    Returns:
        (B, C, h, w) float32.
    """
    sigma = PhotometricBatch.unpack(draws).sigma
    [images] = _on_chosen(sigma > 0, blur, sigma, [images], [images])
    return images


def solarize_drawn(images: Tensor, draws: Tensor) -> Tensor:
    """Solarize the samples that were drawn for it; see `solarize`.

    Args:
        images: (B, C, h, w) float32 in 0..255; may be overwritten.
        draws: (B, 11), see `jitter`.

    Returns:
        (B, C, h, w) float32 in 0..255.
    """
    threshold = PhotometricBatch.unpack(draws).threshold
    bright = threshold < NEVER
    [images] = _on_chosen(bright, solarize, threshold, [images], [images])
    return images


def blend_weights(params: PhotometricBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Express brightness, contrast and saturation as weights of `blend`.

    Args:
        params: The changes of each sample.

    Returns:
        Weights of pixel, own gray and mean gray, each (4, B): a row for each
        step of the order; 1, 0, 0 where the step is the hue.
    """
    order = params.order.T  # (4, B)
    factors = F.pad(params.factors, (0, 1), value=1.0)  # none for the hue
    factor = factors.gather(1, params.order).T
    rest = 1 - factor
    return factor, rest * (order == _SATURATION), rest * (order == _CONTRAST)


def blend(
    planes: Sequence[Tensor], pixel: Tensor, own: Tensor, mean: Tensor
) -> list[Tensor]:
    """Blend each pixel with its own gray and with the mean gray.

    Args:
        planes: Red, green and blue, or other channels, each (B, h, w) in
            0..255.
        pixel: (B,) weight of the pixel.
        own: (B,) weight of its gray.
        mean: (B,) weight of the mean gray.

    Returns:
        The planes, clipped to 0..255.
    """
    pixel, own, mean = (x[:, None, None] for x in (pixel, own, mean))
    gray = luma(planes)
    mean_gray = gray.mean(dim=(1, 2), keepdim=True)
    towards = torch.addcmul(mean * mean_gray, own, gray)
    return [
        torch.addcmul(towards, pixel, plane).clamp_(0, 255) for plane in planes
    ]


def luma(planes: Sequence[Tensor]) -> Tensor:
    """Return the gray of RGB pixels, or the mean of other channels."""
    if len(planes) != 3:
        return torch.stack(list(planes)).mean(dim=0)
    red, green, blue = planes
    gray = _LUMA[0] * red
    return gray.add_(green, alpha=_LUMA[1]).add_(blue, alpha=_LUMA[2])


def to_gray(planes: Sequence[Tensor], _: Tensor) -> list[Tensor]:
    """Remove the colors."""
    return [luma(planes)] * 3


def shift_hue(planes: Sequence[Tensor], shift: Tensor) -> list[Tensor]:
    """Rotate the hue, keeping HSV's saturation and value.

    With the hue H in sixths of the circle, a channel of HSV is
    min + (max - min) clip(x, 0, 1), where x is abs(H - 3) - 1 for red,
    2 - abs(H - 2) for green and 2 - abs(H - 4) for blue.

    Args:
        planes: Red, green and blue, each (n, h, w) in 0..255.
        shift: (n,) in turns.

    Returns:
        The three planes in 0..255.
    """
    red, green, blue = planes
    largest = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = largest - least
    # The hue times the chroma, from the largest channel on.
    ahead = torch.where(
        red == largest,
        green - blue,
        torch.where(
            green == largest,
            (blue - red).add_(chroma, alpha=2),
            (red - green).add_(chroma, alpha=4),
        ),
    )
    hue = ahead.div_(chroma.clamp(min=1e-6)).add_(_column_on(6 * shift, ahead))
    hue = hue.remainder_(6)
    shares = (
        (hue - 3).abs_() - 1,
        2 - (hue - 2).abs_(),
        2 - (hue - 4).abs_(),
    )
    return [torch.addcmul(least, chroma, x.clamp_(0, 1)) for x in shares]


def blur(images: Sequence[Tensor], sigma: Tensor) -> list[Tensor]:
    """Blur with a Gaussian, mirrored at the border pixel's center.

    Args:
        images: One tensor, (n, 3, h, w).
        sigma: (n,) standard deviations in pixels, positive, on the host.

    Returns:
        One tensor, (n, 3, h, w).
    """
    [batch] = images
    num, channels, height, width = batch.shape
    # As OpenCV's for uint8, each kernel ends at 3 standard deviations.
    extents = torch.round(6 * sigma + 1).long() // 2
    # Mirroring is limited in views of a few pixels.
    radius = min(extents.max().item(), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1)
    exponents = -0.5 * (offsets / sigma[:, None]) ** 2  # (n, k)
    beyond = offsets.abs() > extents[:, None]
    kernels = exponents.masked_fill(beyond, -torch.inf).softmax(dim=1)
    kernels = kernels.to(batch, non_blocking=True)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None]  # (3n, 1, k)
    # Each channel of each sample is a group with its own kernel.
    flat = batch.reshape(1, num * channels, height, width)
    flat = F.pad(flat, [radius] * 4, mode='reflect')
    flat = F.conv2d(flat, kernels[:, :, None], groups=num * channels)
    flat = F.conv2d(flat, kernels[..., None], groups=num * channels)
    return [flat.view_as(batch)]


def solarize(images: Sequence[Tensor], threshold: Tensor) -> list[Tensor]:
    """Invert pixels at or above a gray level: x -> 255 - x.

    Args:
        images: Tensors (n, ...) in 0..255.
        threshold: (n,) gray levels, compared with rounded pixels.

    Returns:
        The same tensors, inverted where they are bright.
    """
    return [
        torch.where(x >= _column_on(threshold, x) - 0.5, 255 - x, x)
        for x in images
    ]


def _on_chosen(
    chosen: Tensor,
    operation: Callable[[Sequence[Tensor], Tensor], list[Tensor]],
    values: Tensor,
    images: Sequence[Tensor],
    others: Sequence[Tensor],
) -> Sequence[Tensor]:
    """Apply an operation to the chosen samples.

    Args:
        chosen: (B,) bool.
        operation: From tensors (n, ...) and values (n,) to as many tensors.
        values: (B,), one per sample.
        images: Tensors (B, ...) to take the samples from.
        others: Tensors of the same shapes, which hold the other samples'
            result; overwritten.

    Returns:
        As many tensors (B, ...).
    """
    if torch.compiler.is_compiling():
        return [
            torch.where(_column(chosen, old), new, old)
            for new, old in zip(operation(images, values), others, strict=True)
        ]
    index = chosen.nonzero().squeeze(1)
    if len(index) == 0:
        return others
    if len(index) == len(chosen):
        return operation(images, values)
    values = values[index]
    index = index.to(images[0].device, non_blocking=True)
    changed = operation([image[index] for image in images], values)
    return [
        old.index_copy_(0, index, new)
        for new, old in zip(changed, others, strict=True)
    ]


def _column_on(values: Tensor, images: Tensor) -> Tensor:
    """Move one value per sample to the images' device: (n, 1, ...)."""
    return _column(values.to(images, non_blocking=True), images)


def _column(values: Tensor, images: Tensor) -> Tensor:
    """Reshape (n,) to broadcast with (n, ...)."""
    return values.view(-1, *[1] * (images.ndim - 1))

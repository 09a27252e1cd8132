"""Draw the demo's scenes: textured shapes on pieces of photographs.

A class is a shape *and* a texture ("striped disc", "dotted disc", ...):
neither one is enough, and colors are random, so they carry no information.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmsoco.utils.extras import require_extra

SHAPES = ('disc', 'star')
TEXTURES = ('striped', 'dotted')
CLASSES = tuple(
    f'{texture} {shape}' for shape in SHAPES for texture in TEXTURES
)

# Side of the square that an object is drawn into, in pixels of a scene.
OBJECT_SIZES = (26.0, 124.0)
OBJECTS_PER_SCENE = (2, 5)
# An object may hide at most this share of any earlier one.
MAX_HIDDEN = 0.25
PLACING_ATTEMPTS = 20
# Objects are drawn this many times larger and averaged, for smooth edges.
SUPERSAMPLING = 3


@dataclass(frozen=True)
class Instance:
    """An object of a scene.

    Attributes:
        label: Index into ``CLASSES``.
        mask: Its visible pixels, (H, W) bool.
    """

    label: int
    mask: np.ndarray


def find_photo(name: str) -> Path:
    """Return the path of a photograph in the installed packages.

    Raises:
        FileNotFoundError: If neither scikit-image nor scikit-learn ships it.
        ModuleNotFoundError: If one of them is missing.
    """
    require_extra('demo')
    import skimage
    import sklearn

    folders = (
        Path(skimage.__file__).parent / 'data',
        Path(sklearn.__file__).parent / 'datasets' / 'images',
    )
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f'the photograph {name} is in none of {[str(f) for f in folders]}; '
        'install the tested versions of scikit-image and scikit-learn '
        '(`make install`)'
    )


def read_photo(name: str) -> np.ndarray:
    """Read a shipped photograph as (H, W, 3) uint8 RGB."""
    data = np.fromfile(find_photo(name), np.uint8)
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def draw_background(
    photo: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Cut a random piece out of a photograph and resize it.

    Returns:
        (height, width, 3) float32 RGB in 0..255.
    """
    photo_h, photo_w = photo.shape[:2]
    largest = min(photo_h / height, photo_w / width)
    scale = largest * rng.uniform(0.5, 1.0)
    crop_h, crop_w = int(height * scale), int(width * scale)
    top = rng.integers(0, photo_h - crop_h + 1)
    left = rng.integers(0, photo_w - crop_w + 1)
    crop = photo[top : top + crop_h, left : left + crop_w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    resized = cv2.resize(
        np.ascontiguousarray(crop), (width, height),
        interpolation=cv2.INTER_AREA,
    )  # fmt: skip
    brightness = rng.uniform(0.7, 1.15)
    return np.clip(resized.astype(np.float32) * brightness, 0, 255)


def shape_mask(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Find which points lie inside a shape that spans [-1, 1]^2.

    Args:
        shape: One of ``SHAPES``.
        u: Horizontal coordinates, any shape.
        v: Vertical coordinates, the same shape.

    Returns:
        Bool array of the same shape.
    """
    radius = np.hypot(u, v)
    if shape == 'disc':
        return radius <= 1
    # Five points: the radius of the edge falls linearly with the angle from
    # the nearest point to the notch between two points.
    step = 2 * np.pi / 5
    from_point = np.abs((np.arctan2(v, u) + step / 2) % step - step / 2)
    return radius <= 1 - 0.52 * from_point / (step / 2)


def texture_values(
    texture: str, u: np.ndarray, v: np.ndarray, frequency: float
) -> np.ndarray:
    """Evaluate a two-colored texture.

    Args:
        texture: One of ``TEXTURES``.
        u: Horizontal coordinates, an object spans [-1, 1].
        v: Vertical coordinates, the same shape.
        frequency: Periods per object width.

    Returns:
        Bool array: where the second color is.
    """
    phase_u, phase_v = u * frequency / 2, v * frequency / 2
    if texture == 'striped':
        return phase_u % 1 < 0.5
    return np.hypot(phase_u % 1 - 0.5, phase_v % 1 - 0.5) < 0.32


def draw_colors(rng: np.random.Generator) -> np.ndarray:
    """Draw two colors of clearly different brightness, (2, 3) RGB."""
    dark, bright = rng.uniform(0, 0.35), rng.uniform(0.65, 1.0)
    hues = rng.random(2) * 180
    saturation = rng.uniform(60, 230, 2)
    hsv = np.stack([hues, saturation, np.array([dark, bright]) * 255], -1)
    rgb = cv2.cvtColor(hsv[None].astype(np.uint8), cv2.COLOR_HSV2RGB)[0]
    return rgb[rng.permutation(2)].astype(np.float32)


def draw_object(
    label: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw an object of a class with random pose, colors and light.

    Args:
        label: Index into ``CLASSES``.
        size: Side of the square drawn into, in pixels.
        rng: Source of the pose, the colors and the light.

    Returns:
        Colors (size, size, 3) float32 in 0..255 and opacity (size, size)
        float32 in 0..1.
    """
    shape = SHAPES[label // len(TEXTURES)]
    texture = TEXTURES[label % len(TEXTURES)]
    fine = size * SUPERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine * 2 - 1
    x, y = np.meshgrid(axis, axis)
    angle, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 1.0)
    u = np.cos(angle) * x + np.sin(angle) * y
    v = (np.cos(angle) * y - np.sin(angle) * x) / stretch
    inside = shape_mask(shape, u, v).astype(np.float32)
    second = texture_values(texture, u, v, rng.uniform(3.5, 6.0))
    colors = draw_colors(rng)[second.astype(int)]
    light = 1 + rng.uniform(-0.3, 0.3) * x + rng.uniform(-0.3, 0.3) * y
    colors = np.clip(colors * light[..., None], 0, 255).astype(np.float32)
    colors, inside = (
        cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
        for large in (colors, inside)
    )
    return colors, inside


def place(
    masks: list[np.ndarray],
    opacity: np.ndarray,
    canvas: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Find a corner for an object where it hides none of the others.

    Args:
        masks: Visible pixels of the earlier objects, (H, W) bool each.
        opacity: (size, size) opacity of the new object.
        canvas: (height, width) of the scene.
        rng: Source of the positions that are tried.

    Returns:
        (top, left), or None if no attempt found room.
    """
    size = opacity.shape[0]
    solid = opacity >= 0.5
    for _ in range(PLACING_ATTEMPTS):
        top = int(rng.integers(0, canvas[0] - size + 1))
        left = int(rng.integers(0, canvas[1] - size + 1))
        window = np.s_[top : top + size, left : left + size]
        hidden = [(mask[window] & solid).sum() / mask.sum() for mask in masks]
        if max(hidden, default=0.0) <= MAX_HIDDEN:
            return top, left
    return None


def draw_scene(
    photo: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[Instance]]:
    """Draw a scene: a background with a few objects, later ones in front.

    Returns:
        (height, width, 3) uint8 RGB image and its instances.
    """
    canvas = draw_background(photo, height, width, rng)
    labels: list[int] = []
    masks: list[np.ndarray] = []
    fewest, most = OBJECTS_PER_SCENE
    for _ in range(rng.integers(fewest, most + 1)):
        label = int(rng.integers(len(CLASSES)))
        size = int(np.exp(rng.uniform(*np.log(OBJECT_SIZES))))
        colors, opacity = draw_object(label, size, rng)
        corner = place(masks, opacity, (height, width), rng)
        if corner is None:
            continue
        window = np.s_[
            corner[0] : corner[0] + size, corner[1] : corner[1] + size
        ]
        alpha = opacity[..., None]
        canvas[window] += alpha * (colors - canvas[window])
        mask = np.zeros((height, width), bool)
        mask[window] = opacity >= 0.5
        masks = [earlier & ~mask for earlier in masks] + [mask]
        labels.append(label)
    canvas += rng.normal(0, 4, canvas.shape)
    image = np.clip(canvas, 0, 255).round().astype(np.uint8)
    return image, [Instance(*pair) for pair in zip(labels, masks, strict=True)]

"""Selective search: time per image and growth with processes.

Yardstick: `skimage.segmentation.felzenszwalb` alone, which takes 0.31 of the
published code's time per image. So 10 times the published speed is 0.31 of
the yardstick, 15 times is 0.21.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
from harness import Row, alternate, median_rows, use_one_thread

from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_rgb
from mmsoco.proposals.generation.generate import generate, warm_up
from mmsoco.proposals.generation.job import Job
from mmsoco.proposals.search.selective_search import (
    SearchSpec,
    selective_search,
)

# The yardstick's share of the published code's time.
YARDSTICK_SHARE = 0.31
IMAGENET_IMAGES = 1281167


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('images', type=Path, help='image folder')
    parser.add_argument(
        '--number',
        type=int,
        default=64,
        help='images to time',
    )
    parser.add_argument(
        '--workers',
        type=int,
        nargs='*',
        default=[1],
        help='also generate the proposals of the whole folder with as many '
        'processes, in turn',
    )


def measure(args: argparse.Namespace) -> list[Row]:
    """Time the search, then the generator."""
    use_one_thread()
    names = find_images(str(args.images)).names
    step = max(len(names) // args.number, 1)
    warm_up()
    seconds: dict[str, list[float]] = {}
    for name in names[::step][: args.number]:
        for case, taken in _time_image(read_rgb(args.images / name)).items():
            seconds.setdefault(case, []).append(statistics.median(taken))
    rows = median_rows(seconds, 'felzenszwalb of scikit-image', 'image')
    ratio = next(row.ratio for row in rows if row.name == 'selective search')
    rows.append(Row('speed-up', 1 / (YARDSTICK_SHARE * ratio), 'published'))
    for workers in args.workers:
        rows += _generate(args.images, names, workers)
    return rows


def _time_image(rgb: np.ndarray) -> dict[str, list[float]]:
    try:
        from skimage.segmentation import felzenszwalb
        from skimage.util import img_as_float
    except ImportError:
        raise OSError(
            'the yardstick needs scikit-image: pip install scikit-image'
        ) from None
    floats, spec = img_as_float(rgb), SearchSpec()
    cases = {
        'felzenszwalb of scikit-image': lambda: felzenszwalb(
            floats, spec.scale, spec.sigma, spec.min_region_size
        ),
        'selective search': lambda: selective_search(rgb, spec),
    }
    return alternate(cases, rounds=3, warm_up=0)


def _generate(root: Path, names: list[str], workers: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        job = Job(str(root), names, str(Path(folder, 'p.arrow')))
        summary = generate(job, workers, report=lambda _: None)
    rate = summary.made / summary.seconds
    cpu_ms = 1e3 * summary.cpu_seconds / summary.made
    rows = [
        Row(f'{workers} processes', rate, 'images/s'),
        Row(f'{workers} processes, CPU', cpu_ms, 'ms/image'),
    ]
    if workers == 1:
        for cores in (1, 16, 64):
            hours = IMAGENET_IMAGES * cpu_ms / 3.6e6 / cores
            rows.append(Row(f'ImageNet, {cores} cores', hours, 'hours'))
    return rows

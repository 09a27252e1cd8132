"""Data pipeline: time per sample of one data worker.

Yardstick: decode by Pillow and three crop-resizes by Pillow, which takes 0.35
of the published code's time per sample. So 4.5 times the published speed is
0.64 of the yardstick, 5 times is 0.57 (uint8 views, colors on the device);
2.6 and 3.3 times are 1.10 and 0.87 (colors in the worker).
"""

import argparse
import functools
import resource
import statistics
import tempfile
from pathlib import Path

import numpy as np
from harness import Row, alternate, median_rows, use_one_thread
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope
from PIL import Image
from torch.utils.data import DataLoader

from mmsoco.datasets.proposal_dataset import ProposalDataset
from mmsoco.datasets.samplers import SampleKey
from mmsoco.datasets.transforms import PhotometricJitter
from mmsoco.datasets.transforms.geometry import draw_crop
from mmsoco.images.lists import find_images
from mmsoco.images.reading import read_rgb
from mmsoco.proposals.generation.generate import generate
from mmsoco.proposals.generation.job import Job

YARDSTICK = 'decode and three crop-resizes by Pillow'
# The yardstick's share of the published code's time.
YARDSTICK_SHARE = 0.35
CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/imagenet_soco.py'
# Images of a timed run.
BLOCK = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument('images', type=Path, help='image folder')
    parser.add_argument(
        'proposals', type=Path, nargs='?', help='its store; else one is made'
    )
    parser.add_argument(
        '--config', type=Path, default=CONFIG, help='config of the pipeline'
    )
    parser.add_argument('--rounds', type=int, default=3, help='per image')
    parser.add_argument(
        '--number',
        type=int,
        default=200,
        help=f'images, a multiple of {BLOCK}',
    )
    parser.add_argument(
        '--batch-size', type=int, default=128, help='samples per batch'
    )
    parser.add_argument(
        '--batches', type=int, default=8, help='that a worker makes'
    )


def measure(args: argparse.Namespace) -> list[Row]:
    """Time samples in both forms and the yardstick, image by image."""
    use_one_thread()
    init_default_scope('mmsoco')
    with tempfile.TemporaryDirectory() as folder:
        store = args.proposals or _make_store(args.images, folder)
        return _measure(args, store)


def _make_store(root: Path, folder: str) -> Path:
    job = Job(
        str(root), find_images(str(root)).names, str(Path(folder, 'p.arrow'))
    )
    return generate(job, workers=1, report=lambda _: None).store.path


def _measure(args: argparse.Namespace, store: Path) -> list[Row]:
    datasets = {
        'uint8 views, colors left to the device': True,
        'uint8 views, colors in the worker': False,
    }
    for name, on_device in datasets.items():
        datasets[name] = _build(args, store, on_device)
    count = len(next(iter(datasets.values())))
    blocks = (
        np.linspace(0, count - 1, args.number).astype(int).reshape(-1, BLOCK)
    )
    seconds: dict[str, list[float]] = {}
    for block in blocks.tolist():
        for case, taken in _time_block(args, datasets, block).items():
            seconds.setdefault(case, []).append(
                statistics.median(taken) / BLOCK
            )
    rows = median_rows(seconds, YARDSTICK, 'sample')
    for row in rows[2:]:
        factor = 1 / (YARDSTICK_SHARE * row.ratio)
        rows.append(Row(f'{row.name}, speed-up', factor, 'published'))
    for name, dataset in datasets.items():
        rows += _in_worker(name, dataset, args)
    return rows


def _build(
    args: argparse.Namespace, store: Path, on_device: bool
) -> ProposalDataset:
    pipeline = Config.fromfile(args.config).train_dataloader.dataset.pipeline
    dataset = ProposalDataset(str(args.images), str(store), pipeline)
    for transform in dataset.pipeline.transforms:
        if isinstance(transform, PhotometricJitter):
            transform.on_device = on_device
    return dataset


def _time_block(
    args: argparse.Namespace,
    datasets: dict[str, ProposalDataset],
    indices: list[int],
) -> dict[str, list[float]]:
    """Time runs of some images; as in a worker, each run keeps to one code."""
    dataset = next(iter(datasets.values()))
    paths = [
        args.images / dataset.get_data_info(i)['file_name'] for i in indices
    ]
    epochs = iter(range(10**6))

    def samples(own: ProposalDataset) -> None:
        epoch = next(epochs)
        for index in indices:
            own[SampleKey(0, epoch, index)]

    def by_pillow() -> None:
        epoch = next(epochs)
        for path in paths:
            pillow_views(path, epoch)

    cases = {
        YARDSTICK: by_pillow,
        'decode alone': lambda: [read_rgb(path) for path in paths],
    }
    for name, own in datasets.items():
        cases[name] = functools.partial(samples, own)
    return alternate(cases, args.rounds)


def pillow_views(path: Path, seed: int) -> list[np.ndarray]:
    """Make three views as torchvision does on Pillow, without any colors.

    Args:
        path: Image file.
        seed: Of the crops.

    Returns:
        (224, 224, 3), the same, (112, 112, 3), uint8.
    """
    rng = np.random.default_rng(seed)
    with Image.open(path) as file:
        image = file.convert('RGB')
    views = [image.resize((224, 224), Image.Resampling.BILINEAR)]
    for side in (224, 112):
        x, y, w, h = draw_crop(
            rng, *image.size[::-1], (0.5, 1), (3 / 4, 4 / 3)
        )
        part = image.crop((x, y, x + w, y + h))
        views.append(part.resize((side, side), Image.Resampling.BILINEAR))
    return [np.asarray(view) for view in views]


def _in_worker(
    name: str, dataset: ProposalDataset, args: argparse.Namespace
) -> list[Row]:
    """Measure all CPU time per sample of a data worker's process.

    In addition to making samples, a worker stacks them into batches in shared
    memory, whose pages are new for each batch, and hands these over.
    """
    short, long = (
        _cpu_seconds_of_worker(dataset, args.batch_size, batches)
        for batches in (1, 1 + args.batches)
    )
    seconds = (long - short) / (args.batch_size * args.batches)
    name = f'a worker: {name}'
    return [
        Row(name, 1e3 * seconds, 'ms/sample'),
        Row(name, 1 / seconds, 'samples/s'),
    ]


def _cpu_seconds_of_worker(
    dataset: ProposalDataset, batch_size: int, batches: int
) -> float:
    indices = (i % len(dataset) for i in range(batch_size * batches))
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=[SampleKey(0, 0, i) for i in indices],
        num_workers=1,
        collate_fn=default_collate,
    )
    before = _cpu_seconds_of_children()
    for _ in loader:
        pass
    # Ends the worker, whose time is known once it has been waited for.
    del _, loader
    return _cpu_seconds_of_children() - before


def _cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

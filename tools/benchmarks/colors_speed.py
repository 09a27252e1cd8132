"""Colors changed on the device: operations, bytes and time, by view.

Operations and bytes of plain mode are counted on the meta device, which has
shapes but no pixels: what a GPU would be asked for, whatever the machine.
Compiled, they are inductor's kernels and what these read and write, next to
the operations of the blur, which stays outside.
"""

import argparse
import contextlib
import functools
import io
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from harness import Row, alternate, median_rows, use_one_thread
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor
from torch._inductor import config as inductor
from torch._inductor import metrics
from torch._inductor.codegen.cpp import CppScheduling
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmsoco.datasets.random_batch import view_sizes
from mmsoco.models.data_preprocessor import SoCoDataPreprocessor, finish
from mmsoco.models.device_photometric import blur_drawn, jitter
from mmsoco.registry import TRANSFORMS

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/imagenet_soco.py'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark's arguments."""
    parser.add_argument(
        '--config', type=Path, default=CONFIG, help='config of the pipeline'
    )
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--rounds', type=int, default=5)


def measure(args: argparse.Namespace) -> list[Row]:
    """Count and time the colors of each view, plain and compiled."""
    use_one_thread()
    init_default_scope('mmsoco')
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    batches = make_batches(Config.fromfile(args.config), args.batch_size)
    rows = []
    for number, batch in enumerate(batches, start=1):
        rows += _measure_view(f'view {number}', batch, device, args)
    return rows


def make_batches(cfg: Config, batch_size: int) -> list[dict]:
    """Draw colors for views of noise.

    Args:
        cfg: Config of a pipeline that draws colors for every view.
        batch_size: Number of images B.

    Returns:
        For each view, a batch that has this view alone; see
        `SoCoDataPreprocessor`.
    """
    sizes = view_sizes(cfg)
    [draw] = (
        TRANSFORMS.build(dict(step, on_device=True))
        for step in cfg.train_dataloader.dataset.pipeline
        if step['type'] == 'PhotometricJitter'
    )
    drawn = [
        draw(
            dict(views=dict(enumerate(sizes)), rng=np.random.default_rng(seed))
        )
        for seed in range(batch_size)
    ]
    noise = torch.Generator().manual_seed(0)
    batches = []
    for i, size in enumerate(sizes):
        pixels = torch.randint(
            256, (batch_size, *size, 3), dtype=torch.uint8, generator=noise
        )
        rows = np.stack([sample['photometric'][i] for sample in drawn])
        samples = dict(
            photometric=[torch.from_numpy(rows)],
            cutout=[torch.zeros(batch_size, 0, 4)],
        )
        batches.append(dict(inputs=[pixels], data_samples=samples))
    return batches


def _measure_view(
    view: str, batch: dict, device: str, args: argparse.Namespace
) -> list[Row]:
    plain = SoCoDataPreprocessor().to(device)
    compiled = SoCoDataPreprocessor().to(device)
    costs = {'plain': count_plain(batch)}
    costs['compiled'] = count_compiled(compiled, batch)
    seconds = alternate(
        {
            f'{view}, {name}': functools.partial(_run, own, batch, device)
            for name, own in (('plain', plain), ('compiled', compiled))
        },
        args.rounds,
        # One process on a CPU: its own time, whatever else the machine does.
        clock=time.perf_counter if device == 'cuda' else time.process_time,
    )
    rows = []
    for row, (operations, size) in zip(
        median_rows(seconds, f'{view}, plain', 'image'),
        costs.values(),
        strict=True,
    ):
        rows.append(row._replace(value=row.value / args.batch_size))
        rows.append(Row(f'{row.name}, operations', operations, ''))
        size_per_image = size / args.batch_size / 1e6
        rows.append(Row(f'{row.name}, bytes', size_per_image, 'MB/image'))
    return rows


def _run(preprocessor: SoCoDataPreprocessor, batch: dict, device: str) -> None:
    preprocessor(batch)
    if device == 'cuda':
        torch.cuda.synchronize()


class _DeviceWork(TorchDispatchMode):
    """Counts operations on the meta device and the bytes they touch."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        written = _size(out)
        if not written or func.is_view:
            return out
        self.operations += 1
        if func is torch.ops.aten.index.Tensor:
            self.bytes += 2 * written  # not the rows that are left out
        elif func is torch.ops.aten.index_copy_.default:
            self.bytes += 2 * _size(args[3])
        else:
            self.bytes += _size((args, kwargs)) + written
        return out


def _size(tree: Any) -> int:
    """Return the bytes of the meta device's tensors."""
    return sum(
        leaf.nbytes
        for leaf in tree_leaves(tree)
        if isinstance(leaf, Tensor) and leaf.is_meta
    )


def count_plain(batch: dict) -> tuple[int, int]:
    """Count operations and bytes of a view that is not compiled.

    Args:
        batch: See `make_batches`.

    Returns:
        Operations on the device, and bytes that they read and write.
    """
    [view], [rows] = batch['inputs'], batch['data_samples']['photometric']
    view = view.permute(0, 3, 1, 2)
    normalize = SoCoDataPreprocessor().to('meta')
    with _DeviceWork() as work:
        view = blur_drawn(jitter(view.to('meta'), rows), rows)
        finish(
            view, rows, normalize.mean, normalize.std, normalize.memory_format
        )
    return work.operations, work.bytes


def count_compiled(
    preprocessor: SoCoDataPreprocessor, batch: dict
) -> tuple[int, int]:
    """Compile a preprocessor; count kernels and bytes of a view.

    Args:
        preprocessor: Is compiled.
        batch: See `make_batches`.

    Returns:
        Kernels with the operations of the blur, and bytes of both.
    """
    metrics.reset()
    torch.compiler.reset()
    with contextlib.ExitStack() as stack:
        # On a CPU, inductor tries to interleave the loops of several kernels
        # over the samples and counts each attempt, but not what passes from
        # one kernel to the next.
        stack.enter_context(
            mock.patch.object(
                CppScheduling,
                'can_fuse_vertical_outer_loop',
                return_value=False,
            )
        )
        # A cached kernel would not be counted.
        stack.enter_context(inductor.patch(force_disable_caches=True))
        # Bytes are counted for the log alone.
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        torch._logging.set_logs(inductor_metrics=True)
        stack.callback(torch._logging.set_logs)
        preprocessor.compile_colors(fullgraph=True)
        preprocessor(batch)
    [view], [rows] = batch['inputs'], batch['data_samples']['photometric']
    pixels = torch.empty(view.permute(0, 3, 1, 2).shape, device='meta')
    with _DeviceWork() as work:
        blur_drawn(pixels, rows)
    return (
        metrics.generated_kernel_count + work.operations,
        metrics.num_bytes_accessed + work.bytes,
    )

r"""Draw the proposals of a store, or the views of a pretraining config.

For a store, it writes one picture per image and contact_sheet.jpg. The color
shows the size of a box relative to its image, from yellow (small) to green
(large).

For a config, it writes one picture per image, with a row for each pair of
views. Boxes of the same color are matched, the label of a box is the pyramid
level that it is pooled from, and gray squares are cut out during training.

For a folder that `mmsoco pretrain` made, it writes both, to proposals/ and
views/.

Examples:
  mmsoco browse out/mine --out look
  mmsoco browse proposals.arrow --out look
  mmsoco browse \
      configs/soco/soco_mask-rcnn_r50-fpn_1xb32-coslr-400e_custom.py \
      --out views --cfg-options \
      train_dataloader.dataset.image_root="my pictures" \
      train_dataloader.dataset.proposals=proposals.arrow
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmsoco.cli.common import add_cfg_options, add_out
from mmsoco.cli.option_types import integer, path
from mmsoco.utils.files import refuse_file, refuse_within

if TYPE_CHECKING:
    import numpy as np

# The options that only one kind of source reads, with their defaults.
_OF_STORE = dict(
    image_root=None, names=None, fallback=None, columns=4, size=480
)
_OF_CONFIG: dict[str, object] = dict(
    index=None, epoch=0, seed=0, cfg_options={}
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        'source',
        type=path,
        help='a store that `mmsoco propose` made (.arrow), a pretraining '
        'config (.py), or the folder of a pretraining',
    )
    add_out(parser, 'the folder to write the pictures to')
    parser.add_argument(
        '--number',
        type=integer(1),
        default=12,
        metavar='N',
        help='number of images, spread evenly over the source '
        '(default: %(default)s)',
    )
    _add_store_options(parser.add_argument_group('options for a store'))
    _add_config_options(parser.add_argument_group('options for a config'))


def _add_store_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--image-root',
        type=path,
        metavar='DIR',
        help='folder of the images (default: the folder that the store was '
        'made from)',
    )
    group.add_argument(
        '--names',
        nargs='+',
        metavar='NAME',
        help='names of images to draw, instead of --number images',
    )
    group.add_argument(
        '--fallback',
        # mmsoco.proposals.filters.FALLBACK_NAMES, whose module needs numpy
        choices=('filtered', 'aspect only', 'size only', 'none'),
        help='draw only images whose boxes passed this stage of the filter',
    )
    group.add_argument(
        '--columns',
        type=integer(1, 1000),
        default=4,
        metavar='N',
        help='number of columns of the contact sheet (default: %(default)s)',
    )
    group.add_argument(
        '--size',
        type=integer(16, 10000),
        default=480,
        metavar='PIXELS',
        help='longest side of a picture in pixels (default: %(default)s)',
    )


def _add_config_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        '--index',
        type=integer(0),
        nargs='+',
        metavar='I',
        help='indices of images to draw, counted from 0, instead of --number '
        'images',
    )
    for option, what in (
        ('--epoch', 'epoch whose random views are drawn'),
        ('--seed', 'random seed of the views'),
    ):
        group.add_argument(
            option,
            type=integer(0),
            default=0,
            metavar='N',
            help=f'{what} (default: %(default)s)',
        )
    add_cfg_options(group)


def run(args: argparse.Namespace) -> None:
    """Draw the pictures, and print where they are."""
    refuse_file(args.out, 'pictures')
    if args.source.suffix.lower() == '.py':
        _refuse_options(args, _OF_STORE, 'a config')
        _report(_draw_views(args, args.source, args.out), args.out)
    elif args.source.is_dir():
        _browse_pretraining(args)
    else:
        _refuse_options(args, _OF_CONFIG, 'a store')
        _report(_draw_proposals(args, args.source, args.out), args.out)


def _browse_pretraining(args: argparse.Namespace) -> None:
    """Draw proposals and, once there is a config, views of a pretraining."""
    from mmsoco.workflow.run_folder import find_parts

    parts = find_parts(args.source)
    args.image_root = args.image_root or parts.images
    out = args.out / 'proposals'
    _report(_draw_proposals(args, parts.store, out), out)
    if parts.config.is_file():
        # The folder, or the pictures, may have moved since.
        dataset = 'train_dataloader.dataset'
        args.cfg_options = {
            f'{dataset}.proposals': str(parts.store),
            f'{dataset}.image_root': str(args.image_root),
            **args.cfg_options,
        }
        out = args.out / 'views'
        _report(_draw_views(args, parts.config, out), out)


def _report(pictures: list[Path], out: Path) -> None:
    from mmsoco.workflow.settings import counted

    print(f'{counted(len(pictures), "file")} in {out}')


def _refuse_options(
    args: argparse.Namespace, defaults: dict, source: str
) -> None:
    """Refuse options that this kind of source does not read."""
    for name, default in defaults.items():
        if getattr(args, name) != default:
            raise ValueError(
                f'--{name.replace("_", "-")} does not apply to {source}, and '
                f'{args.source} is one'
            )


def _draw_proposals(
    args: argparse.Namespace, source: Path, out: Path
) -> list[Path]:
    """Draw proposals of a store."""
    from mmsoco.proposals.store import ProposalStore
    from mmsoco.visualization import browse
    from mmsoco.visualization.sheets import contact_sheet

    store = ProposalStore(source)
    images = browse.images_of(store, args.image_root)
    refuse_within(args.out, images.root)
    rows = browse.choose_rows(
        store, args.number, args.names or (), args.fallback
    )
    drawn = {
        f'{row:07d}_{Path(store.file_name(row)).stem}.png': browse.draw_record(
            store[row], images, args.size
        )
        for row in rows
    }
    sheet = contact_sheet(list(drawn.values()), args.columns)
    drawn['contact_sheet.jpg'] = sheet
    return [_save(out / name, image) for name, image in drawn.items()]


def _draw_views(
    args: argparse.Namespace, config: Path, out: Path
) -> list[Path]:
    """Draw views of a config's data set."""
    from mmsoco.config.reading import read_config

    cfg = read_config(config, args.cfg_options)
    roots = (
        cfg.get('train_dataloader', {})
        .get('dataset', {})
        .get('image_root', ())
    )
    for root in [roots] if isinstance(roots, str) else roots:
        refuse_within(args.out, root)

    from mmsoco.engine.explanations import explained_errors
    from mmsoco.visualization.browse_views import draw_views
    from mmsoco.workflow.console import quiet_log

    with explained_errors(cfg), quiet_log():
        return [
            _save(out / f'{index:07d}.png', picture)
            for index, picture in draw_views(
                cfg, args.number, args.index, args.epoch, args.seed
            )
        ]


def _save(file: Path, picture: np.ndarray) -> Path:
    """Save a picture of (H, W, 3) uint8 RGB."""
    from mmsoco.visualization.sheets import save_picture

    save_picture(picture, file)
    return file

r"""Turn a PASCAL VOC data set into COCO annotations.

Expects ROOT/Annotations/NAME.xml, ROOT/JPEGImages/ and, for --split,
ROOT/ImageSets/Main/SPLIT.txt with a NAME per line; or pictures and XML files
together in ROOT. The pictures are not copied: the COCO file names them
relative to their folder.

The classes of all XML files get ids in alphabetical order, so that all splits
of a data set agree. Difficult objects become COCO's iscrowd.
There are no masks, so train a box detector, such as Faster R-CNN, on the
result.

Annotations are repaired where the pictures show what is right; files that
cannot be read are left out with their pictures. One table lists all of this.
The exit status is 0 if nothing was left out, 3 if something was, and 1 if no
file was written.

Examples:
  mmsoco convert voc data/bccd --out train.json --split train

To join splits of several data sets, with pictures named relative to their
common folder:
  mmsoco convert voc data/VOCdevkit --out voc0712_trainval.json \
      --parts VOC2007/trainval VOC2012/trainval
"""

import argparse

from mmsoco.cli.common import add_out, add_overwrite
from mmsoco.cli.conversions.outcome import (
    add_strict,
    refuse_if_strict,
    report_problems,
)
from mmsoco.cli.option_types import path
from mmsoco.utils.files import refuse_existing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the conversion."""
    parser.add_argument('root', type=path, help='folder of the VOC data set')
    add_out(parser, 'the COCO JSON file to write')
    add_overwrite(parser)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        '--split', help='name of a list in ROOT/ImageSets/Main (default: all)'
    )
    chosen.add_argument(
        '--parts',
        nargs='+',
        default=(),
        metavar='SET/SPLIT',
        help='splits of several data sets in ROOT, such as VOC2007/trainval',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='names of the classes in the order of their ids; objects of '
        'other classes are left out (default: all classes)',
    )
    add_strict(parser)


def run(args: argparse.Namespace) -> int:
    """Convert, and print a summary of the file and of all problems.

    Raises:
        ValueError: If the data set cannot be used, or --strict refuses it.
    """
    refuse_existing(args.out, args.overwrite, 'JSON file')
    from mmsoco.datasets.converters import voc
    from mmsoco.utils.files import write_json
    from mmsoco.utils.problems import Problems

    problems = Problems()
    document = voc.convert(
        args.root, args.split, args.classes, args.parts, problems
    )
    refuse_if_strict(problems, args)
    write_json(args.out, document)
    print(
        f'{args.out}: {len(document["images"])} images, '
        f'{len(document["annotations"])} objects, classes '
        f'{[category["name"] for category in document["categories"]]}'
    )
    return report_problems(problems)

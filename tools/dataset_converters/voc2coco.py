"""Turns a data set in PASCAL VOC layout into COCO annotations.

See `--help`.
"""

from mmsoco.datasets.converters.voc import main

if __name__ == '__main__':
    main()

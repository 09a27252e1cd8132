"""Turn a PASCAL VOC data set into COCO annotations: `mmsoco convert voc`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'voc', *sys.argv[1:]]))

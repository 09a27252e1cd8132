"""Take parts of COCO's training images: `mmsoco convert mini-coco`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'mini-coco', *sys.argv[1:]]))

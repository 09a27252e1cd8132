"""Unpack and list ImageNet-1k: `mmsoco convert imagenet`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'imagenet', *sys.argv[1:]]))

"""Pretrain or fine-tune what a config describes: `mmsoco train`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['train', *sys.argv[1:]]))

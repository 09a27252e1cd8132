"""Convert checkpoints of SoCo's authors: `mmsoco convert checkpoint`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'checkpoint', *sys.argv[1:]]))

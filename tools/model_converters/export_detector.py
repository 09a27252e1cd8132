"""Export a pretraining run as a detector's weights: `mmsoco export`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['export', *sys.argv[1:]]))

"""Run the whole job on data that needs no download: `mmsoco demo`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['demo', *sys.argv[1:]]))

"""Print what a checkpoint holds: `mmsoco inspect`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['inspect', *sys.argv[1:]]))

"""Convert a proposal store to JSON or back: `mmsoco convert proposals`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'proposals', *sys.argv[1:]]))

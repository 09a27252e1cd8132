"""Propose objects on the pictures of a folder: `mmsoco propose`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['propose', *sys.argv[1:]]))

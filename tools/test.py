"""Evaluate a detector on the test data of its config: `mmsoco test`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['test', *sys.argv[1:]]))

"""Draw the views of a config: `mmsoco browse`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['browse', *sys.argv[1:]]))

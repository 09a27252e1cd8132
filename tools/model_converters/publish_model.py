"""Strip a checkpoint and name it by its hash: `mmsoco publish`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['publish', *sys.argv[1:]]))

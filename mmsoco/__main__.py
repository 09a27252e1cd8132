"""`python -m mmsoco` is the command `mmsoco`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main())

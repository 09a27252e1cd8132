"""Make other proposals from kept regions: `mmsoco convert regions`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'regions', *sys.argv[1:]]))

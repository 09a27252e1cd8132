"""List the images of some folders: `mmsoco convert images`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'images', *sys.argv[1:]]))

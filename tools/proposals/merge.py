"""Join the shards of one store: `mmsoco convert shards`."""

import sys

from mmsoco.cli.main import main

if __name__ == '__main__':
    sys.exit(main(['convert', 'shards', *sys.argv[1:]]))

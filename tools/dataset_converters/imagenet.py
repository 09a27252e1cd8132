"""Bring ImageNet-1k into the layout that configs expect, and list it.

See `--help`.
"""

from mmsoco.datasets.converters.imagenet import main

if __name__ == '__main__':
    main()

"""Name the images below some folders of a root.

See `--help`.
"""

from mmsoco.datasets.converters.list_images import main

if __name__ == '__main__':
    main()

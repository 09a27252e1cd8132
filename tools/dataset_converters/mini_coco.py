"""Take 1, 2, 5 and 10 % of COCO's training images for fine-tuning.

See `--help`.
"""

from mmsoco.datasets.converters.mini_coco import main

if __name__ == '__main__':
    main()

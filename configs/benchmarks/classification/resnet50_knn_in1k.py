"""k-nearest-neighbor classification of ImageNet, by mmselfsup's tool.

The tool takes the backbone of a model of mmselfsup; the rest is not used.

paper:     not in the paper
hardware:  1 GPU
duration:  not run by us
reported:  none
command:   python tools/model_converters/export_detector.py
               work_dirs/PRETRAINING/epoch_100.pth
               work_dirs/soco_backbone.pth --parts backbone
           python tools/benchmarks/knn_imagenet.py work_dirs/soco_backbone.pth
"""

_base_ = [
    'mmselfsup::selfsup/_base_/models/simsiam.py',
    'mmselfsup::selfsup/_base_/default_runtime.py',
]

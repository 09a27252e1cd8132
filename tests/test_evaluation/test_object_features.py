import numpy as np
import tiny_models
import torch
from known_pictures import by_color, by_size, make_pictures

from mmsoco.evaluation.encoders import build_encoder
from mmsoco.evaluation.labelled_pictures import read_coco
from mmsoco.evaluation.object_features import (
    object_features,
    use_precise_statistics,
)
from mmsoco.evaluation.picture_batches import batches
from mmsoco.structures import InputConvention


def test_trunk_equals_the_detectors_own_head(tmp_path, detector):
    """mmdet's extractor and head embed the same boxes alike."""
    labels = make_pictures(tmp_path, by_size, count=3)
    _, pictures = read_coco(tmp_path, labels)
    encoder = build_encoder(detector)
    convention = InputConvention.of_detector(detector)
    data = list(batches(pictures, (128, 128), convention, 3))
    model = tiny_models.build_detector(detector).eval()
    model.load_state_dict(encoder.state_dict(), strict=False)
    features = object_features(encoder, iter(data))
    with torch.no_grad():
        maps = model.extract_feat(data[0].images)
        extractor = model.roi_head.bbox_roi_extractor
        pooled = extractor(maps[:4], data[0].boxes)
        head = model.roi_head.bbox_head
        for conv in head.shared_convs:
            pooled = conv(pooled)
        trunk = head.shared_fcs[0](pooled.flatten(1)).relu()
    assert np.allclose(features['trunk'], trunk, atol=1e-5)


def test_precise_statistics_are_those_of_one_batch_of_all(tmp_path, detector):
    labels = make_pictures(tmp_path, by_color, count=4)
    _, pictures = read_coco(tmp_path, labels)
    convention = InputConvention.of_detector(detector)
    data = list(batches(pictures, (64, 64), convention, 4))
    encoder = build_encoder(detector)
    use_precise_statistics(encoder, data)
    assert not encoder.training
    norm = encoder.backbone.bn1
    maps = encoder.backbone.conv1(data[0].images)
    mean = maps.mean(dim=(0, 2, 3))
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    variance = maps.var(dim=(0, 2, 3))
    assert torch.allclose(norm.running_var, variance, rtol=1e-4)

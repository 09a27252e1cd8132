import json

import cv2
import numpy as np
import pytest
import tiny_models
import torch

from mmsoco.checkpoints.export import detector_state
from mmsoco.evaluation import object_features as of
from mmsoco.evaluation.labelled_pictures import LabelledPicture, read_coco
from mmsoco.evaluation.probe import (
    ProbeSettings,
    clustered_error,
    control_features,
    probe,
)

SETTINGS = ProbeSettings(
    num_train=24, num_val=12, image_size=(64, 64), neighbours=5
)


@pytest.fixture(scope='module')
def detector():
    return tiny_models.mask_rcnn_fpn()


def make_pictures(folder, draw, count=36):
    """Pictures with two boxes each; ``draw`` gives box and colour by class."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        image = rng.integers(90, 110, (64, 64, 3), np.uint8)
        for half in (0, 32):
            label = int(rng.integers(2))
            side, colour = draw(label, rng)
            x, y = int(rng.integers(34 - side)), half
            image[y : y + side, x : x + side] = colour
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=label,
                    bbox=[x, y, side, side],
                )
            )
        cv2.imwrite(str(folder / f'{i:02}.png'), image[..., ::-1])
        images.append(dict(id=i, file_name=f'{i:02}.png'))
    path = folder / 'labels.json'
    classes = [dict(id=0, name='one'), dict(id=1, name='two')]
    path.write_text(
        json.dumps(
            dict(images=images, annotations=annotations, categories=classes)
        )
    )
    return path


def by_colour(label, rng):
    return int(rng.integers(12, 30)), [(200, 30, 30), (30, 30, 200)][label]


def by_nothing(label, rng):
    return int(rng.integers(12, 30)), (200, 30, 30)


def by_size(label, rng):
    return [14, 28][label], rng.integers(0, 255, 3)


def test_classes_by_colour_are_seen_by_filters_and_not_by_size(
    tmp_path, detector
):
    labels = make_pictures(tmp_path, by_colour)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    assert result.modules['backbone.stage1'].linear > 0.95
    assert result.controls['colour'].linear == 1
    assert result.controls['size'].linear < 0.8
    assert result.boxes == dict(train=48, val=24)
    assert result.loaded == {}
    json.dumps(result.as_dict())


def test_classes_by_size_are_seen_by_the_size_control(tmp_path, detector):
    labels = make_pictures(tmp_path, by_size)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    assert result.controls['size'].linear == 1
    assert result.controls['size'].knn == 1


def test_classes_without_a_sign_are_at_chance(tmp_path, detector):
    labels = make_pictures(tmp_path, by_nothing)
    result = probe(detector, None, tmp_path, labels, SETTINGS)
    scores = (*result.modules.values(), *result.controls.values())
    assert 0.3 < np.mean([score.linear for score in scores]) < 0.7
    assert 0.3 < np.mean([score.knn for score in scores]) < 0.7


def test_is_deterministic_and_follows_the_seed(tmp_path, detector):
    labels = make_pictures(tmp_path, by_colour)
    first = probe(detector, None, tmp_path, labels, SETTINGS)
    again = probe(detector, None, tmp_path, labels, SETTINGS)
    assert first == again


def test_modules_have_the_detectors_widths(tmp_path, detector):
    labels = make_pictures(tmp_path, by_colour)
    modules = probe(detector, None, tmp_path, labels, SETTINGS).modules
    dims = {name: score.dims for name, score in modules.items()}
    stages = {f'backbone.stage{i}': 8 * 2 ** (i - 1) for i in range(1, 5)}
    levels = {f'neck.level{i}': 16 for i in range(1, 6)}
    assert dims == {**stages, **levels, 'neck.own': 16, 'trunk': 32}


def test_weights_arrive_from_a_run_and_from_an_export(detector):
    model = tiny_models.soco(detector)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    state = model.state_dict()
    for weights in (state, detector_state(state)):
        encoder = of.build_encoder(detector, seed=3)
        loaded = of.load_weights(encoder, weights)
        assert set(loaded) == {'backbone', 'neck', 'bbox_head'}
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, state[f'encoder.{name}']), name


def test_backbone_alone_leaves_the_rest_untrained(detector):
    state = detector_state(
        tiny_models.soco(detector).state_dict(), ['backbone']
    )
    encoder = of.build_encoder(detector, seed=3)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    loaded = of.load_weights(encoder, state)
    assert loaded['neck'] == 0 and loaded['backbone'] > 0
    changed = {
        name.partition('.')[0]
        for name, tensor in encoder.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {'backbone'}


def test_weights_of_another_width_are_refused(detector):
    other = tiny_models.mask_rcnn_fpn(base_channels=16)
    other['neck']['in_channels'] = [16, 32, 64, 128]
    state = tiny_models.soco(other).state_dict()
    with pytest.raises(ValueError, match='backbone'):
        of.load_weights(of.build_encoder(detector), state)


def test_trunk_equals_the_detectors_own_head(tmp_path, detector):
    """mmdet's extractor and head embed the same boxes alike."""
    labels = make_pictures(tmp_path, by_size, count=3)
    _, pictures = read_coco(tmp_path, labels)
    encoder = of.build_encoder(detector)
    normalize = detector['data_preprocessor']
    data = list(of.batches(pictures, (128, 128), normalize, 3))
    model = tiny_models.build_detector(detector).eval()
    model.load_state_dict(encoder.state_dict(), strict=False)
    features = of.object_features(encoder, iter(data))
    with torch.no_grad():
        maps = model.extract_feat(data[0].images)
        extractor = model.roi_head.bbox_roi_extractor
        pooled = extractor(maps[:4], data[0].boxes)
        head = model.roi_head.bbox_head
        for conv in head.shared_convs:
            pooled = conv(pooled)
        trunk = head.shared_fcs[0](pooled.flatten(1)).relu()
    assert np.allclose(features['trunk'], trunk, atol=1e-5)


def test_boxes_and_pixels_follow_the_resize(tmp_path):
    image = np.zeros((40, 80, 3), np.uint8)
    image[10:20, 40:80] = (255, 0, 0)  # red
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    box = np.array([[40, 10, 80, 20]], np.float32)
    picture = LabelledPicture(tmp_path / 'a.png', box, np.zeros(1, int))
    plain = dict(mean=[0, 0, 0], std=[1, 1, 1], bgr_to_rgb=False)
    [batch] = of.batches([picture], (64, 64), plain, 4)
    assert batch.images.shape == (1, 3, 32, 64)
    assert batch.boxes.tolist() == [[0, 32, 8, 64, 16]]
    inside = batch.images[0, :, 10:14, 36:60].mean(dim=(1, 2))
    assert inside.tolist() == [0, 0, 255]  # blue, green, red


def test_precise_statistics_are_those_of_one_batch_of_all(tmp_path, detector):
    labels = make_pictures(tmp_path, by_colour, count=4)
    _, pictures = read_coco(tmp_path, labels)
    data = list(
        of.batches(pictures, (64, 64), detector['data_preprocessor'], 4)
    )
    encoder = of.build_encoder(detector)
    of.use_precise_statistics(encoder, data)
    assert not encoder.training
    norm = encoder.backbone.bn1
    maps = encoder.backbone.conv1(data[0].images)
    mean = maps.mean(dim=(0, 2, 3))
    assert torch.allclose(norm.running_mean, mean, atol=1e-5)
    variance = maps.var(dim=(0, 2, 3))
    assert torch.allclose(norm.running_var, variance, rtol=1e-4)


def test_controls_measure_the_box(tmp_path):
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, :10] = (255, 0, 51)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    boxes = np.array([[0, 0, 10, 20], [0, 0, 20, 5]], np.float32)
    picture = LabelledPicture(tmp_path / 'a.png', boxes, np.zeros(2, int))
    features = control_features([picture])
    assert np.allclose(np.exp(features['size']), [[10, 20], [20, 5]])
    expected = [[1, 0, 0.2, 0, 0, 0], [0.5, 0, 0.1, 0.5, 0, 0.1]]
    assert np.allclose(features['colour'], expected, atol=1e-6)


def test_error_of_one_box_per_picture_is_that_of_a_proportion():
    pictures = [LabelledPicture('', np.zeros((1, 4)), np.zeros(1, int))] * 100
    correct = np.arange(100) < 36
    expected = np.sqrt(0.36 * 0.64 / 99)
    assert clustered_error(correct, pictures) == pytest.approx(expected)


def test_error_counts_pictures_not_boxes():
    one = LabelledPicture('', np.zeros((1, 4)), np.zeros(1, int))
    four = LabelledPicture('', np.zeros((4, 4)), np.zeros(4, int))
    correct = np.arange(50) < 20
    single = clustered_error(correct, [one] * 50)
    repeated = clustered_error(np.repeat(correct, 4), [four] * 50)
    assert repeated == pytest.approx(single)


def test_one_class_is_refused(tmp_path, detector):
    labels = make_pictures(tmp_path, by_colour)
    content = json.loads(labels.read_text())
    for annotation in content['annotations']:
        annotation['category_id'] = 1
    labels.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='one class only'):
        probe(detector, None, tmp_path, labels, SETTINGS)

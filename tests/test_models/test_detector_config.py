"""A detector by its config, by the name of one, and by neither."""

import pytest

from mmsoco.models.detector_config import read_detector


def test_a_dict_is_the_detector():
    detector = dict(type='RetinaNet')
    assert read_detector(detector) is detector


def test_name_and_path_of_a_config_give_its_model(tmp_path):
    name = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
    path = tmp_path / 'my_detector.py'
    text = f"_base_ = '{name}'\nmodel = dict(backbone=dict(depth=18))"
    path.write_text(text)
    by_name, by_path = read_detector(name), read_detector(str(path))
    assert by_name['type'] == by_path['type'] == 'RetinaNet'
    assert by_name['backbone']['depth'] == 50
    assert by_path['backbone']['depth'] == 18
    assert by_path['neck'] == by_name['neck']
    assert type(by_name['backbone']) is dict


@pytest.mark.parametrize(
    'name',
    [
        'mmdet::retinanet/no_such_config.py',
        'no_such_package::folder/config.py',
        'no_such_file.py',
    ],
)
def test_missing_config_is_named(name):
    with pytest.raises(FileNotFoundError, match=f'{name}.*PACKAGE::FOLDER'):
        read_detector(name)


def test_config_without_model_is_refused():
    name = 'mmdet::_base_/datasets/coco_detection.py'
    with pytest.raises(ValueError, match=f'{name} has no `model`'):
        read_detector(name)


@pytest.mark.parametrize('detector', [None, 3, ['RetinaNet']])
def test_other_types_are_refused(detector):
    with pytest.raises(TypeError, match='SoCo.detector must be'):
        read_detector(detector)

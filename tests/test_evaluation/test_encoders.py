import pytest
import tiny_models
import torch

from mmsoco.checkpoints.export import detector_state
from mmsoco.evaluation.encoders import build_encoder, load_weights
from mmsoco.structures import InputConvention

RGB = InputConvention()


def test_weights_arrive_from_a_run_and_from_an_export(detector):
    model = tiny_models.soco(detector)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    state = model.state_dict()
    for weights in (state, detector_state(state)):
        encoder = build_encoder(detector, seed=3)
        loaded = load_weights(encoder, weights, RGB)
        assert set(loaded) == {'backbone', 'neck', 'bbox_head'}
        for name, tensor in encoder.state_dict().items():
            assert torch.equal(tensor, state[f'encoder.{name}']), name


def test_backbone_alone_leaves_the_rest_untrained(detector):
    state = detector_state(
        tiny_models.soco(detector).state_dict(), ['backbone']
    )
    encoder = build_encoder(detector, seed=3)
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    loaded = load_weights(encoder, state, RGB)
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
        load_weights(build_encoder(detector), state, RGB)


def test_weights_of_another_input_are_refused(detector, tmp_path):
    state = detector_state(tiny_models.soco(detector).state_dict())
    bgr = InputConvention('BGR', (0.0,) * 3, (1.0,) * 3)
    meta = dict(input=bgr.to_meta())
    torch.save(dict(state_dict=state, meta=meta), tmp_path / 'bgr.pth')
    encoder = build_encoder(detector)
    assert load_weights(encoder, tmp_path / 'bgr.pth', bgr)
    with pytest.raises(ValueError, match='bgr.pth was trained on BGR'):
        load_weights(encoder, tmp_path / 'bgr.pth', RGB)

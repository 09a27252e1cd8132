import pytest
from mmengine.config import Config

from mmsoco.workflow import pretrain_config as configs
from mmsoco.workflow.pretrain_config import Plan

FASTER = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'


@pytest.fixture(scope='module')
def recipe():
    return configs.load_recipe(is_large=False)


@pytest.fixture(scope='module')
def detector():
    return configs.load_detector(None, is_large=False)


def build(recipe, detector, tmp_path, **options):
    return configs.build_config(
        recipe,
        detector,
        tmp_path / 'my pictures',
        tmp_path / 'p.arrow',
        tmp_path / 'checkpoints',
        options,
    )


def plan(**changes):
    values = dict(
        detector='R18', batch_size=8, steps_per_epoch=40, epochs=30,
        precision='bf16', threads=2, images_per_s=10.0, view_size=128,
    )  # fmt: skip
    return Plan(**{**values, **changes})


def test_the_written_config_is_the_built_one(recipe, detector, tmp_path):
    cfg = configs.apply_plan(build(recipe, detector, tmp_path), plan(), {})
    path = tmp_path / 'pretrain.py'
    configs.write_config(cfg, path, 'What it is.')
    text = path.read_text()
    assert text.startswith('"""What it is.\n"""')
    assert '_base_' not in text
    read = Config.fromfile(path)
    assert read.to_dict() == cfg.to_dict()
    dataset = read.train_dataloader.dataset
    assert dataset.image_root == str(tmp_path / 'my pictures')
    assert read.train_cfg.max_epochs == 30
    assert read.optim_wrapper.precision == 'bf16'
    # variables of the recipe's files change nothing and are gone
    assert 'draw_views' not in read and 'soco' not in read


def test_the_users_options_come_last(recipe, detector, tmp_path):
    options = {'train_cfg.max_epochs': 3, 'optim_wrapper.optimizer.lr': 0.1}
    cfg = build(recipe, detector, tmp_path, **options)
    cfg = configs.apply_plan(cfg, plan(), options)
    assert cfg.train_cfg.max_epochs == 3
    assert cfg.optim_wrapper.optimizer.lr == 0.1


C4 = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py'


@pytest.mark.parametrize(
    ('is_large', 'sizes', 'on_device'),
    [(True, [224, 224], True), (False, [128, 128], False)],
)
def test_a_detector_without_a_pyramid_compares_two_views(
    tmp_path, is_large, sizes, on_device
):
    own = configs.load_recipe(is_large)
    c4 = configs.load_detector(C4, is_large)
    cfg = build(own, c4, tmp_path)
    draw, colors, cutout, _ = cfg.train_dataloader.dataset.pipeline
    assert [tuple(pair) for pair in cfg.model.pairs] == [(1, 2)]
    assert [tuple(pair) for pair in draw.pairs] == [(1, 2)]
    # section 3 of the paper: a crop of at least 0.6, and no jitter of boxes
    assert [view.size for view in draw.views] == sizes
    assert draw.views[1].area == (0.6, 1.0)
    assert 'jitter_prob' not in draw.views[0]
    assert cutout == dict(type='DrawCutout', prob=0.5)
    assert colors.on_device is on_device
    assert len(colors.blur_prob) == 2
    # the recipe itself, which others use, is as it was
    assert len(own.model.pairs) == 2


def test_an_option_that_nothing_reads_is_refused(recipe, detector, tmp_path):
    with pytest.raises(ValueError, match='optim_wraper'):
        build(recipe, detector, tmp_path, **{'optim_wraper.x': 1})


@pytest.mark.parametrize(
    ('option', 'live'),
    [
        ('pairs', 'model.pairs'),
        (
            'draw_views.num_proposals',
            'train_dataloader.dataset.pipeline.0.num_proposals',
        ),
        ('soco.finest_scale', 'model.finest_scale'),
    ],
)
def test_a_variable_of_the_recipe_is_led_to_its_key(
    recipe, detector, tmp_path, option, live
):
    """The config of a run has no variables left, as the recipes have."""
    with pytest.raises(ValueError, match=f'did you mean .*{live}') as caught:
        build(recipe, detector, tmp_path, **{option: 1})
    assert f'unknown key {option.partition(".")[0]};' in str(caught.value)
    build(recipe, detector, tmp_path, **{live: 1})


def test_a_warmup_fits_a_run_of_one_epoch(recipe, detector, tmp_path):
    cfg = build(recipe, detector, tmp_path)
    assert 'warmup' not in cfg.param_scheduler
    assert cfg.param_scheduler.warmup_share == pytest.approx(0.1)


@pytest.mark.parametrize(
    ('speed', 'devices', 'interval'),
    # an epoch has 320 pictures for each device: 32 s at 10 pictures per second
    [
        (10.0, 1, 3),
        (1.0, 1, 1),
        (1000.0, 1, 30),
        (None, 1, 1),
        (80.0, 8, 3),
    ],
)
def test_the_first_checkpoint_comes_within_two_minutes(
    speed, devices, interval
):
    made = plan(images_per_s=speed)
    assert configs.checkpoint_interval(made, devices) == interval


def test_detectors_of_packages_and_of_files(tmp_path):
    faster = configs.load_detector(FASTER, is_large=False)
    assert faster['type'] == 'FasterRCNN'
    path = tmp_path / 'mine.py'
    path.write_text(
        "model = dict(type='SoCo', detector=dict(type='A', backbone=None))"
    )
    assert configs.load_detector(str(path), False)['type'] == 'A'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('x = 1', 'expected a config with a detector'),
        ('model = 3', 'model must be dict, got 3'),
        ('model = dict(', 'mine.py'),
        ("_base_ = 'nowhere.py'", 'nowhere.py'),
    ],
)
def test_files_without_a_detector(tmp_path, text, message):
    path = tmp_path / 'mine.py'
    path.write_text(text)
    with pytest.raises((ValueError, OSError), match=message) as caught:
        configs.load_detector(str(path), False)
    assert '--detector' in str(caught.value)


@pytest.mark.parametrize('name', [*configs.LARGE, *configs.SMALL])
def test_the_default_configs_are_there(name):
    assert configs.shipped_config(name).is_file()


def test_a_detector_that_a_pretraining_config_names(tmp_path):
    path = tmp_path / 'own.py'
    detector = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
    path.write_text(f"model = dict(type='SoCo', detector='{detector}')")
    model = configs.load_detector(str(path), is_large=False)
    assert model == configs.load_detector(detector, is_large=False)


def test_a_config_that_is_not_there():
    for name in ('nowhere.py', 'mmdet::nowhere.py'):
        with pytest.raises(FileNotFoundError, match='--detector'):
            configs.load_detector(name, False)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(backbone=None), 'no backbone'),
        (dict(backbone=dict(type='NoSuchNet')), 'NoSuchNet'),
        (dict(backbone=dict(type='ResNet', depth=17)), '17'),
        (dict(roi_head=None, neck=None), 'neither roi_head nor neck'),
    ],
)
def test_detectors_that_cannot_be_pretrained(
    recipe, detector, changes, message
):
    with pytest.raises(ValueError, match=message) as caught:
        configs.build_encoder({**detector, **changes}, recipe, 'mine.py')
    assert '--detector mine.py' in str(caught.value)


def test_names_in_words(detector):
    named = configs.describe_detector
    assert named(detector) == 'Mask R-CNN R18-FPN of 32 channels'
    large = configs.load_detector(None, is_large=True)
    assert named(large) == 'Mask R-CNN R50-FPN'
    other = dict(type='RetinaNet', backbone=dict(type='mmdet.SwinTransformer'))
    assert named(other) == 'RetinaNet SwinTransformer'

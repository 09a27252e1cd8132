"""Keys that nothing reads are refused, with the key that was meant."""

import inspect

import config_files
import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmsoco.config.keys import (
    RUN_KEYS,
    RUNNER_KEYS,
    UnknownKeyError,
    check_options,
    live_places,
)
from mmsoco.config.reading import read_config

BASE = """
pairs = [(1, 2)]
lr = 0.5
folder = 'data/x'
draw_views = dict(type='DrawViews', pairs=pairs, num_proposals=4)
soco = dict(type='SoCo', projector=dict(type='Neck'), finest_scale=24)
model = dict(pairs=pairs, **soco)
model['projector'] = dict(type='Other')
train_dataloader = dict(
    batch_size=2,
    dataset=dict(root=folder, pipeline=[dict(type='Load'), draw_views]),
)
optim_wrapper = dict(optimizer=dict(lr=lr))
env_cfg = dict(cudnn_benchmark=False, dist_cfg=dict(backend='nccl'))
auto_scale_lr = dict(enable=False, base_batch_size=256)
"""


@pytest.fixture
def write(tmp_path):
    """Writes a config that inherits BASE, and returns its file."""
    (tmp_path / 'base.py').write_text(BASE)

    def _write(text, name='leaf.py'):
        file = tmp_path / name
        file.write_text(f"_base_ = 'base.py'\n{text}\n")
        return file

    return _write


def test_keys_of_the_runner_are_those_of_mmengine():
    parameters = set(inspect.signature(Runner.__init__).parameters)
    assert parameters - {'self', 'cfg'} == RUNNER_KEYS


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('load_form', 'unknown key load_form; did you mean load_from'),
        ('train_dataloder.batch_size', 'did you mean train_dataloader'),
        ('auto_scale_lr.enabel', r'auto_scale_lr\.enabel; did you mean ena'),
        ('env_cfg.xx', r'unknown key env_cfg\.xx .*cudnn_benchmark'),
        ('env_cfg.dist_cfg.bakend', 'did you mean backend'),
        (
            'pairs',
            r'changes nothing: .* Set model\.pairs and '
            r'train_dataloader\.dataset\.pipeline\.1\.pairs instead',
        ),
        (
            'draw_views.num_proposals',
            r'Set train_dataloader\.dataset\.pipeline\.1\.num_proposals ins',
        ),
        ('soco.finest_scale', r'Set model\.finest_scale instead'),
        ('soco.projector.type', r'Set model\.projector\.type instead'),
        ('lr', r'Set optim_wrapper\.optimizer\.lr instead'),
        ('folder', r'Set train_dataloader\.dataset\.root instead'),
    ],
)
def test_options_that_change_nothing_are_refused(write, key, message):
    with pytest.raises(UnknownKeyError, match=message):
        read_config(write(''), {key: 1})


@pytest.mark.parametrize(
    ('key', 'get'),
    [
        ('model.pairs', lambda cfg: cfg.model.pairs),
        ('log_level', lambda cfg: cfg.log_level),
        (
            'train_dataloader.dataset.pipeline.1.num_proposals',
            lambda cfg: cfg.train_dataloader.dataset.pipeline[1].num_proposals,
        ),
        ('env_cfg.dist_cfg.timeout', lambda cfg: cfg.env_cfg.dist_cfg.timeout),
        ('compile.mode', lambda cfg: cfg.compile.mode),
    ],
)
def test_options_of_the_run_arrive(write, key, get):
    assert get(read_config(write(''), {key: 7})) == 7


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ("load_form = 'x.pth'", r'load_form in .*leaf\.py; did you mean load'),
        ('train_dataloder = dict(batch_size=3)', 'mean train_dataloader'),
        ('auto_scale_lr = dict(enabel=True)', r'enabel; did you mean enable'),
        ('pairs = [(1, 3)]', r'pairs in .*changes nothing.*model\.pairs'),
        ('a = 1\ndraw_views = dict(num_proposals=9)', r'pipeline\.1'),
    ],
)
def test_names_in_a_file_that_miss_the_run_are_refused(write, text, message):
    with pytest.raises(UnknownKeyError, match=message):
        read_config(write(text), {})


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        # used in the file itself
        ('pairs = [(1, 3)]\nmodel = dict(pairs=pairs)', {'pairs', 'model'}),
        # of the user's own: a hook of his may read it
        ("note = 'a try'", {'note'}),
        ('x, y = 1, 2\nloss = [x for x in range(y)]', {'x', 'y', 'loss'}),
        ("_private = dict(load_form='x')", {'_private'}),
    ],
)
def test_variables_of_ones_own_are_left_alone(write, text, names):
    assert names <= set(read_config(write(text), {}))


def test_dumped_config_can_be_read_again(write, tmp_path):
    """Expanded variables stand in it without being used."""
    cfg = read_config(write('pairs = [(1, 3)]\nmodel = dict(pairs=pairs)'), {})
    cfg.dump(tmp_path / 'dumped.py')
    assert read_config(tmp_path / 'dumped.py', {}).pairs == [(1, 3)]


@pytest.mark.parametrize('file', config_files.LEAVES, ids=config_files.short)
def test_no_config_of_ours_is_refused(file):
    from mmsoco.config import keys

    cfg = config_files.read(file)
    keys.check_keys(cfg)
    unused = keys._unused_names(str(file), cfg) - keys.RUN_KEYS
    assert not unused, 'a name that nothing reads'


def test_no_variable_of_ours_looks_like_a_typo(tmp_path):
    """A dumped config holds all of them, unused."""
    names = {name for file in config_files.LEAVES for name in
             config_files.read(file).keys()} - RUN_KEYS  # fmt: skip
    dumped = tmp_path / 'dumped.py'
    dumped.write_text(''.join(f'{name} = 1\n' for name in sorted(names)))
    assert len(read_config(dumped, {})) == len(names) > 10


def test_live_places_of_a_value_that_is_nowhere():
    cfg = Config(dict(model=dict(a=1), x=dict(b=2)))
    assert live_places(cfg, 'x', cfg.x) == []
    with pytest.raises(UnknownKeyError, match='Set the key of the run'):
        check_options(cfg, {'x.b': 3})

import json
import shlex
from pathlib import Path

import pytest

import mmsoco
from mmsoco.proposals.filters import FilterSpec
from mmsoco.workflow.finetune_settings import FinetuneSettings
from mmsoco.workflow.settings import (
    FILTERS,
    PretrainSettings,
    counted,
    next_command,
)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(epochs=2, time=60.0), 'both --epochs and --time'),
        (dict(epochs=0), '--epochs must be an integer of 1 or more'),
        (dict(batch_size=2.5), '--batch-size must be an integer'),
        (dict(devices=True), '--devices'),
        (dict(time=-1.0), '--time must be .* above 0, got -1'),
        (dict(time='2h'), "--time must be a number .*'2h'"),
        (dict(seed=-1), '--seed must be an integer of 0 or more, got -1'),
        (dict(cfg_options=['a=1']), r"cfg_options must be a dict.*\['a=1'\]"),
        (dict(precision='int8'), '--precision must be one of fp32'),
        (dict(time=float('inf')), '--time .* above 0, got inf .at most 3'),
        (dict(rpn='no'), "rpn must be True or False, got 'no'"),
        (dict(init=3), 'init must be a path.*3'),
        (dict(detector=dict(type='X')), "detector must be a path.*'X'"),
        (dict(filters='x'), "filters must be a dict such as .*'x'"),
        (dict(filters=dict(min_sise=3)), "'min_sise'; did you mean min_size"),
        (dict(filters=dict(min_size='8')), "'min_size'.*a number, got '8'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        PretrainSettings(Path('a'), Path('b'), **options)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(labels='60'), "--labels must be an integer of 1 .*'60'"),
        (dict(epochs=0), '--epochs must be an integer of 1'),
        (dict(seed=-1), '--seed must be'),
        (dict(parts='neck'), r"parts must be a list such as \['neck'\]"),
        (dict(parts=[3]), r'parts must be a list .*\[3\]'),
        (dict(parts=[]), r'parts must be a list .*\[\]'),
        (dict(scratch='no'), "scratch must be True or False, got 'no'"),
    ],
)
def test_bad_options_of_a_finetuning(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        FinetuneSettings(Path('a'), Path('b'), Path('c'), **options)


@pytest.mark.parametrize(
    ('verb', 'arguments', 'options', 'message'),
    [
        (
            'pretrain',
            ['a', 'b'],
            dict(epoch=2),
            'did you mean epochs',
        ),
        ('pretrain', ['a', 'b'], dict(min_size=8), "give filters={'min_size'"),
        ('pretrain', ['a', 'b'], dict(zzz=8), "'zzz'; it has .*batch_size"),
        ('pretrain', [None, 'b'], {}, 'images must be a path.*None'),
        ('pretrain', ['a', ''], {}, 'out must be a path.*empty'),
        ('pretrain', ['a', 'b'], dict(check=3), 'check must be a path.*3'),
        ('finetune', ['a', 'b', 'c'], dict(label=2), 'did you mean labels'),
        ('finetune', ['a', {}, 'c'], {}, 'train must be a path.*{}'),
        ('detect', ['a', ['b'], 'c'], {}, r"images must be a path.*\['b'\]"),
        ('detect', ['a', 'b', None], {}, 'out must be a path.*None'),
        ('detect', ['a', 'b', 'c'], dict(overwrite='no'), "overwrite.*'no'"),
    ],
)
def test_bad_arguments_in_python(
    verb, arguments, options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(mmsoco, verb)(*arguments, **options)
    assert not list(tmp_path.iterdir())


def test_a_name_that_the_package_lacks_is_answered_by_those_it_has():
    with pytest.raises(AttributeError, match='it has pretrain, finetune, det'):
        mmsoco.finetun  # noqa: B018


def test_the_limits_named_for_python_are_those_of_the_filter():
    assert set(FILTERS) == FilterSpec().as_dict().keys()


def test_what_was_given_is_plain_and_without_what_changes_nothing():
    settings = PretrainSettings(
        Path('a'),
        Path('b'),
        check=Path('c.json'),
        cfg_options={'x.y': (1, 2)},
        workers=3,
    )
    given = settings.given()
    assert given == {
        'check': str(Path('c.json').absolute()),
        'cfg_options': {'x.y': [1, 2]},
    }
    assert json.loads(json.dumps(given)) == given


@pytest.mark.parametrize(
    ('number', 'text'), [(0, '0 steps'), (1, '1 step'), (42, '42 steps')]
)
def test_counted(number, text):
    assert counted(number, 'step') == text


def test_the_next_command_can_be_pasted():
    command = next_command(Path('out/a b'), 'my pictures', Path("it's.json"))
    words = shlex.split(command)
    assert words[:3] == ['mmsoco', 'finetune', 'out/a b']
    assert words[words.index('--train-images') + 1] == 'my pictures'
    assert words[words.index('--train') + 1] == "it's.json"

import json
import shlex
from pathlib import Path

import pytest

from mmsoco.workflow.finetune_settings import FinetuneSettings
from mmsoco.workflow.settings import (
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
    ],
)
def test_bad_options_of_a_finetuning(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        FinetuneSettings(Path('a'), Path('b'), Path('c'), **options)


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

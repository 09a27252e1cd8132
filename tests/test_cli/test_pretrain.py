"""The options of `mmsoco pretrain` and `mmsoco finetune`."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from command import call, succeed

from mmsoco.workflow import finetune, pretrain, rounds


@pytest.fixture
def asked(monkeypatch):
    """What the verbs ask of the workflow."""
    calls = []

    def note(*args, console, **options):
        calls.append((args, {k: v for k, v in options.items() if v}))
        return SimpleNamespace(next_command='mmsoco finetune ...')

    monkeypatch.setattr(pretrain, 'pretrain', note)
    monkeypatch.setattr(rounds, 'pretrain_in_rounds', note)
    monkeypatch.setattr(finetune, 'finetune', note)
    return calls


def test_pretrain_hands_its_options_on(asked):
    succeed(
        'pretrain', 'my pictures', '--out', 'out/a', '--time', '1h30m',
        '--min-size', '8', '--max-ratio', '6', '--check', 'train.json',
        '--detector', 'mmdet::x.py', '--precision', 'bf16',
        '--cfg-options', 'a.b=1', '--init', 'scratch',
    )  # fmt: skip
    (images, out), options = asked[0]
    assert (images, out) == (Path('my pictures'), Path('out/a'))
    assert options == dict(
        time=5400.0, filters=dict(min_size=8, max_ratio=6),
        check=Path('train.json'), detector='mmdet::x.py', precision='bf16',
        cfg_options={'a.b': 1}, init='scratch',
    )  # fmt: skip


def test_pretrain_ends_with_the_next_command(asked):
    for words in ((), ('--rounds', '2')):
        text = succeed('pretrain', 'pictures', '--out', 'out', *words)
        assert text.splitlines()[-1] == 'next: mmsoco finetune ...'
    assert asked[1][0] == (Path('pictures'), Path('out'), 2)


def test_pretrain_asks_for_nothing_by_itself(asked):
    succeed('pretrain', 'pictures', '--out', 'out')
    assert asked[0][1] == {}


def test_an_error_within_a_run_leaves_its_traceback_there(
    tmp_path, monkeypatch
):
    def fail(*args, console, **options):
        console.log_folder = tmp_path / 'logs'
        raise ValueError('the training failed: see the log')

    saved = tmp_path / 'logs' / 'error.txt'
    for verb, words in dict(
        pretrain=('a', '--out', 'b'),
        finetune=('a', '--train', 'b', '--val', 'c'),
    ).items():
        monkeypatch.setattr(f'mmsoco.workflow.{verb}.{verb}', fail)
        outcome = call(verb, *words)
        assert outcome.status == 1 and 'see the log' in outcome.err
        assert 'the training failed' in saved.read_text()
        saved.unlink()


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrain, 'pretrain', stop)
    outcome = call('pretrain', tmp_path, '--out', tmp_path / 'out')
    assert outcome.status == 130
    assert 'run the same command again' in outcome.err


def test_finetune_hands_its_options_on(asked):
    succeed(
        'finetune', 'out', '--train', 't.json', '--train-images', 'a b',
        '--val', 'voc', '--labels', '60', '--scratch',
    )  # fmt: skip
    args, options = asked[0]
    assert args == (Path('out'), Path('t.json'), Path('voc'))
    assert options == dict(train_images=Path('a b'), labels=60, scratch=True)

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


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ((), 'FOLDER'),
        (('a',), '--out'),
        (('a', '--out', 'b', '--time', 'long'), 'such as 2h'),
        (('a', '--out', 'b', '--epochs', '0'), '--epochs'),
        (('a', '--out', 'b', '--batch-size', '1'), '4 to 1000000'),
        (('a', '--out', 'b', '--precision', 'fp8'), 'fp8'),
        (('a', '--out', 'b', '--chek', 'c'), 'did you mean --check?'),
        (('a', '--out', 'b', '--cfg-options', 'x'), 'KEY=VALUE'),
    ],
)
def test_pretrain_refuses_words_that_mean_nothing(asked, words, message):
    outcome = call('pretrain', *words)
    assert outcome.status == 2
    assert message in outcome.err
    assert asked == []


def test_pretrain_says_what_is_wrong_with_the_input(tmp_path):
    outcome = call('pretrain', tmp_path / 'nowhere', '--out', tmp_path / 'o')
    assert outcome.status == 1
    assert outcome.err.startswith('error: ')
    assert str(tmp_path / 'nowhere') in outcome.err
    assert not (tmp_path / 'o').exists()
    both = call(
        'pretrain', tmp_path, '--out', tmp_path / 'o', '--epochs', 1,
        '--time', '1h',
    )  # fmt: skip
    assert both.status == 1 and 'both --epochs and --time' in both.err


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


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (('out', '--train', 't.json'), '--val'),
        (('out', '--train', 't', '--val', 'v', '--labels', '0'), '--labels'),
    ],
)
def test_finetune_refuses_words_that_mean_nothing(asked, words, message):
    outcome = call('finetune', *words)
    assert outcome.status == 2 and message in outcome.err

"""Rounds of pretraining, with trainings that take no time."""

import json

import coco_documents
import numpy as np
import pytest
import tiny_models
import torch
from small_pictures import write_noise

from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.store import ProposalStore, ProposalStoreWriter
from mmsoco.workflow import rounds
from mmsoco.workflow.pretrain import PretrainedRun
from mmsoco.workflow.pretrain_config import add_rpn, load_recipe
from mmsoco.workflow.run_folder import PRETRAINING, RunFolder
from mmsoco.workflow.settings import plain

NAMES = ['a.png', 'b.png']
WIDE = dict(
    min_size=4, min_ratio=0.1, max_ratio=10, min_scale=0.01, max_scale=1
)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    write_noise(folder, NAMES, (96, 96))
    return folder


@pytest.fixture
def trained(monkeypatch):
    """Options of each pretraining that would have run, by its folder."""
    calls = {}

    def pretrain(images, out, console, **options):
        folder = RunFolder(out, PRETRAINING)  # refuses files of others
        out.mkdir(parents=True, exist_ok=True)
        folder.begin({}, plain(options))
        calls[out] = options
        torch.manual_seed(len(calls))
        tiny_models.save_detector(out / 'detector.pth', scale=96)
        given = options.get('proposals')
        box = np.array([[1, 1, 90, 90]])
        with ProposalStoreWriter(
            out / 'proposals.arrow', dict(filter=WIDE)
        ) as writer:
            writer.write(
                ProposalStore(given)
                if given
                else (ProposalRecord(n, 96, 96, box) for n in NAMES)
            )
        return PretrainedRun(out, {}, '')

    monkeypatch.setattr(rounds, 'pretrain', pretrain)
    return calls


def test_rounds_need_the_rpn(images, tmp_path):
    with pytest.raises(ValueError, match='--no-rpn contradicts --rounds 2'):
        rounds.pretrain_in_rounds(images, tmp_path / 'out', 2, rpn=False)


def test_each_round_trains_on_more_boxes_than_the_last(
    images, tmp_path, trained
):
    out = tmp_path / 'out'
    run = rounds.pretrain_in_rounds(images, out, 3, epochs=2, workers=1)
    folders = [out / 'rounds' / '1', out / 'rounds' / '2', out]
    assert list(trained) == folders
    assert run.out == out
    options = list(trained.values())
    assert all(o['rpn'] is True and o['epochs'] == 2 for o in options)
    assert 'proposals' not in options[0]
    assert [o['proposals'] for o in options[1:]] == [
        folder / 'next.arrow' for folder in folders[:2]
    ]
    counts = [
        ProposalStore(folder / 'proposals.arrow').metadata['boxes']
        for folder in folders
    ]
    assert counts[0] == 2 < counts[1] < counts[2]
    joined = ProposalStore(folders[0] / 'next.arrow').metadata
    assert joined['joined']['stores'][1]['search']['detector'] == (
        'detector.pth'
    )
    assert joined['filter'] == WIDE


def test_labels_tell_whether_the_next_proposals_are_better_than_random(
    images, tmp_path, trained, capsys
):
    labels = tmp_path / 'labels.json'
    objects = [(1, (1, 1, 89, 89)), (1, (5, 5, 1, 1))]
    labels.write_text(
        json.dumps(coco_documents.document({'a.png': objects}, (96, 96)))
    )
    options = dict(workers=1, check=labels)
    rounds.pretrain_in_rounds(images, tmp_path / 'out', 2, **options)
    # The box of the first round fits one of the two objects.
    assert 'find 50% of the labeled objects' in capsys.readouterr().out


@pytest.mark.parametrize(('own', 'warns'), [(0.4, True), (0.5, False)])
def test_boxes_no_better_than_random_are_told(own, warns):
    text = rounds.describe_recall(own, 0.4)
    assert ('not trained well enough' in text) is warns


def test_called_again_it_takes_its_own_folders(images, tmp_path, trained):
    out = tmp_path / 'out'
    for _ in range(2):
        rounds.pretrain_in_rounds(images, out, 2, workers=1)
    assert list(trained) == [out / 'rounds' / '1', out]


@pytest.mark.parametrize('begun', [1, 3])
def test_another_number_of_rounds_is_refused_at_once(
    begun, images, tmp_path, trained
):
    out = tmp_path / 'out'
    if begun == 1:
        rounds.pretrain(images, out, console=None)
    else:
        rounds.pretrain_in_rounds(images, out, begun, workers=1)
    before = dict(trained)
    with pytest.raises(FileExistsError, match='not the last of 2 rounds'):
        rounds.pretrain_in_rounds(images, out, 2, workers=1)
    assert trained == before


def test_a_folder_of_other_files_is_refused_at_once(images, tmp_path, trained):
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'thesis.tex').touch()
    with pytest.raises(FileExistsError, match='holds files, but no run'):
        rounds.pretrain_in_rounds(images, out, 2, workers=1)
    assert not trained


def test_one_round_is_none(images, tmp_path):
    with pytest.raises(ValueError, match='2 rounds or more, got 1'):
        rounds.pretrain_in_rounds(images, tmp_path / 'out', 1)


def test_the_recipe_gets_pretext_and_boxes_of_the_same_views():
    cfg = load_recipe(is_large=False)
    before = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    add_rpn(cfg)
    steps = cfg.train_dataloader.dataset.pipeline
    after = [step.type for step in steps]
    assert after == [*before[:-1], 'ShowProposals', before[-1]]
    [pretext] = cfg.model.pretexts
    assert pretext == dict(type='RPNPretext', views=steps[-2].views)

"""From pictures to a judged detector, with everything that is heavy."""

import io
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from real_processes import wait_for
from voc_documents import annotation_xml, object_xml

import mmsoco
from mmsoco.proposals.store import ProposalStore
from mmsoco.workflow.child import environment
from mmsoco.workflow.console import Console
from mmsoco.workflow.run_folder import RunFolder

pytestmark = pytest.mark.slow

NUMBER = 16
# Two passes at views of 64 pixels.
OPTIONS = (
    '--epochs', '2', '--batch-size', '8', '--seed', '3', '--precision',
    'fp32', '--cfg-options',
    'train_dataloader.dataset.pipeline.0.views.0.size=64',
    'train_dataloader.dataset.pipeline.0.views.1.size=64',
    'default_hooks.checkpoint.interval=1',
)  # fmt: skip


@pytest.fixture(scope='module')
def voc(tmp_path_factory):
    """A data set in VOC layout, in a folder whose name has a space."""
    root = tmp_path_factory.mktemp('data') / 'my data'
    for name in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(NUMBER):
        pixels = np.full((96, 96, 3), rng.integers(0, 255, 3), np.uint8)
        x, y = rng.integers(1, 50, 2)
        pixels[y : y + 40, x : x + 40] = rng.integers(0, 255, 3)
        Image.fromarray(pixels).save(root / 'JPEGImages' / f'{i}.png')
        label, box = ('cat', 'dog')[i % 2], (x + 1, y + 1, x + 40, y + 40)
        text = annotation_xml(
            f'{i}.png', object_xml(label, box), size=(96, 96)
        )
        (root / 'Annotations' / f'{i}.xml').write_text(text)
    for split, names in (('train', range(12)), ('val', range(12, NUMBER))):
        path = root / 'ImageSets' / 'Main' / f'{split}.txt'
        path.write_text('\n'.join(map(str, names)))
    return root


def command(voc, out):
    words = ('pretrain', str(voc / 'JPEGImages'), '--out', str(out))
    return [sys.executable, '-m', 'mmsoco', *words, *OPTIONS]


def weights(out):
    path = out / 'detector.pth'
    return torch.load(path, weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def pretrained(voc, tmp_path_factory):
    out = tmp_path_factory.mktemp('runs') / 'whole'
    done = subprocess.run(command(voc, out), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '[4/4] export' in done.stdout
    assert 'mmengine - INFO' not in done.stdout + done.stderr
    return out


def test_the_folder_holds_what_is_promised(pretrained):
    for name in (
        'detector.pth', 'report.html', 'proposals.arrow', 'pretrain.py',
        'finetune.py', 'look/proposals.jpg', 'look/views.jpg',
        'manifest.json', 'checkpoints', 'logs',
    ):  # fmt: skip
        assert (pretrained / name).exists(), name
    page = (pretrained / 'report.html').read_text()
    assert 'made 4 steps, fewer than the 600' in ' '.join(page.split())


def test_the_config_runs_as_it_is_from_another_folder(pretrained, tmp_path):
    words = (pretrained / 'pretrain.py', '--work-dir', tmp_path / 'again')
    threads = RunFolder(pretrained, 'pretraining').manifest['plan']['threads']
    subprocess.run(
        [sys.executable, '-m', 'mmsoco', 'train', *map(str, words)],
        cwd=tmp_path,
        env=environment(threads),  # they decide how sums are rounded
        check=True,
        capture_output=True,
    )
    first, again = (
        torch.load(folder / 'epoch_2.pth', weights_only=False)['state_dict']
        for folder in (pretrained / 'checkpoints', tmp_path / 'again')
    )
    assert first.keys() == again.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(again[name], tensor, msg=name)


def test_killed_and_called_again_the_weights_are_the_same(
    voc, pretrained, tmp_path
):
    out = tmp_path / 'killed'
    # As many threads as the other run: they decide how sums are rounded.
    whole = RunFolder(pretrained, 'pretraining').manifest
    folder = RunFolder(out, 'pretraining')
    folder.path.mkdir()
    folder.begin(whole['images'], whole['settings'])
    folder.save(measured=whole['measured'])
    process = subprocess.Popen(command(voc, out), stdout=subprocess.DEVNULL)
    first = out / 'checkpoints' / 'epoch_1.pth'
    # Some minutes; much more beside other jobs.
    wait_for(lambda: first.is_file() or process.poll() is not None, 3600)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command(voc, out), check=True, capture_output=True)
    ours, theirs = weights(out), weights(pretrained)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], msg=name)


def test_a_voc_folder_is_fine_tuned_on(voc, pretrained):
    lists = voc / 'ImageSets' / 'Main'
    stream = io.StringIO()
    run = mmsoco.finetune(
        pretrained,
        lists / 'train.txt',
        lists / 'val.txt',
        epochs=1,
        console=Console(3, stream),
    )
    text = stream.getvalue()
    assert '12 pictures, 12 boxes of 2 classes (cat 6, dog 6)' in text
    assert 0 <= run.metrics['bbox_mAP'] <= 1
    assert run.checkpoint.is_file()
    page = (pretrained / 'report.html').read_text()
    assert 'Fine-tuning: finetune' in page
    assert 'backbone' in run.report.read_text()  # what was loaded
    found = mmsoco.detect(
        run.out, voc / 'JPEGImages', run.out / 'found', score=0.1
    )
    assert len(json.loads(found.read_text())['images']) == NUMBER


def test_two_rounds_in_two_calls(voc, tmp_path):
    """The second call finds everything done."""
    out = tmp_path / 'out'
    words = [*command(voc, out), '--rounds', '2']
    first = subprocess.run(words, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count('[4/4] export') == 2
    assert first.stdout.count('next: ') == 1
    before, after = (
        ProposalStore(folder / 'proposals.arrow').metadata['boxes']
        for folder in (out / 'rounds' / '1', out)
    )
    assert before <= after
    assert any(name.startswith('rpn_head.') for name in weights(out))
    files = [out / 'detector.pth', out / 'rounds' / '1' / 'detector.pth']
    stamps = [path.stat().st_mtime_ns for path in files]
    again = subprocess.run(words, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert [path.stat().st_mtime_ns for path in files] == stamps

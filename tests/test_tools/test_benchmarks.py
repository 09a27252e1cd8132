"""The benchmarks' arithmetic; no test depends on time."""

import argparse
import json
import sys

import pytest
import tiny_models
import torch
from mmengine.config import Config
from PIL import Image
from proposal_samples import save_blocks
from torch import nn

from mmsoco.models.data_preprocessor import SoCoDataPreprocessor
from mmsoco.proposals.store import ProposalStoreWriter

MODULES = (
    'harness',
    'checksum_cost',
    'colors_speed',
    'find_batch',
    'store_speed',
    'count_collectives',
    'speed',
)


@pytest.fixture(scope='module')
def tools(repo_dir):
    """The benchmarks import each other as scripts of one folder do."""
    folder = str(repo_dir / 'tools' / 'benchmarks')
    sys.path.insert(0, folder)
    yield argparse.Namespace(**{m: __import__(m) for m in MODULES})
    sys.path.remove(folder)


def test_cases_alternate_after_the_warm_up(tools):
    calls, ticks = [], iter(range(100))
    seconds = tools.harness.alternate(
        {name: lambda n=name: calls.append(n) for name in 'ab'},
        rounds=2,
        warm_up=1,
        clock=lambda: next(ticks),
    )
    assert sorted(calls[:2]) == ['a', 'b']
    assert calls[2:] in (list('abba'), list('baab'))
    assert seconds == dict(a=[1, 1], b=[1, 1])


def test_rows_are_medians_beside_the_yardstick(tools):
    rows = tools.harness.median_rows(
        dict(plain=[1.0, 3.0, 2.0], fast=[0.5, 0.5, 9.0]), 'plain', 'image'
    )
    assert [row.value for row in rows] == [2000, 500]
    assert [row.ratio for row in rows] == [1, 0.25]


def test_report_is_printed_and_written(tools, tmp_path, capsys):
    rows = [tools.harness.Row('speed', 2.5, 'images/s')]
    out = tmp_path / 'new' / 'speed.json'
    tools.harness.report('step', dict(batch=8), rows, out)
    assert '2.500 images/s' in capsys.readouterr().out
    content = json.loads(out.read_text())
    assert content['rows'][0]['value'] == 2.5
    assert 'processor' in content['machine']
    assert list(out.parent.iterdir()) == [out]


def test_batch_follows_from_two_peaks(tools):
    need = tools.find_batch.fit_line((2, 6), (1200, 1600))
    assert need == (1000, 100)
    # 0.95 of 3000 leaves 1850 for images.
    assert tools.find_batch.largest_batch(need, 3000) == 18
    assert tools.find_batch.largest_batch(need, 1000) == 0


def test_pipeline_is_measured_from_images_alone(tools, tmp_path):
    """It makes the store itself, and runs a real worker."""
    for i in range(3):
        save_blocks(tmp_path / 'images' / f'{i}.jpg', i)
    out = tmp_path / 'speed.json'
    options = ['--number', '20', '--rounds', '1']
    options += ['--batches', '1', '--batch-size', '8']
    images = str(tmp_path / 'images')
    tools.speed.main(['pipeline', images, *options, '--out', str(out)])
    rows = json.loads(out.read_text())['rows']
    assert rows[0]['ratio'] == 1
    assert {row['unit'] for row in rows} == {
        'ms/sample',
        'published',
        'samples/s',
    }


def test_work_of_a_device_is_counted(tools):
    images = torch.empty(4, 3, device='meta')
    rows = torch.zeros(2, dtype=torch.long, device='meta')
    with tools.colors_speed._DeviceWork() as work:
        doubled = images[0] * 2  # a view, then 3 numbers twice
        images.index_copy_(0, rows, images[rows])  # twice 6 numbers twice
        torch.ones(5)  # on the host
    assert doubled.is_meta
    assert (work.operations, work.bytes) == (3, 4 * (6 + 12 + 12))


@pytest.mark.slow
def test_compiled_colors_are_a_kernel_per_step(tools):
    """Mean gray, four steps, normalizing; planes pass between them."""
    cfg = Config.fromfile(tools.colors_speed.CONFIG)
    batch = tools.colors_speed.make_batches(cfg, 2)[2]
    batch['data_samples']['photometric'][0][:, 9] = 0  # nothing is blurred
    kernels, size = tools.colors_speed.count_compiled(
        SoCoDataPreprocessor(), batch
    )
    assert kernels <= 6
    uint8, float32 = 3, 12  # bytes per pixel
    passes = 2 * uint8 + 9 * float32
    pixels = 2 * 112 * 112
    assert size == pytest.approx(passes * pixels, rel=0.01)
    operations, plain_size = tools.colors_speed.count_plain(batch)
    assert operations > 20 * kernels and plain_size > 4 * size


def test_synthetic_records_make_a_store(tools, tmp_path):
    records = list(tools.store_speed.synthetic_records(3000))
    with ProposalStoreWriter(tmp_path / 's.arrow') as writer:
        writer.write(records)
    mean = sum(len(r.bboxes) for r in records) / 3000
    assert mean == pytest.approx(25, abs=1)


def test_tar_file_is_opened_once(tools, tmp_path):
    (tmp_path / 'images').mkdir()
    for i in range(5):
        Image.new('RGB', (9, 9)).save(tmp_path / 'images' / f'{i}.png')
    out = tmp_path / 'places.json'
    options = ['--entries', '3000', '--reads', '20', '--workers', '1']
    images = str(tmp_path / 'images')
    tools.speed.main(['places', images, *options, '--out', str(out)])
    rows = {row['name']: row for row in json.loads(out.read_text())['rows']}
    assert rows['opened, loose files']['value'] == 5
    assert rows['opened, tar file']['value'] == 1
    assert not any(row['unit'] == 'images/s' for row in rows.values())


def test_collectives_of_a_step(tools):
    """Three views: backbone and neck run thrice, the heads once a set.

    Maps that no box is pooled from have no backward pass, unless no view
    uses their level: the last view ties it.
    """
    model = tiny_models.soco(
        tiny_models.mask_rcnn_fpn(),
        pairs=[(1, 2), (1, 3)],
        roi_levels='assigned',
    )

    def norms(*parts: nn.Module) -> int:
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
        return sum(isinstance(m, kinds) for p in parts for m in p.modules())

    encoder, views, sets = model.encoder, 3, 4
    maps = views * norms(encoder.backbone, encoder.neck)
    objects = sets * norms(encoder.roi_head, model.projector)
    batch = tiny_models.batch([(1, 2), (1, 3)])
    rois = encoder.assign(batch['data_samples']['bboxes'])
    of_views = [(rois[0], rois[2]), (rois[1],), (rois[3],)]
    idle = sum(
        level not in {n for of in own for n in (*of.used, *of.tied)}
        for own in of_views
        for level in range(4)
    )
    assert idle
    counts = tools.count_collectives.count_collectives(model, batch)
    online = maps + objects + sets * norms(model.predictor)
    assert counts == {
        'gathered statistics, online': online,
        'gathered statistics, target': maps + objects,
        'reduced statistics, backward': online - idle,
        'reduced gradient buckets': 1,
        'agreed levels': 1,
    }


def test_checksums_of_a_small_store_and_checkpoint(tools):
    rows = tools.checksum_cost.measure(
        argparse.Namespace(images=20, megabytes=1)
    )
    assert [row.name for row in rows] == [
        'store, read again',
        'store, read for the first time',
        'checkpoint, loaded',
        'checkpoint, compared',
    ]
    assert all(row.value > 0 for row in rows)

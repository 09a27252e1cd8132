import json

import pytest

from mmsoco.visualization import curves, logs


def write_scalars(work_dir, start, lines):
    folder = work_dir / start / 'vis_data'
    folder.mkdir(parents=True)
    text = '\n'.join(json.dumps(line) for line in lines)
    (folder / 'scalars.json').write_text(text + '\n')


def test_scalars_of_a_resumed_run_are_joined(tmp_path):
    write_scalars(
        tmp_path,
        '20260101_000000',
        [dict(step=5, loss=3.0), dict(step=10, loss=2.0)],
    )
    write_scalars(
        tmp_path,
        '20260102_000000',
        [
            dict(step=10, loss=2.5),
            dict(step=10, **{'coco/bbox_mAP': 0.5}),
            dict(step=15, loss=1.0),
        ],
    )
    scalars = logs.read_scalars(tmp_path)
    loss = curves.series(scalars, 'loss')
    assert (loss.steps, loss.values) == ([5, 10, 15], [3.0, 2.5, 1.0])
    ap = curves.series(scalars, 'coco/bbox_mAP', 'AP')
    assert (ap.label, ap.steps, ap.values) == ('AP', [10], [0.5])


def test_missing_numbers_name_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        logs.read_scalars(tmp_path)
    with pytest.raises(FileNotFoundError, match='coco/bbox_mAP'):
        logs.read_metrics(tmp_path, 'coco/bbox_mAP')


def test_metrics_are_the_newest(tmp_path):
    for name, value in (('20260101', 0.1), ('20260102', 0.2)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f'{name}.json'
        path.write_text(json.dumps({'coco/bbox_mAP': value}))
    (tmp_path / '20260103').mkdir()
    (tmp_path / '20260103' / 'x.json').write_text('{"other": 1}')
    metrics = logs.read_metrics(tmp_path, 'coco/bbox_mAP')
    assert metrics == {'coco/bbox_mAP': 0.2}


def test_the_load_report_is_that_of_the_first_start(tmp_path):
    for start, count in (('20260101', 5), ('20260102', 9)):
        (tmp_path / start).mkdir()
        parts = dict(
            backbone=dict(loaded=count, left_out=0),
            neck=dict(loaded=2, left_out=1),
        )
        path = tmp_path / start / 'load_report.json'
        path.write_text(json.dumps([dict(source='a/b.pth', parts=parts)]))
    assert logs.read_load_reports(tmp_path) == [
        dict(
            source='b.pth',
            header=['part', 'loaded', 'left out'],
            rows=[['backbone', 5, 0], ['neck', 2, 1]],
        )
    ]
    assert logs.read_load_reports(tmp_path / 'nowhere') == []


def test_a_pretraining_in_numbers():
    lines = [
        dict(step=1, loss=-2.0, loss_12=-1.0, loss_13=-1.0, embedding_std=0.9,
             pair_cosine=0.2, images_per_s=10.0, target_momentum=0.99),
        dict(step=2, loss=-6.0, loss_12=-3.0, loss_13=-3.0, embedding_std=0.8,
             pair_cosine=0.7, images_per_s=20.0, target_momentum=1.0),
    ]  # fmt: skip
    # a perfect prediction has cosine 1: -2 - 2 for each of the two pairs
    assert logs.summarize(lines) == dict(
        first=-2.0, last=-6.0, least=-8.0, pairs=2, spread=0.8,
        images_per_s=15.0,
    )  # fmt: skip
    panels = curves.pretraining_panels(lines)
    assert [c.label for c in panels[0].curves] == [
        'views 1 and 2', 'views 1 and 3',
    ]  # fmt: skip
    assert panels[1].curves[1].values == [0.2, 0.7]


def test_losses_of_pretexts_are_no_pairs():
    scalars = [
        dict(step=step, loss=value + 5, loss_12=value, loss_rpn_cls=5.0,
             embedding_std=0.9, pair_cosine=0.1, images_per_s=3.0)
        for step, value in ((1, -1.0), (2, -3.0))
    ]  # fmt: skip
    assert logs.pair_losses(scalars[0]) == ['loss_12']
    [losses, *_] = curves.pretraining_panels(scalars)
    assert [curve.label for curve in losses.curves] == ['views 1 and 2']
    how = logs.summarize(scalars)
    assert (how['first'], how['last'], how['least']) == (-1.0, -3.0, -4.0)

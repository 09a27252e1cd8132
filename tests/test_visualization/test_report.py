import base64
import json
import xml.etree.ElementTree as ElementTree

import cv2
import jinja2
import numpy as np
import pytest

from mmsoco.visualization import report


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
    scalars = report.read_scalars(tmp_path)
    loss = report.series(scalars, 'loss')
    assert (loss.steps, loss.values) == ([5, 10, 15], [3.0, 2.5, 1.0])
    ap = report.series(scalars, 'coco/bbox_mAP', 'AP')
    assert (ap.label, ap.steps, ap.values) == ('AP', [10], [0.5])


def test_missing_numbers_name_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        report.read_scalars(tmp_path)
    with pytest.raises(FileNotFoundError, match='coco/bbox_mAP'):
        report.read_metrics(tmp_path, 'coco/bbox_mAP')


def test_metrics_are_the_newest(tmp_path):
    for name, value in (('20260101', 0.1), ('20260102', 0.2)):
        (tmp_path / name).mkdir()
        path = tmp_path / name / f'{name}.json'
        path.write_text(json.dumps({'coco/bbox_mAP': value}))
    (tmp_path / '20260103').mkdir()
    (tmp_path / '20260103' / 'x.json').write_text('{"other": 1}')
    metrics = report.read_metrics(tmp_path, 'coco/bbox_mAP')
    assert metrics == {'coco/bbox_mAP': 0.2}


def test_curves_are_an_svg_with_titles():
    panels = [
        report.Panel('loss', [report.Curve('a', [1, 2], [2.0, 1.0])]),
        report.Panel('gauges', [], y_range=(0, 1)),
    ]
    drawn = report.draw_curves(panels)
    assert ElementTree.fromstring(drawn).tag.endswith('svg')
    assert drawn == report.draw_curves(panels)


def test_embedded_picture_comes_back():
    image = np.zeros((16, 24, 3), np.uint8)
    image[:, :12, 0] = 200
    head, _, data = report.image_uri(image, quality=100).partition(',')
    assert head == 'data:image/jpeg;base64'
    raw = np.frombuffer(base64.b64decode(data), np.uint8)
    back = cv2.imdecode(raw, cv2.IMREAD_COLOR)[..., ::-1]
    assert back.shape == image.shape
    assert back[8, 4, 0] == pytest.approx(200, abs=4)
    assert back[8, 20].max() <= 4


@pytest.mark.parametrize(
    'image', [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_no_picture(image):
    with pytest.raises(ValueError, match='expected a .* uint8 RGB picture'):
        report.image_uri(image)


def test_grid_places_pictures():
    pictures = [
        [np.full((2, 3, 3), 10 * i + j, np.uint8) for j in range(2)]
        for i in range(3)
    ]
    laid = report.grid(pictures, gap=1)
    assert laid.shape == (3 * 2 + 2, 2 * 3 + 1, 3)
    assert laid[3, 4, 0] == 11
    assert laid[2, 0, 0] == laid[0, 3, 0] == 255


def test_the_load_report_is_that_of_the_first_start(tmp_path):
    for start, count in (('20260101', 5), ('20260102', 9)):
        (tmp_path / start).mkdir()
        parts = dict(
            backbone=dict(loaded=count, left_out=0),
            neck=dict(loaded=2, left_out=1),
        )
        path = tmp_path / start / 'load_report.json'
        path.write_text(json.dumps([dict(source='a/b.pth', parts=parts)]))
    assert report.read_load_reports(tmp_path) == [
        dict(
            source='b.pth',
            header=['part', 'loaded', 'left out'],
            rows=[['backbone', 5, 0], ['neck', 2, 1]],
        )
    ]
    assert report.read_load_reports(tmp_path / 'nowhere') == []


def test_a_pretraining_in_numbers():
    lines = [
        dict(step=1, loss=-2.0, loss_12=-1.0, loss_13=-1.0, embedding_std=0.9,
             pair_cosine=0.2, images_per_s=10.0, target_momentum=0.99),
        dict(step=2, loss=-6.0, loss_12=-3.0, loss_13=-3.0, embedding_std=0.8,
             pair_cosine=0.7, images_per_s=20.0, target_momentum=1.0),
    ]  # fmt: skip
    # a perfect prediction has cosine 1: -2 - 2 for each of the two pairs
    assert report.how_it_went(lines) == dict(
        first=-2.0, last=-6.0, least=-8.0, pairs=2, spread=0.8,
        images_per_s=15.0,
    )  # fmt: skip
    panels = report.pretraining_panels(lines)
    assert [c.label for c in panels[0].curves] == [
        'views 1 and 2', 'views 1 and 3',
    ]  # fmt: skip
    assert panels[1].curves[1].values == [0.2, 0.7]


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0.0, '0.0'), (0.1234, '12.3'), (-1.0, 'none'), (float('nan'), 'none')],
)
def test_percent(value, text):
    assert report.percent(value) == text


RUN = dict(
    title='<t>', anchor='a', seconds=3.2, pictures=60, boxes=99, epochs=2,
    steps=30, start='from scratch', judged=9,
    metrics=dict(header=['', 'AP'], rows=[['box', '<1>']]),
    classes=[('<cat>', 4, '0.5')], remarks=['a < b'], loaded=[],
    curves='data:,c', detections='data:,d', legend=[('rgb(1, 2, 3)', 'right')],
    threshold='0.3',
)  # fmt: skip


def test_a_page_is_escaped_and_needs_no_other_file(tmp_path):
    path = tmp_path / 'new' / 'report.html'
    report.write_page(
        path,
        'finetuning.html',
        title='a & b',
        run=RUN,
        tiles=[('<5>', 'AP')],
        machine=[('date', '<now>')],
    )
    page = path.read_text()
    assert '<title>a &amp; b</title>' in page
    for word in ('t', '1', 'cat', '5', 'now'):
        assert f'&lt;{word}&gt;' in page
    assert 'a &lt; b' in page
    assert 'content: "$ "' in page
    assert [p.name for p in path.parent.iterdir()] == ['report.html']
    for foreign in ('http:', 'https:', ' src="/', '<script', '@import'):
        assert foreign not in page
    body = page[page.index('<main>') : page.index('</main>') + 7]
    ElementTree.fromstring(body.replace('">\n<figcaption', '"/><figcaption'))


def test_a_page_tells_nothing_that_it_was_not_given(tmp_path):
    path = tmp_path / 'report.html'
    with pytest.raises(jinja2.UndefinedError, match='machine'):
        report.write_page(
            path, 'finetuning.html', title='a', run=RUN, tiles=[]
        )
    assert not path.exists()


def test_losses_of_pretexts_are_no_pairs():
    scalars = [
        dict(step=step, loss=value + 5, loss_12=value, loss_rpn_cls=5.0,
             embedding_std=0.9, pair_cosine=0.1, images_per_s=3.0)
        for step, value in ((1, -1.0), (2, -3.0))
    ]  # fmt: skip
    assert report.pair_losses(scalars[0]) == ['loss_12']
    [losses, *_] = report.pretraining_panels(scalars)
    assert [curve.label for curve in losses.curves] == ['views 1 and 2']
    how = report.how_it_went(scalars)
    assert (how['first'], how['last'], how['least']) == (-1.0, -3.0, -4.0)

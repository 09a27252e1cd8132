import base64
import xml.etree.ElementTree as ElementTree

import cv2
import jinja2
import numpy as np
import pytest

from mmsoco.visualization import report


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

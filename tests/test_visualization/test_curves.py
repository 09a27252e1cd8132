import xml.etree.ElementTree as ElementTree

from mmsoco.visualization import curves


def test_curves_are_an_svg_with_titles():
    panels = [
        curves.Panel('loss', [curves.Curve('a', [1, 2], [2.0, 1.0])]),
        curves.Panel('gauges', [], y_range=(0, 1)),
    ]
    drawn = curves.draw_curves(panels)
    assert ElementTree.fromstring(drawn).tag.endswith('svg')
    assert drawn == curves.draw_curves(panels)

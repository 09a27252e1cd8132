import json

import coco_documents
from PIL import Image

from mmsoco.datasets.label_reading import read_labels
from mmsoco.workflow.console import Console
from mmsoco.workflow.finetune_summary import explain, show_labels


def test_one_class_and_a_table_of_problems(tmp_path, capsys):
    Image.new('RGB', (64, 64)).save(tmp_path / 'a.png')
    path = tmp_path / 'labels.json'
    objects = [(1, (8, 8, 8, 8)), (1, (16, 8, 8, 8))]  # of the same id
    document = coco_documents.document(
        {'a.png': objects}, (64, 64), ['cat'], id=1
    )
    path.write_text(json.dumps(document))
    labels = read_labels(path, tmp_path)
    show_labels(Console(3), labels.document, labels, labels)
    lines = capsys.readouterr().out.splitlines()
    assert '1 picture, 2 boxes of 1 class (cat 2)' in lines[0]
    assert lines[1] == f'{path}:'
    assert 'count' in lines[2]


def test_an_ap_near_zero_is_explained():
    many = dict(cat=500, dog=6)
    (remark,) = explain(0.001, many, steps=120, side=20)
    assert '120 steps' in remark and 'dog (6)' in remark
    assert 'median side 20' in remark
    assert 'training boxes' not in remark
    (remark,) = explain(0.0, dict(cat=30), steps=5000, side=100)
    assert 'only 30 training boxes' in remark and 'steps' not in remark
    (remark,) = explain(0.0, dict(cat=3000), steps=5000, side=100)
    assert 'none is obvious' in remark
    assert explain(0.3, dict(cat=3), steps=5, side=9) == []

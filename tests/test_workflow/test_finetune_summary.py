from mmsoco.workflow.finetune_summary import explain


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

import pytest
from mmengine.config import Config

from mmsoco.config.literals import parse_config


def test_what_mmengine_writes_is_read_back():
    values = dict(
        model=dict(
            type='A', size=(1, 2), names=['a', 'b'], rate=-0.5, none=None,
            parts=[dict(a=1), dict(b=dict(c=(True, 1e-5)))],
        ),
        odd={'a b': 1, 'c.d': dict(e=2)},
        work_dir='x',
    )  # fmt: skip
    assert parse_config(Config(values).pretty_text) == values


def test_nothing_is_run():
    text = 'import os\na = os.getcwd()\nb = dict(c=print(1))\nd = [1, 2]'
    assert parse_config(text) == dict(d=[1, 2])


def test_later_keys_replace_earlier_ones():
    text = "a = dict({'b': 1, 'c': 2}, c=3, **{'d e': 4})"
    assert parse_config(text)['a'] == {'b': 1, 'c': 3, 'd e': 4}


def test_no_python_is_an_error():
    with pytest.raises(ValueError, match='not Python'):
        parse_config('a = (')

import pytest

from mmsoco.utils.durations import describe_time, parse_time


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [('45s', 45), ('90m', 5400), ('90min', 5400), ('2h', 7200),
     ('1.5h', 5400), ('1h30m', 5400), ('1h 30m', 5400), ('2d', 172800),
     (' 2H ', 7200)],
)  # fmt: skip
def test_times(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize('text', ['', '2', 'h', '2x', '2h3', '-2h', '2h,3m'])
def test_no_times(text):
    with pytest.raises(ValueError, match='such as 2h'):
        parse_time(text)


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(20, '20 s'), (300, '5 min'), (9000, '2.5 hours'), (80000, '22 hours'),
     (302400, '3.5 days'), (8640000, '100 days')],
)  # fmt: skip
def test_times_in_words(seconds, text):
    assert describe_time(seconds) == text

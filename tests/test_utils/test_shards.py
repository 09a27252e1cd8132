import pytest

from mmsoco.utils.shards import parse_shard, take_shard


@pytest.mark.parametrize('count', [1, 2, 3, 7, 20])
def test_shards_join_to_the_list(count):
    names = [f'{i:03d}' for i in range(11)]
    shards = [take_shard(names, (i, count)) for i in range(count)]
    assert sum(shards, []) == names
    sizes = {len(shard) for shard in shards}
    assert max(sizes) - min(sizes) <= 1


def test_parse_shard():
    assert parse_shard('0/1') == (0, 1) and parse_shard('15/16') == (15, 16)
    for text in ('1', '/', 'a/2', '-1/2', '1/', '/2'):
        with pytest.raises(ValueError, match='as i/n'):
            parse_shard(text)
    with pytest.raises(ValueError, match='count from 0'):
        parse_shard('2/2')
    with pytest.raises(ValueError, match='at least 1 shard'):
        parse_shard('0/0')

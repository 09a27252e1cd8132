"""Share work between machines: the i-th of n shards."""


def parse_shard(text: str) -> tuple[int, int]:
    """Parse ``i/n``: the i-th of n shards, counted from 0.

    Raises:
        ValueError: If it is malformed or out of range.
    """
    index, slash, count = text.partition('/')
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise ValueError(f'expected a shard as i/n such as 0/8, got {text!r}')
    if not int(count):
        raise ValueError(f'expected at least 1 shard, got {text!r}')
    if int(index) >= int(count):
        raise ValueError(
            f'shards count from 0: expected 0/{count} to '
            f'{int(count) - 1}/{count}, got {text!r}'
        )
    return int(index), int(count)


def take_shard(names: list[str], shard: tuple[int, int]) -> list[str]:
    """Return a shard's consecutive names; all shards together are the list."""
    index, count = shard
    start = index * len(names) // count
    return names[start : (index + 1) * len(names) // count]

"""Describe the contents of a checkpoint in lines of text."""

from collections import Counter, defaultdict
from pathlib import Path

from mmsoco.checkpoints import io
from mmsoco.checkpoints.export import describe
from mmsoco.checkpoints.guard import describe_not_finite, not_finite
from mmsoco.checkpoints.integrity import check_real
from mmsoco.checkpoints.layouts import guess_layout
from mmsoco.checkpoints.load_report import is_counter, part_of
from mmsoco.utils.files import sha256


def summarize(path: str | Path, with_config: bool = False) -> str:
    """Describe a checkpoint.

    Args:
        path: A checkpoint of one of our runs or of SoCo's authors, or an
            export.
        with_config: Add the text of the run's config.

    Returns:
        Lines of text.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a checkpoint.
    """
    allowed = (*io.RUN_TYPES, *io.REFERENCE_TYPES)
    checkpoint = io.load(path, allowed)
    state = io.state_dict_of(checkpoint, path)
    numbers: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    types: defaultdict[str, set[str]] = defaultdict(set)
    for name, tensor in state.items():
        if is_counter(name):  # as load reports and manifests count
            continue
        numbers[part_of(name)] += 1
        sizes[part_of(name)] += tensor.numel()
        types[part_of(name)].add(str(tensor.dtype).removeprefix('torch.'))
    lines = [f'{path}: {guess_layout(state)}, sha256 {sha256(path)}']
    for part, number in numbers.items():
        lines.append(
            f'{part:<12}{number:>6} tensors{sizes[part]:>12,} values  '
            f'{", ".join(sorted(types[part]))}'
        )
    try:
        check_real(state, path)
    except ValueError as error:
        lines.append(f'warning: {error}')
    broken = not_finite(checkpoint)
    if broken:
        lines.append(f'warning: {describe_not_finite(broken)}')
    meta = checkpoint.get('meta', {})
    if 'source_sha256' in meta:
        lines.append(describe(meta))
    if with_config:
        config = meta.get('config') or meta.get('cfg') or 'no config'
        lines.append(str(config))
    return '\n'.join(lines)

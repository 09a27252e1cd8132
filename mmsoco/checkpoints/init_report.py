"""Report which weights arrived from the files that ``init_cfg`` names."""

from collections.abc import Collection, Iterator, Mapping

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import nn

from mmsoco.structures import InputConvention

from . import io
from .load_report import LoadReport, compare
from .locations import load_weights


def pretrained_reports(
    model: nn.Module,
    may_be_new: Collection[str] = (),
    convention: InputConvention | None = None,
) -> list[LoadReport]:
    """Compare a new model with the files that its modules started from.

    mmengine loads what fits by name, so a file of another layout, or a wrong
    prefix, silently leaves a module at random. A module that converts names
    in its own ``init_weights`` (mmdet's Swin) is not compared.

    Args:
        model: A model whose weights were initialized and not trained yet.
        may_be_new: Prefixes of tensor names that the files may lack.
        convention: The model's input, which is compared with that of the
            files; None if it is not known.

    Returns:
        A report for each file of each module.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a module did not get all its weights, or weights that
            expect another input.
    """
    return [
        _report(name, module, entry, may_be_new, convention)
        for name, module in model.named_modules()
        for entry in _pretrained_entries(module)
    ]


def _pretrained_entries(module: nn.Module) -> Iterator[Mapping]:
    """Find the files that mmengine has loaded into a module."""
    if not isinstance(module, BaseModule) or not module.init_cfg:
        return
    if type(module).init_weights is not BaseModule.init_weights:
        return
    cfg = module.init_cfg
    for entry in [cfg] if isinstance(cfg, Mapping) else cfg:
        if entry.get('type') == 'Pretrained':
            yield entry


def _report(
    name: str,
    module: nn.Module,
    entry: Mapping,
    may_be_new: Collection[str],
    convention: InputConvention | None,
) -> LoadReport:
    """Report how the file of an ``init_cfg`` fits its module."""
    source = entry['checkpoint']
    checkpoint = load_weights(source)
    state = io.weights_of(checkpoint, source)
    if convention is not None:
        convention.check_file(checkpoint.get('meta'), source)
    owner = f'init_cfg of {name or "the model"}'
    prefix = entry.get('prefix') or ''
    prefix += '.' if prefix and not prefix.endswith('.') else ''
    path = f'{name}.' if name else ''
    own = {path + key: t for key, t in module.state_dict().items()}
    # A file for a backbone has more than the module uses, such as a
    # classifier.
    offered = {
        renamed: tensor
        for key, tensor in state.items()
        if key.startswith(prefix)
        and (renamed := path + key.removeprefix(prefix)) in own
    }
    report = compare(
        offered, own, by_value=True, source=source, door='init_cfg'
    )
    print_log(
        f'Tensors by part, from {owner} ({source}):\n{report.table()}',
        logger='current',
    )
    if not offered:
        raise ValueError(
            f'{owner}: no tensor of {source} has a name of this module'
            + (f' after the prefix {prefix!r}' if prefix else '')
            + f'; the file has {", ".join(sorted(state)[:3])}, ..., the '
            f'module {", ".join(sorted(module.state_dict())[:3])}, .... Set '
            "init_cfg.prefix to the text before the module's names."
        )
    report.check(may_be_new, f'{owner} needs a file of the same layers.')
    return report

"""The options of `mmsoco finetune`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmsoco.workflow.settings import (
    check_flags,
    check_numbers,
    plain,
    refuse_set_twice,
)


@dataclass(frozen=True)
class FinetuneSettings:
    """The options of a fine-tuning; None means "not given".

    Attributes:
        run: Folder of the pretraining.
        train: Labels to train on: COCO JSON, or a data set in VOC layout.
        train_images: Folder of their pictures; a VOC data set has its own.
        val: Labels to evaluate on.
        val_images: Folder of their pictures.
        labels: Number of labeled pictures to train on, drawn by ``seed``.
        scratch: Train without the pretrained weights.
        parts: Parts of the pretrained weights to load, such as
            ``['backbone']``, or ``['all']``; by default those that help, see
            `mmsoco.workflow.parts.useful_parts`.
        epochs: Passes over the labeled pictures.
        batch_size: Pictures of a batch.
        seed: Seed of the draw and of the training.
        cfg_options: Values of the config by dotted key.
        out: Folder of the fine-tuning; by default one in ``run``.
    """

    run: Path
    train: Path
    val: Path
    train_images: Path | None = None
    val_images: Path | None = None
    labels: int | None = None
    scratch: bool = False
    parts: Sequence[str] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    cfg_options: Mapping[str, Any] | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        """Check the options as far as possible without reading a file."""
        check_numbers(vars(self), self.cfg_options)
        check_flags(vars(self), ['scratch'])
        self._check_parts()
        given = dict(vars(self), seed=self.seed or None)
        refuse_set_twice(given, self.cfg_options)

    def _check_parts(self) -> None:
        if self.parts is None:
            return
        example = self.parts if isinstance(self.parts, str) else 'backbone'
        names = self.parts if isinstance(self.parts, Sequence) else ()
        is_list = len(names) > 0 and example != self.parts
        if not is_list or not all(isinstance(name, str) for name in names):
            raise TypeError(
                f"parts must be a list such as ['{example}'], got "
                f'{self.parts!r}'
            )

    @property
    def folder(self) -> Path:
        """The folder of the fine-tuning."""
        if self.out is not None:
            return self.out
        name = 'finetune'
        if self.labels is not None:
            name += f'-{self.labels}'
        if self.seed:
            name += f'-seed{self.seed}'
        return self.run / (name + ('-scratch' if self.scratch else ''))

    def given(self) -> dict[str, Any]:
        """Return the options that decide the result, as plain values."""
        skipped = ('run', 'out', 'train', 'val', 'train_images', 'val_images')
        return {
            name: plain(value)
            for name, value in vars(self).items()
            if name not in skipped and value not in (None, {}, False)
        }

"""The parts of a plan: data, starts, label budgets, lengths, the probe."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ('scratch', 'weights', 'soco', 'image-level')
PRETRAINED = ('soco', 'image-level')
REFERENCES = ('scratch', 'weights')
# The value of `Start.proposals` for the boxes of the labels.
LABELS = 'labels'


@dataclass(frozen=True)
class Data:
    """Pictures and labels; paths are relative to ``root``.

    Attributes:
        root: Folder of the data.
        labels: COCO annotations from which the label budgets are drawn.
        images: Folder of their pictures.
        val_labels: COCO annotations to evaluate on.
        val_images: Folder of their pictures.
        pictures: Folder of pictures for pretraining, without labels.
        filters: Limits of the proposals that differ from
            `mmsoco.proposals.filters.FilterSpec`.
        scenes: Options of `mmsoco.demo.make_scenes` if the data are scenes,
            which are drawn into the output folder as the root; else None.
        source: Where the data come from, for the report.
        val_in_pretraining: Whether validation pictures may be among those
            for pretraining; the report then says so.
        held_out: Number of labeled pictures that replace the validation set,
            to choose settings; see `mmsoco.comparison.held_out`. With 0, the
            validation set is used.
    """

    root: str = ''
    labels: str = 'train.json'
    images: str = 'train'
    val_labels: str = 'val.json'
    val_images: str = 'val'
    pictures: str = 'train'
    filters: dict[str, float] = field(default_factory=dict)
    scenes: dict[str, int] | None = None
    source: str = ''
    val_in_pretraining: bool = False
    held_out: int = 0

    def path(self, name: str) -> Path:
        """Return the path of one of the fields that name files."""
        return Path(self.root, getattr(self, name))


@dataclass(frozen=True)
class Start:
    """The weights that fine-tuning starts from.

    Attributes:
        name: Short name, part of file names.
        kind: A value of `KINDS`.
        title: Name for readers; ``name`` if empty.
        config: Pretraining config of a start that is pretrained.
        checkpoint: File of a start of kind ``weights``.
        pretrained_by: Another start whose pretraining this one uses.
        parts: Parts of the pretrained weights that are loaded; None: all.
        samples: Pictures seen in pretraining, if other than the plan's.
        time_of: A start whose pretraining time this start gets in addition:
            scratch trains for longer, and a pretrained start sees as many
            pictures as fit.
        options: Values that replace those of ``config``, by dotted key.
        proposals: The start's own proposals: ``labels`` for the boxes of all
            labels (the best possible proposals); the name of another start, to
            whose proposals the RPN of its pretraining with the same seed adds
            boxes (a further round); or a store, relative to the folder of the
            data. None for the plan's proposals.
        filters: Limits of the start's proposals that replace those of the
            data.
        max_seeds: Number of seeds of each budget, if fewer than all.
        budgets: Label budgets, if not all.
        trials: Number of learning rates tried for this start on the tuning
            split.
        tier: The cells of lower tiers are made first.
    """

    name: str
    kind: str
    title: str = ''
    config: str | None = None
    checkpoint: str | None = None
    pretrained_by: str | None = None
    parts: tuple[str, ...] | None = None
    samples: int | None = None
    time_of: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    proposals: str | None = None
    filters: dict[str, float] | None = None
    max_seeds: int | None = None
    budgets: tuple[int, ...] | None = None
    trials: int = 0
    tier: int = 1

    @property
    def label(self) -> str:
        """The name for readers."""
        return self.title or self.name

    @property
    def owner(self) -> str | None:
        """The start whose pretraining cells this start needs."""
        if self.pretrained_by:
            return self.pretrained_by
        return self.name if self.kind in PRETRAINED else None

    @property
    def round_after(self) -> str | None:
        """The start whose RPN has added to this one's proposals."""
        if self.proposals is None or self.proposals == LABELS:
            return None
        is_store = self.proposals.endswith('.arrow')
        return None if is_store else self.proposals


@dataclass(frozen=True)
class Budget:
    """Labeled pictures of a fine-tuning.

    Attributes:
        labels: Their number.
        seeds: A seed per repetition: of the pretraining, the choice of the
            pictures, and the fine-tuning.
        steps: Optimizer steps, if other than the plan's.
    """

    labels: int
    seeds: tuple[int, ...]
    steps: int | None = None


@dataclass(frozen=True)
class Pretraining:
    """Length and batch of the pretraining of every start.

    Attributes:
        samples: Pictures seen, repetitions included.
        batch_size: Pictures of a step; None: each config's own.
        amp: ``bf16``, ``fp16`` or None.
    """

    samples: int = 40_000
    batch_size: int | None = None
    amp: str | None = None


@dataclass(frozen=True)
class Finetuning:
    """Length and precision of every fine-tuning.

    Attributes:
        steps: Optimizer steps.
        amp: ``bf16``, ``fp16`` or None.
    """

    steps: int = 600
    amp: str | None = None


@dataclass(frozen=True)
class Probe:
    """A probe of the features of each start, before any fine-tuning.

    The boxes are those of ``data.labels``; validation pictures are not used.
    See `mmsoco.evaluation.probe.ProbeSettings`.

    Attributes:
        num_train: Pictures that the classifiers are trained on.
        num_val: Other pictures that they are judged on.
        image_size: (h, w) that pictures are resized to fit into.
    """

    num_train: int = 500
    num_val: int = 300
    image_size: tuple[int, int] = (320, 320)

"""Choose the proposal filter by pictures, and by labels if there are any.

The paper's filter keeps boxes of 0.3 to 0.8 of the picture's side, which suits
photographs of ImageNet. It removes small objects: only 5 % of the faces in a
set of street scenes were covered by a proposal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.opening import open_images
from mmsoco.images.source import ImageSource
from mmsoco.proposals.filters import FilterSpec, filter_regions
from mmsoco.proposals.generation.generate import advice_on_size
from mmsoco.proposals.generation.memory import share_of_machine
from mmsoco.proposals.generation.worker import Found, add_image
from mmsoco.proposals.records import ProposalRecord
from mmsoco.proposals.search.spec import SearchSpec
from mmsoco.structures.boxes import box_iou

# Number of sampled pictures: a share of 0.9 is then known to within 0.04.
SAMPLE = 200
# A proposal covers an object at this IoU, as in the usual recall of proposals.
COVERED_IOU = 0.5
# From the paper's filter to the widest that the search supports: it finds no
# regions below 100 pixels (`SearchSpec.min_region_size`), so sides below 8
# need no step.
LADDER = (
    FilterSpec(),
    FilterSpec(min_size=24, min_scale=0.2),
    FilterSpec(min_size=16, min_scale=0.15),
    FilterSpec(min_size=16, min_scale=0.1),
    FilterSpec(min_size=12, min_scale=0.06),
    FilterSpec(min_size=8, min_scale=0.03),
)
# Each step is also tried with these, for objects that fill the picture, and
# for long ones.
_MAX_SCALES = (0.8, 1.0)
_MAX_RATIOS = (3.0, 6.0)
# A wider filter has more boxes of background, so it must be clearly better.
_SHARE_OF_BEST = 0.9
# Pixels of a picture whose search takes about 15 s.
_LARGE = 15_000_000
# Boxes that a picture needs if there are no labels: twice the 4 proposals of a
# sample (`DrawViews.num_proposals`), so that the crops have a choice.
_ENOUGH_BOXES = 8
_MOST_FALLBACKS = 0.1
_MOST_LOST = 0.5


class Coverage(NamedTuple):
    """The effect of a filter on a sample of pictures.

    Attributes:
        boxes: Median number of proposals of a picture.
        kept: Share of the regions that it keeps.
        fallbacks: Share of the pictures in which nothing passes.
        recall: Share of the labeled objects that a proposal covers; None
            without labels.
    """

    boxes: float
    kept: float
    fallbacks: float
    recall: float | None


@dataclass(frozen=True)
class FilterChoice:
    """A filter, and why.

    Attributes:
        spec: The filter.
        reason: Why it was chosen, in words.
        chosen: Its effect on the sample.
        default: The effect of the paper's filter.
        pictures: Pictures of the sample.
        labels: Labeled objects in it.
    """

    spec: FilterSpec
    reason: str
    chosen: Coverage
    default: Coverage
    pictures: int
    labels: int

    def warning(self) -> str | None:
        """Return a note for the user, or None."""
        if self.chosen.recall is not None:
            return None
        lost = 1 - self.chosen.kept
        if lost <= _MOST_LOST:
            return None
        return (
            f'the filter removes {lost:.0%} of the regions: if your objects '
            'are small, give labels of a few pictures (--check LABELS), or '
            '--min-size and --min-scale'
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a manifest."""
        return dict(
            spec=self.spec.as_dict(),
            reason=self.reason,
            chosen=self.chosen._asdict(),
            default=self.default._asdict(),
            pictures=self.pictures,
            labels=self.labels,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> 'FilterChoice':
        """Read a dict of `as_dict`."""
        return cls(
            **dict(
                values,
                spec=FilterSpec(**values['spec']),
                chosen=Coverage(**values['chosen']),
                default=Coverage(**values['default']),
            )
        )


def sample_regions(
    image_root: str | Path,
    names: Sequence[str],
    number: int = SAMPLE,
    on_picture: Callable[[], None] = lambda: None,
    search: SearchSpec | None = None,
    report: Callable[[str], None] = lambda text: None,
) -> list[ProposalRecord]:
    """Find the regions of pictures that are spread over a list.

    Args:
        image_root: The folder or tar file.
        names: Pictures relative to it.
        number: Largest number of pictures.
        on_picture: Called after each of them.
        search: Parameters of the search; by default the paper's.
        report: Called with a line before a search that takes long.

    Returns:
        All regions of each picture that can be read.
    """
    images = open_images(image_root)
    at = np.linspace(0, len(names) - 1, min(number, len(names)))
    found = Found()
    limit = share_of_machine(workers=1)
    search = search or SearchSpec()
    for index in at.round().astype(int):
        _announce_large(images, names[index], report)
        add_image(found, images, names[index], search, limit)
        on_picture()
    return found.regions


def _announce_large(
    images: ImageSource, name: str, report: Callable[[str], None]
) -> None:
    """Name a picture whose search takes long: it shows no progress."""
    try:
        height, width = images.read_size(name)
    except UnreadableImageError:
        return  # it is left out, with the reason
    if height * width >= _LARGE:
        advice = advice_on_size(height, width)
        report(f'{name} ({width} x {height} pixels) is searched; {advice}')


def choose_filter(
    regions: Sequence[ProposalRecord],
    labels: Mapping[str, np.ndarray] | None = None,
    limits: Mapping[str, float] | None = None,
) -> FilterChoice:
    """Choose the filter for a folder of pictures.

    With labels, it is the narrowest filter that covers nine tenths of the
    objects that the widest one covers. Without labels, it is the narrowest one
    that leaves enough proposals on most pictures; on ordinary photographs,
    that is the paper's.

    Args:
        regions: Regions of some pictures, see `sample_regions`.
        labels: (n, 4) xyxy boxes of the objects by picture, absolute pixels;
            pictures that are not named have no labels.
        limits: Limits set by the user; then the others are the paper's, and
            nothing is chosen.

    Returns:
        The choice.
    """
    labels = labels or {}
    known = [r for r in regions if len(labels.get(r.file_name, ()))]
    count = sum(len(labels[record.file_name]) for record in known)
    measured = known or regions
    boxes = labels if known else None
    default = measure(measured, FilterSpec(), boxes)
    if limits:
        spec, reason = FilterSpec(**limits), 'as asked for'
    elif known:
        spec = _narrowest_that_covers(known, labels)
        reason = f'chosen for {count} labeled objects'
    else:
        spec = _narrowest_with_enough(regions)
        reason = 'chosen for the number of proposals'
    return FilterChoice(
        spec=spec,
        reason=reason,
        chosen=measure(measured, spec, boxes),
        default=default,
        pictures=len(measured),
        labels=count,
    )


def measure(
    regions: Iterable[ProposalRecord],
    spec: FilterSpec,
    labels: Mapping[str, np.ndarray] | None,
) -> Coverage:
    """Measure a filter on regions.

    Args:
        regions: Regions of some pictures.
        spec: The filter.
        labels: See `choose_filter`.
    """
    counts, found, fallbacks = [], [], []
    covered: list[np.ndarray] = []
    for record in regions:
        kept = filter_regions(record.bboxes, record.height, record.width, spec)
        fallbacks.append(kept.fallback > 0)
        counts.append(0 if kept.fallback else len(kept.bboxes))
        found.append(len(record.bboxes))
        if labels is not None:
            objects = labels.get(record.file_name, np.empty((0, 4)))
            covered.append(is_covered(objects, kept.bboxes))
    recall = None
    if any(len(objects) for objects in covered):
        recall = float(np.concatenate(covered).mean())
    return Coverage(
        boxes=float(np.median(counts)) if counts else 0.0,
        kept=sum(counts) / max(sum(found), 1),
        fallbacks=float(np.mean(fallbacks)) if fallbacks else 0.0,
        recall=recall,
    )


def is_covered(objects: np.ndarray, proposals: np.ndarray) -> np.ndarray:
    """Return which objects are covered by a proposal: (n,) bool.

    Args:
        objects: (n, 4) xyxy.
        proposals: (m, 4) xyxy in the same pixels; m may be 0.
    """
    return np.asarray((box_iou(objects, proposals) >= COVERED_IOU).any(axis=1))


def describe_filter(spec: FilterSpec) -> str:
    """Return a filter as the options that set it; empty for the paper's."""
    default = FilterSpec().as_dict()
    changed = [
        f'--{name.replace("_", "-")} {value:.3g}'
        for name, value in spec.as_dict().items()
        if value != default[name]
    ]
    return ' '.join(changed) or "the paper's filter"


def _candidates() -> list[FilterSpec]:
    """List filters from narrow to wide."""
    return [
        FilterSpec(
            min_size=step.min_size,
            min_scale=step.min_scale,
            max_scale=max_scale,
            min_ratio=1 / max_ratio,
            max_ratio=max_ratio,
        )
        for step in LADDER
        for max_ratio in _MAX_RATIOS
        for max_scale in _MAX_SCALES
    ]


def _narrowest_that_covers(
    regions: Sequence[ProposalRecord], labels: Mapping[str, np.ndarray]
) -> FilterSpec:
    measured = [
        (measure(regions, spec, labels), spec) for spec in _candidates()
    ]
    # All of the regions have labels, so that there is a recall.
    recalls = [c.recall for c, _ in measured if c.recall is not None]
    least = _SHARE_OF_BEST * max(recalls)
    enough = [
        (coverage.kept, place, spec)
        for place, (coverage, spec) in enumerate(measured)
        if coverage.recall is not None and coverage.recall >= least
    ]
    return min(enough, key=lambda entry: entry[:2])[2]


def _narrowest_with_enough(regions: Sequence[ProposalRecord]) -> FilterSpec:
    for spec in LADDER:
        coverage = measure(regions, spec, None)
        if (
            coverage.boxes >= _ENOUGH_BOXES
            and coverage.fallbacks <= _MOST_FALLBACKS
        ):
            return spec
    return LADDER[-1]

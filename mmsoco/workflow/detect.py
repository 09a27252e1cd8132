"""Find objects in new pictures with a fine-tuned detector: `mmsoco detect`.

The result is a file of labels in COCO's format, to be corrected and to be
trained on.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.lists import ImageList, refuse_none
from mmsoco.images.opening import open_images
from mmsoco.images.reading import remark_on
from mmsoco.images.source import ImageSource
from mmsoco.utils.files import (
    read_json,
    refuse_existing,
    refuse_file,
    refuse_within,
    write_json,
)
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.visualization import detections as drawing
from mmsoco.visualization.sheets import save_picture
from mmsoco.workflow.console import Console
from mmsoco.workflow.finetuned_run import DETECTOR
from mmsoco.workflow.run_folder import (
    MANIFEST_NAME,
    find_manifests,
    read_manifest,
)
from mmsoco.workflow.settings import (
    as_path,
    check_flags,
    counted,
    is_number,
)

_KIND = 'fine-tuning'
# What a finished one holds: its config, the labels that it was judged by, and
# what it found on their pictures.
CONFIG, LABELS, FOUND = 'finetune.py', 'val.json', 'detections.bbox.json'
# Bytes of a file's name to which ".jpg" can be added.
_LONGEST_NAME = 255 - len('.jpg')
# The folder of the drawn pictures.
DRAWN = 'pictures'


def detect(
    run: str | os.PathLike,
    images: str | os.PathLike,
    out: str | os.PathLike,
    *,
    score: float | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Path:
    """Find objects in new pictures.

    Pictures that cannot be read are left out, and reported.

    Args:
        run: Folder of a fine-tuning, or of the pretraining that it is in.
        images: Folder of the pictures, which is searched recursively, a tar
            file of them, or one picture.
        out: Gets ``detections.json`` and, in ``pictures``, each picture with
            its detections drawn.
        score: Lowest score of a detection, in 0..1. By default the one with
            the best F1 on the validation pictures of the fine-tuning.
        overwrite: Whether to replace detections that are there.
        console: What reports the progress; by default standard output.

    Returns:
        ``detections.json``: labels in COCO's format with the categories of
        the fine-tuning, where each annotation has a ``score``.

    Raises:
        FileNotFoundError: If a folder is not there, or holds no finished
            fine-tuning.
        FileExistsError: If ``out`` holds detections already.
        NotADirectoryError: If ``out`` is a file.
        ValueError: If no picture can be read, or it is not clear which
            fine-tuning or which score is meant.
    """
    if score is not None and not (is_number(score) and 0 <= score <= 1):
        raise ValueError(f'--score must be from 0 to 1, got {score!r}')
    check_flags(dict(overwrite=overwrite), ['overwrite'])
    console, out = console or Console(), as_path('out', out)
    run, images = as_path('run', run), as_path('images', images)
    refuse_file(out, 'detections')
    target = out / 'detections.json'
    refuse_existing(target, overwrite)
    folder = find_finetuning(run)
    source, found = _find_pictures(images, out)
    lowest = _best_score(folder) if score is None else score
    detector = _Detector(folder, lowest)
    document = _detect_all(detector, source, found, out / DRAWN, console)
    if not document['images']:
        raise ValueError(
            f'no picture of {len(found.names)} can be read\n{found.problems}'
        )
    replaced = _drawings(target, out / DRAWN)
    write_json(target, document)
    for file in replaced - _drawings(target, out / DRAWN):
        file.unlink(missing_ok=True)
    _summarize(console, document, lowest, found.problems)
    console.line(f'wrote {target} and {out / DRAWN}')
    return target


def find_finetuning(path: Path) -> Path:
    """Return the folder of a finished fine-tuning.

    Args:
        path: It, or the folder of the pretraining that it is in.

    Raises:
        FileNotFoundError: If there is none, or a file of it is missing.
        FileExistsError: If the folder holds a run of another kind.
        ValueError: If there are several, or the manifest is damaged.
    """
    runs = find_manifests(path, _KIND, 'evaluate')
    if not runs:
        manifest = path / MANIFEST_NAME
        remedy = 'give the folder that `mmsoco finetune` wrote'
        if not manifest.is_file():
            raise FileNotFoundError(
                f'{path} holds no fine-tuning (there is no {MANIFEST_NAME}); '
                f'{remedy}'
            )
        read_manifest(manifest, _KIND, remedy)
        runs = [path]
    if len(runs) > 1:
        names = ', '.join(str(run) for run in runs)
        raise ValueError(
            f'{path} holds {len(runs)} fine-tunings; give one of {names}'
        )
    [run] = runs
    for name in (DETECTOR, CONFIG, LABELS, FOUND):
        if not (run / name).is_file():
            raise FileNotFoundError(
                f'{run / name} is missing; run `mmsoco finetune` again with '
                'the same options to finish it'
            )
    return run


def _find_pictures(images: Path, out: Path) -> tuple[ImageSource, ImageList]:
    if images.is_file() and images.suffix.lower() != '.tar':
        names = ImageList(str(images.parent), [images.name], Problems())
        return open_images(images.parent), names
    refuse_within(out, images)
    source = open_images(images)
    found = source.find()
    refuse_none(found)
    return source, found


@contextmanager
def _unchanged(*files: Path) -> Iterator[None]:
    """Name the files of the fine-tuning if what is read there does not fit.

    Raises:
        ValueError: In place of an error about a name or a type.
    """
    try:
        yield
    except (LookupError, AttributeError, TypeError) as error:
        names = ' or '.join(str(file) for file in files)
        raise ValueError(
            f'{names} must have been changed since the fine-tuning: restore '
            f'it ({type(error).__name__}: {error})'
        ) from error


def _best_score(folder: Path) -> float:
    """Return the threshold with the best F1 on the validation pictures."""
    labels, found = read_json(folder / LABELS), read_json(folder / FOUND)
    with _unchanged(folder / LABELS, folder / FOUND):
        best = drawing.best_threshold(drawing.judge(labels, found))
    if best >= 1:
        raise ValueError(
            'no detection on the validation pictures was right, so there is '
            'no best score: name one with --score, or train for more steps'
        )
    return best


class _Detector:
    """A fine-tuned detector, ready to find objects.

    Args:
        folder: The folder of the fine-tuning.
        score: Lowest score of a detection.

    Attributes:
        categories: COCO's categories, as in the labels.

    Raises:
        ValueError: If a file is damaged, or the config has been changed.
    """

    def __init__(self, folder: Path, score: float) -> None:
        import torch
        from mmcv.transforms import Compose
        from mmengine.model import revert_sync_batchnorm
        from mmengine.registry import DefaultScope

        from mmsoco.checkpoints import io
        from mmsoco.config.reading import read_file
        from mmsoco.registry import MODELS

        cfg = read_file(folder / CONFIG)
        path = folder / DETECTOR
        state = io.weights_of(io.load(path), path)
        labels = read_json(folder / LABELS)
        self.score = score
        with (
            _unchanged(folder / CONFIG, folder / LABELS),
            DefaultScope.overwrite_default_scope(cfg.default_scope),
        ):
            self.categories = labels['categories']
            ids = {c['name']: c['id'] for c in self.categories}
            dataset = cfg.test_dataloader.dataset
            self._ids = [ids[name] for name in dataset.metainfo.classes]
            model = revert_sync_batchnorm(MODELS.build(cfg.model))
            _, *steps = dataset.pipeline  # in place of a file's loader
            self._pipeline = Compose(
                [dict(type='mmdet.LoadImageFromNDArray'), *steps]
            )
        try:
            # mmdet's `init_detector` would load what happens to fit.
            model.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(
                f'{path} does not fit {folder / CONFIG}, which must have been '
                f'changed since: restore it. {error}'
            ) from error
        model.cfg = cfg  # `inference_detector` looks for it
        self._scale = next((s.scale for s in steps if 'scale' in s), None)
        self._model = model.eval()
        if torch.cuda.is_available():
            self._model.cuda()

    def why_not(self, rgb: np.ndarray) -> str | None:
        """Return why nothing can be found in a picture, or None.

        Args:
            rgb: (H, W, 3) uint8.
        """
        from mmcv import rescale_size

        height, width = rgb.shape[:2]
        if self._scale is None or min(
            rescale_size((width, height), tuple(self._scale))
        ):
            return None
        return (
            'too narrow: nothing is left of it at the size that the detector '
            f'gets ({max(self._scale)}x{min(self._scale)})'
        )

    def find(self, rgb: np.ndarray) -> list[dict[str, Any]]:
        """Find the objects of a picture.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            COCO's annotations by falling score, without their ids.
        """
        from mmdet.apis import inference_detector
        from mmdet.structures.mask import encode_mask_results

        bgr = np.ascontiguousarray(rgb[..., ::-1])
        sample = inference_detector(
            self._model, bgr, test_pipeline=self._pipeline
        )
        found = sample.pred_instances.cpu()
        found = found[found.scores >= self.score]
        annotations = [
            dict(
                category_id=self._ids[label],
                bbox=[round(n, 2) for n in (x1, y1, x2 - x1, y2 - y1)],
                area=round((x2 - x1) * (y2 - y1), 2),
                iscrowd=0,
                score=round(score, 4),
            )
            for (x1, y1, x2, y2), label, score in zip(
                found.bboxes.tolist(),
                found.labels.tolist(),
                found.scores.tolist(),
                strict=True,
            )
        ]
        if 'masks' in found:
            masks = encode_mask_results(found.masks.numpy())
            for annotation, mask in zip(annotations, masks, strict=True):
                counts = mask['counts'].decode()
                annotation['segmentation'] = dict(mask, counts=counts)
        return annotations


def _detect_all(
    detector: _Detector,
    source: ImageSource,
    found: ImageList,
    drawn: Path,
    console: Console,
) -> dict[str, Any]:
    """Return COCO's document of all pictures that can be read; draw each."""
    names = {c['id']: c['name'] for c in detector.categories}
    document: dict[str, Any] = dict(
        images=[], annotations=[], categories=detector.categories
    )
    with console.progress('detect', len(found.names)) as progress:
        for done, name in enumerate(found.names):
            progress.reach(done)
            try:
                rgb = source.read_rgb(name)
                if reason := detector.why_not(rgb):
                    raise UnreadableImageError(name, reason)
            except UnreadableImageError as error:
                found.problems.add(Outcome.LOST, error.reason, name)
                continue
            if remark := remark_on(rgb):
                found.problems.add(Outcome.NOTE, remark, name)
            # pycocotools takes an id of 0 for none.
            image_id = len(document['images']) + 1
            height, width = rgb.shape[:2]
            document['images'].append(
                dict(id=image_id, file_name=name, width=width, height=height)
            )
            objects = detector.find(rgb)
            first = len(document['annotations']) + 1
            document['annotations'] += [
                dict(id=number, image_id=image_id, **item)
                for number, item in enumerate(objects, start=first)
            ]
            picture = drawing.draw_objects(rgb, objects, names)
            save_picture(picture, _jpeg_name(drawn / name))
        progress.reach(len(found.names))
    return document


def _drawings(labels: Path, drawn: Path) -> set[Path]:
    """Return the pictures that were drawn for a file of detections."""
    if not labels.is_file():
        return set()
    try:
        names = [image['file_name'] for image in read_json(labels)['images']]
    except (ValueError, LookupError, TypeError):
        return set()  # it is replaced, whatever it holds
    files = {_jpeg_name(drawn / str(name)) for name in names}
    # Somebody may have edited the names.
    return {
        file for file in files if drawn.resolve() in file.resolve().parents
    }


def _jpeg_name(file: Path) -> Path:
    """Return the name of a drawn picture: its own if that is a JPEG's."""
    if file.suffix.lower() in ('.jpg', '.jpeg'):
        return file
    if len(os.fsencode(file.name)) > _LONGEST_NAME:
        return file.with_suffix('.jpg')
    return file.with_name(f'{file.name}.jpg')


def _summarize(
    console: Console,
    document: dict[str, Any],
    score: float,
    problems: Problems,
) -> None:
    """Count pictures and objects, and list what was left out."""
    names = {c['id']: c['name'] for c in document['categories']}
    annotations = document['annotations']
    counts = Counter(names[a['category_id']] for a in annotations)
    by_class = ', '.join(f'{name} {n}' for name, n in counts.most_common())
    console.line(
        f'{counted(len(document["images"]), "picture")}, '
        f'{counted(len(annotations), "object")} with a score of {score:.2f} '
        f'or more{f" ({by_class})" if by_class else ""}'
    )
    if len(problems):
        console.line(str(problems))

"""Find the files of a PASCAL VOC data set, and read those of a split."""

import posixpath
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from mmsoco.images.errors import UnreadableImageError
from mmsoco.images.files_below import files_in
from mmsoco.images.names import is_image
from mmsoco.images.reading import is_turned, read_size
from mmsoco.utils.problems import Outcome, Problems
from mmsoco.utils.texts import decode_text

from .voc_annotation import (
    AnnotationError,
    VocImage,
    base_of,
    read_annotation,
    read_names,
)

LOST, NOTE, REPAIRED = Outcome.LOST, Outcome.NOTE, Outcome.REPAIRED


def find_folders(root: Path) -> tuple[Path, Path]:
    """Return the folders of a data set's annotations and pictures.

    LabelImg and Roboflow write both into one folder.

    Raises:
        FileNotFoundError: If a folder is missing.
    """
    folders = root / 'Annotations', root / 'JPEGImages'
    missing = [folder for folder in folders if not folder.is_dir()]
    if not missing:
        return folders
    if len(missing) == len(folders) and _annotation_names(root):
        return root, root
    raise FileNotFoundError(
        f'{missing[0]} is missing; expected a PASCAL VOC data set with '
        'Annotations/ and JPEGImages/, or a folder with pictures and their '
        'XML files. Export or convert other labels (YOLO, Labelme) to COCO '
        'JSON'
    )


def _annotation_names(folder: Path) -> set[str]:
    return {
        name
        for name in files_in(folder)
        if name.lower().endswith('.xml') and not name.startswith('.')
    }


class VocFolder:
    """The files of one data set.

    Args:
        root: Its folder.
        problems: Collects the problems.

    Attributes:
        annotations: The folder of its annotations.
        pictures: The folder of its pictures.
        stems: Names of the annotations without their ending.

    Raises:
        FileNotFoundError: If a folder is missing, or there is no annotation.
    """

    def __init__(self, root: Path, problems: Problems) -> None:
        self.root = root
        self.problems = problems
        self.annotations, self.pictures = find_folders(root)
        self.stems = {
            name[: -len('.xml')]
            for name in _annotation_names(self.annotations)
        }
        if not self.stems:
            raise FileNotFoundError(
                f'no *.xml in {self.annotations}; expected a PASCAL VOC data '
                'set'
            )
        self._pictures: dict[str, str] = {}
        for name in sorted(files_in(self.pictures), reverse=True):
            if is_image(name) and not name.startswith('.'):
                self._pictures[posixpath.splitext(name)[0]] = name
                self._pictures[name] = name

    def annotation(self, stem: str) -> Path:
        """Return the path of an annotation."""
        path = self.annotations / f'{stem}.xml'
        return path if path.exists() else path.with_suffix('.XML')

    def picture(self, stem: str, named: str) -> str:
        """Find the picture of an annotation.

        Data sets that were renamed often keep the old name inside of their
        XML files, so the name of the XML file itself comes first. Of a path
        only the last part counts: no name leaves the folder.

        Args:
            stem: Name of the annotation, without its ending.
            named: The name that it has for its picture, '' if none.

        Raises:
            AnnotationError: If no picture has either name.
        """
        base = base_of(named)
        first = (base,) if posixpath.splitext(base)[0] == stem else ()
        for key in (*first, stem, base, posixpath.splitext(base)[0]):
            if key in self._pictures:
                return self._pictures[key]
        raise AnnotationError(
            f'no picture for it in {self.pictures.name}',
            f'looked for {stem}.jpg (or another ending) and {base!r}',
        )

    def size(self, picture: str) -> tuple[int, int]:
        """Return the (height, width) of a picture.

        Raises:
            AnnotationError: If it cannot be read.
        """
        try:
            return read_size(self.pictures / picture)
        except UnreadableImageError as error:
            raise AnnotationError(
                'its picture cannot be read', f'{picture}, {error.reason}'
            ) from None

    def split(self, split: str | None) -> list[str]:
        """List the annotations of a split, all of them without a split.

        Raises:
            FileNotFoundError: If the split's list is missing.
            ValueError: If the list is not text.
        """
        if split is None:
            return sorted(self.stems)
        path = self.root / 'ImageSets' / 'Main' / f'{split}.txt'
        if not path.is_file():
            there = sorted(p.stem for p in path.parent.glob('*.txt'))
            raise FileNotFoundError(f'{path} is missing; there are {there}')
        try:
            lines = decode_text(path.read_bytes()).split('\n')
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from None
        found: dict[str, None] = {}
        for line in filter(None, map(str.strip, lines)):
            stem = self._stem(line)
            if stem is None:
                what = 'listed, but there is no annotation of it'
                self.problems.add(LOST, what, f'{line} in {path.name}')
            elif stem in found:
                self.problems.add(NOTE, 'listed twice: taken once', line)
            else:
                found[stem] = None
        return list(found)

    def _stem(self, line: str) -> str | None:
        """Return the annotation that a line of a list names.

        Lists of one class have a second column; lists of other tools have
        folders and endings.
        """
        for name in (line, line.rsplit(maxsplit=1)[0], line.split()[0]):
            base = posixpath.basename(name.strip().replace('\\', '/'))
            for stem in (base, posixpath.splitext(base)[0]):
                if stem in self.stems:
                    if name != base or stem != base:
                        what = 'list entry with a folder or an ending: cut'
                        self.problems.add(REPAIRED, what, line)
                    return stem
        return None

    def read(self, stems: Iterable[str]) -> list[VocImage]:
        """Read annotations; those that cannot be read are left out."""
        images = []
        taken: set[str] = set()
        for stem in stems:
            path = self.annotation(stem)
            try:
                image = read_annotation(
                    path,
                    partial(self.picture, stem),
                    self.size,
                    lambda name: is_turned(self.pictures / name),
                    self.problems,
                )
            except (AnnotationError, OSError) as error:
                what = getattr(error, 'what', 'the file cannot be read')
                detail = getattr(error, 'detail', str(error))
                where = f'{path.name}: {detail}' if detail else path.name
                self.problems.add(LOST, f'{what}: picture left out', where)
            else:
                if image.file_name in taken:
                    what = 'another annotation of the same picture: left out'
                    where = f'{path.name} of {image.file_name}'
                    self.problems.add(LOST, what, where)
                    continue
                taken.add(image.file_name)
                images.append(image)
        return images

    def class_names(self) -> set[str]:
        """Return the classes of all annotations that can be read.

        What is wrong in other splits is their own matter.
        """
        names: set[str] = set()
        for stem in self.stems:
            try:
                names |= read_names(self.annotation(stem))
            except (AnnotationError, OSError):
                continue
        return names

"""Manage the folder of a run: its paths, its manifest and its lock."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmsoco.checkpoints.newest import WORK_DIR_NAME
from mmsoco.utils.files import write_json
from mmsoco.utils.locks import LOCK_NAME, FolderLock
from mmsoco.version import __version__
from mmsoco.workflow.settings import as_option

MANIFEST_NAME = 'manifest.json'
_FORMAT = 1
# Parts of a manifest that are objects, and numbers of a plan.
_REQUIRED = ('images', 'settings', 'steps')
_PARTS = (*_REQUIRED, 'filter', 'plan', 'measured', 'exported', 'metrics')
_COUNTS = ('epochs', 'steps_per_epoch', 'batch_size')
PRETRAINING = 'pretraining'
# The folder, within a run's, of the rounds before it.
ROUNDS = 'rounds'


class RunFolder:
    """The folder that one run writes to, and its manifest.

    The manifest is a JSON file with the pictures of the run (``images``), its
    options (``settings``), intermediate results (``filter``, ``measured``,
    ``plan``), and the finished steps (``steps``).

    Args:
        path: The folder; it need not exist.
        kind: What kind of run it holds, such as ``pretraining``.

    Attributes:
        manifest: The content of the manifest; empty before `begin`.

    Raises:
        NotADirectoryError: If ``path`` is a file.
        FileExistsError: If the folder holds something else.
        ValueError: If the manifest is damaged.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self.kind = kind
        self.manifest: dict[str, Any] = {}
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(
                f'expected a folder for the run, but {path} is a file; '
                'choose another --out'
            )
        if self.manifest_path.is_file():
            self.manifest = read_manifest(self.manifest_path, kind)
        elif path.is_dir() and any(
            name not in (LOCK_NAME, ROUNDS) for name in os.listdir(path)
        ):
            raise FileExistsError(
                f'{path} holds files, but no run ({self.manifest_path.name} '
                'is not there); choose an empty or a new folder for --out'
            )

    @property
    def manifest_path(self) -> Path:
        """The manifest."""
        return self.path / MANIFEST_NAME

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints: the work dir of the training."""
        return self.path / WORK_DIR_NAME

    @property
    def logs(self) -> Path:
        """The folder of the logs."""
        return self.path / 'logs'

    def lock(self) -> FolderLock:
        """Return a lock on the folder, as a context manager."""
        return FolderLock(self.path, f'running a {self.kind}', '--out')

    def refuse_other(
        self, identity: Mapping[str, Any], given: Mapping[str, Any]
    ) -> None:
        """Refuse a call for another run than the existing one, if any.

        Args:
            identity: What the run is of, by name: its pictures.
            given: The settings that were given. Those not given stay as
                they are.

        Raises:
            FileExistsError: If the folder holds a run of something else, or
                one with other settings; the message names them.
        """
        if self.manifest:
            _refuse_other_images(self.path, self.manifest['images'], identity)
            _refuse_other_settings(self.path, self.manifest['settings'], given)

    def begin(
        self, identity: Mapping[str, Any], given: Mapping[str, Any]
    ) -> None:
        """Begin a run, or continue the existing one.

        Args:
            identity: See `refuse_other`.
            given: See `refuse_other`.

        Raises:
            FileExistsError: See `refuse_other`.
            OSError: If the manifest could not be written.
        """
        self.refuse_other(identity, given)
        if not self.manifest:
            self.manifest = dict(
                format=_FORMAT,
                kind=self.kind,
                mmsoco=__version__,
                images=dict(identity),
                settings=dict(given),
                steps={},
            )
        self.save(images=dict(identity))  # they may have been moved

    def save(self, **entries: Any) -> None:
        """Add values to the manifest and write it.

        Raises:
            OSError: If it could not be written.
        """
        self.manifest.update(entries)
        write_json(
            self.manifest_path, self.manifest, indent=2, ensure_ascii=False
        )

    def is_done(self, step: str, *outputs: Path) -> bool:
        """Return whether a step is done: it is noted, and its files exist."""
        done = step in self.manifest.get('steps', {})
        return done and all(path.exists() for path in outputs)

    @contextmanager
    def reads(self, part: str) -> Iterator[None]:
        """Name the part of the manifest that is not as a run writes it.

        Args:
            part: The part that is read.

        Raises:
            ValueError: In place of what the code within raises on it.
        """
        try:
            yield
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(
                f'{self.manifest_path} is damaged or of another release: its '
                f'{part} is not as expected ({error}); restore the file, or '
                'choose another --out'
            ) from error

    def note(self, step: str, seconds: float, **values: Any) -> None:
        """Note that a step is done; later steps must be run again."""
        self.forget(step)
        self.manifest['steps'][step] = dict(
            seconds=round(seconds, 1), **values
        )
        self.save()

    def forget(self, step: str) -> None:
        """Mark a step and all later ones as not done; nothing is written."""
        steps = self.manifest['steps']
        names = list(steps)
        if step in names:
            for later in names[names.index(step) :]:
                del steps[later]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which the run was begun."""
        return self.manifest['settings']


def read_manifest(
    path: Path,
    kind: str,
    remedy: str = 'move the folder away or choose another --out',
) -> dict[str, Any]:
    """Read the manifest of a run.

    Args:
        path: The manifest.
        kind: The kind of run that is expected.
        remedy: What to do otherwise, for the messages.

    Raises:
        ValueError: If it is damaged.
        FileExistsError: If it belongs to another kind of run.
    """
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
        found = manifest['kind'], manifest['format']
        _check_outline(manifest)
    except KeyError as error:
        raise ValueError(
            f'{path} is damaged ({error} is missing); {remedy}'
        ) from error
    except (ValueError, TypeError) as error:
        raise ValueError(f'{path} is damaged ({error}); {remedy}') from error
    if found != (kind, _FORMAT):
        raise FileExistsError(
            f'{path.parent} holds a run of another kind: expected {kind} in '
            f'format {_FORMAT}, got {found[0]} in format {found[1]}; {remedy}'
        )
    return manifest


def _check_outline(manifest: Mapping[str, Any]) -> None:
    """Raise KeyError or TypeError on parts that a run would not write."""
    for name in _PARTS:
        optional = name not in _REQUIRED
        value = manifest.get(name) if optional else manifest[name]
        if not isinstance(value, dict) and not (optional and value is None):
            raise TypeError(f'its {name} is {value!r}')
    for name, step in manifest['steps'].items():
        if not isinstance(step, dict):
            raise TypeError(f'its steps.{name} is {step!r}')
    for name in _COUNTS:
        number = (manifest.get('plan') or {}).get(name, 1)
        if type(number) is not int or number < 1:
            raise TypeError(f'its plan.{name} is {number!r}')


class PretrainingParts(NamedTuple):
    """The paths in a pretraining that other commands need.

    Attributes:
        store: Its proposals.
        config: The config of its training, which exists once that begins.
        images: Folder or tar file of its pictures.
    """

    store: Path
    config: Path
    images: Path


def read_pretraining(run: Path) -> dict[str, Any]:
    """Read the manifest of a pretraining that a user names.

    Args:
        run: Its folder.

    Raises:
        FileNotFoundError: If the folder holds no run.
        FileExistsError: If it holds a run of another kind.
        ValueError: If the manifest is damaged.
    """
    manifest = run / MANIFEST_NAME
    remedy = 'give the folder that `mmsoco pretrain ... --out` wrote'
    if not manifest.is_file():
        raise FileNotFoundError(
            f'{run} holds no pretraining (there is no {MANIFEST_NAME}); '
            f'{remedy}'
        )
    return read_manifest(manifest, PRETRAINING, remedy)


def find_parts(run: Path) -> PretrainingParts:
    """Find the proposals, config and pictures of a pretraining.

    Args:
        run: Its folder; the training need not be finished.

    Raises:
        FileNotFoundError: If the folder holds no run, or no proposals yet.
        FileExistsError: If it holds a run of another kind.
        ValueError: If its manifest is damaged.
    """
    images = Path(read_pretraining(run)['images']['folder'])
    parts = PretrainingParts(
        run / 'proposals.arrow', run / 'pretrain.py', images
    )
    if not parts.store.is_file():
        raise FileNotFoundError(
            f'the pretraining in {run} has no {parts.store.name} yet; '
            'run `mmsoco pretrain` again with the same folder to continue it'
        )
    return parts


def find_manifests(path: Path, kind: str, step: str) -> list[Path]:
    """Find the runs of a kind that are in a folder and have done a step.

    Returns:
        Their folders, sorted by name.
    """
    found = []
    for manifest in sorted(path.glob(f'*/{MANIFEST_NAME}')):
        try:
            content = read_manifest(manifest, kind)
        except (ValueError, FileExistsError):
            continue  # another kind, or damaged
        if step in content['steps']:
            found.append(manifest.parent)
    return found


def _refuse_other_images(
    path: Path, begun: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    # The folder may have been moved: the files are compared later.
    different = [
        f'{name} {begun.get(name) or "none"}, now {value or "none"}'
        for name, value in wanted.items()
        # Manifests of earlier releases lack some names.
        if begun.get(name, value) != value and name not in ('sha256', 'folder')
    ]
    if not different and begun.get('sha256') != wanted.get('sha256'):
        different = ['the same number of pictures under other names']
    of = 'pictures' if 'sha256' in wanted else 'labels or weights'
    if different:
        raise FileExistsError(
            f'{path} holds a run of other {of}: {"; ".join(different)}. '
            f'Choose another --out for these {of}, or remove the folder'
        )


def _refuse_other_settings(
    path: Path, begun: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    before, now = as_options(begun), as_options(given)
    different = [
        f'{option} was {_shown(before.get(option))}, now {value}'
        for option, value in now.items()
        if before.get(option) != value
    ]
    if different:
        raise FileExistsError(
            f'{path} holds a run with other settings: '
            f'{"; ".join(different)}. To continue that run, leave these '
            'options out (they are kept); for the new settings, choose '
            'another --out, or remove the folder'
        )


def as_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by the options that a user types."""
    options = {}
    for name, value in settings.items():
        if name == 'cfg_options':
            options.update(
                {f'--cfg-options {key}': item for key, item in value.items()}
            )
        elif isinstance(value, Mapping):  # limits of the filter
            options.update(as_options(value))
        else:
            options[as_option(name)] = value
    return options


def _shown(value: Any) -> Any:
    return 'not given' if value is None else value

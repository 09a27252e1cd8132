"""The recipes of this repository: names and docstrings of their configs."""

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
CONFIGS = REPO / 'configs'
# The fields of a config's name; configs/README.md has the grammar.
PRETRAINING_NAME = re.compile(
    r'(?P<algorithm>[^_]+)_(?P<detector>[^_]+)_(?P<body>[^_]+)_'
    r'(?P<processes>\d+)xb(?P<batch>\d+)-(?:(?P<speed>amp-compile)-)?'
    r'coslr-(?P<epochs>\d+)e_(?P<data>.+)'
)
FINETUNING_NAME = re.compile(
    r'(?P<detector>[^_]+)_(?P<body>[^_]+)_(?P<start>[^_]+)_'
    r'(?P<processes>\d+)xb(?P<batch>\d+)-'
    r'(?P<recipe>(?:soco-)?)(?P<schedule>\d+[xek])_(?P<data>.+)'
)
# Data by the last field of a name, in the order of the tables.
DATA = {
    'in1k': 'ImageNet-1k',
    'coco': 'COCO',
    'lvis-v1': 'LVIS v1',
    'voc0712': 'PASCAL VOC 07+12',
    'cityscapes': 'Cityscapes',
    'coco-1pct': '1 % of COCO',
    'coco-2pct': '2 % of COCO',
    'coco-5pct': '5 % of COCO',
    'coco-10pct': '10 % of COCO',
    'custom': 'your own',
}
PRETRAINING_DATA = dict(DATA, coco='COCO train + unlabeled')
NOT_RUN = 'not run'


@dataclass(frozen=True)
class Leaf:
    """A config that runs: its path, and what its docstring says."""

    path: Path

    @cached_property
    def docstring(self) -> list[str]:
        """The lines of the docstring."""
        text = ast.get_docstring(ast.parse(self.path.read_text()))
        return (text or '').split('\n')

    @property
    def title(self) -> str:
        """The first line of the docstring, without its period."""
        return self.docstring[0].rstrip('.')

    @cached_property
    def fields(self) -> dict[str, str]:
        """The text under ``paper:``, ``reported:`` and the like."""
        found: dict[str, str] = {}
        name = None
        for line in self.docstring:
            head, colon, rest = line.partition(':')
            if colon and head.isidentifier():
                name = head
                found[name] = rest.strip()
            elif name:
                found[name] += ' ' + line.strip()
        return found

    @property
    def reported(self) -> tuple[float, float] | None:
        """Box and mask AP that the authors reported, if they did."""
        numbers = re.match(
            r'(\d+\.\d) box AP, (\d+\.\d) mask AP', self.fields['reported']
        )
        return numbers and (float(numbers[1]), float(numbers[2]))

    @property
    def ours(self) -> str:
        """What was measured with this package."""
        return self.fields.get('ours', NOT_RUN)

    def parsed(self, grammar: re.Pattern) -> dict[str, str]:
        """Return the fields of the name.

        Raises:
            ValueError: The name does not follow the grammar.
        """
        match = grammar.fullmatch(self.path.stem)
        if match is None:
            raise ValueError(
                f'{self.path}: expected a name like {grammar.pattern}, see '
                'configs/README.md'
            )
        return match.groupdict()


def leaves(folder: str) -> list[Leaf]:
    """Return the configs below ``configs/FOLDER`` that say how to run."""
    paths = sorted((CONFIGS / folder).rglob('*.py'))
    return [Leaf(path) for path in paths if 'command:' in path.read_text()]

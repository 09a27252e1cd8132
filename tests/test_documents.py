"""What the documents tell readers to type and to open exists.

The commands are parsed by the parsers of the verbs, not run: a wrong verb,
option or number of arguments shows.
"""

import ast
import importlib
import re
import shlex

import pytest
from outside_pages import MADE

from mmsoco.cli.convert import CONVERSIONS
from mmsoco.cli.main import known_verbs, parser_of, resolve_out

DOCUMENTS = (
    'README.md',
    'CONTRIBUTING.md',
    'data/README.md',
    'docs/**/*.md',
    'configs/**/README.md',
)
# Paths of the repository that a text names; upper case stands for the
# reader's own, such as configs/soco/CONFIG.py.
PATHS = re.compile(
    r'(?<![\w./-])(?:configs|tools|docs|tests|mmsoco)/[\w./-]+\.(?:py|sh|md)\b'
)
# Scripts of other packages that the documents mention.
OTHERS = {
    'tests/_commands/test_common_helpers.py',
    'tests/_debug/test_nan_capture.py',
    'tests/test_checkpoint_saver.py',
    'tests/test_engine.py',
    'tests/test_state_checkpointing.py',
    'tests/utils/test_auto_resumer.py',
    'tools/dataset_converters/cityscapes.py',
}


@pytest.fixture(scope='module')
def documents(repo_dir):
    """The texts of the documents by their names."""
    paths = [
        path
        for glob in DOCUMENTS
        for path in repo_dir.glob(glob)
        if not MADE & {*path.parts}
    ]
    assert len(paths) > 8
    return {
        str(path.relative_to(repo_dir)): path.read_text('utf-8')
        for path in paths
    }


@pytest.fixture(scope='module')
def helps():
    """The help texts of the verbs and conversions by their modules."""
    modules = [f'mmsoco.cli.{verb}' for verb in known_verbs()]
    modules += [
        f'mmsoco.cli.conversions.{name}' for name in CONVERSIONS.values()
    ]
    return {name: importlib.import_module(name).__doc__ for name in modules}


def typed_lines(text: str) -> list[str]:
    """Return the lines of code blocks, continued ones joined."""
    text = text.replace('\\\n', ' ')
    fenced = re.findall(r'^```\w*\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r'^(?: {4}| {2})\S.*', text, re.MULTILINE)
    lines = '\n'.join([*fenced, *indented]).splitlines()
    return [line.strip() for line in lines]


def own_commands(text: str) -> set[str]:
    """Return the commands of mmsoco in the code blocks of a text."""
    return {
        line
        for line in typed_lines(text)
        if line.startswith('mmsoco ') and not line.endswith(' ...')
    }


def read_command(line: str) -> None:
    """Parse a command; raise SystemExit where its verb refuses it."""
    _, verb, *arguments = shlex.split(line, comments=True)
    if verb.startswith('-'):
        return
    assert verb in known_verbs(), f'no verb {verb}'
    parser = parser_of(verb, importlib.import_module(f'mmsoco.cli.{verb}'))
    resolve_out(parser, parser.parse_args(arguments))


def refusals(texts: dict[str, str], capsys: pytest.CaptureFixture) -> list:
    """Return the commands of texts that their verbs refuse, with reasons."""
    refused = []
    for name, text in texts.items():
        for line in own_commands(text):
            try:
                read_command(line)
            except (SystemExit, AssertionError) as error:
                if getattr(error, 'code', 1):  # 0 after --help
                    reason = capsys.readouterr().err or str(error)
                    refused.append((name, line, reason.splitlines()[0]))
    return refused


def test_commands_of_the_documents_are_understood(documents, capsys):
    assert sum(len(own_commands(text)) for text in documents.values()) > 15
    assert refusals(documents, capsys) == []


def test_examples_of_the_helps_are_understood(helps, capsys):
    assert all(own_commands(text) for text in helps.values())
    assert refusals(helps, capsys) == []


def test_commands_of_written_configs_are_understood(capsys):
    """The docstrings of the configs that `mmsoco pretrain` leaves."""
    from mmsoco.workflow import finetune_config, finish, pretrain_config

    written = {
        'pretrain.py': pretrain_config.PRETRAIN_DOCSTRING,
        'finetune.py': finish.FINETUNE_DOCSTRING,
        'finetune/finetune.py': finetune_config.DOCSTRING,
    }
    texts = {
        name: re.sub('^command: +', '    ', text, flags=re.MULTILINE)
        for name, text in written.items()
    }
    assert all(own_commands(text) for text in texts.values())
    assert refusals(texts, capsys) == []


def test_wrong_commands_would_be_found(capsys):
    wrong = (
        'mmsoco propos pictures --out a.arrow',
        'mmsoco propose pictures --output a.arrow',
        'mmsoco propose pictures',
    )
    text = '```bash\n' + '\n'.join(wrong) + '\n```\n'

    refused = refusals({'a text': text}, capsys)

    assert {line for _, line, _ in refused} == set(wrong)


def test_options_named_in_the_text_exist(documents, helps):
    """Options in backquotes belong to a verb or to a script of tools/."""
    known = {'--help', '--version'}
    known |= {'--index-url'}  # pip
    known |= {'--inplace'}  # jupyter execute
    known |= {'--kill-on-bad-exit', '--preserve-status'}  # srun, timeout
    # python -m mmsoco.comparison.report
    known |= {'--html', '--markdown', '--figure'}
    for verb in known_verbs():
        module = importlib.import_module(f'mmsoco.cli.{verb}')
        known |= set(parser_of(verb, module)._option_string_actions)
    for name in helps:
        if '.conversions.' in name:
            module = importlib.import_module(name)
            known |= set(parser_of(name, module)._option_string_actions)
    missing = {
        (name, option)
        for name, text in documents.items()
        if name != 'docs/benchmarks.md'  # options of tools/benchmarks
        for span in re.findall(r'`([^`\n]+)`', text)
        for option in re.findall(r'(?<![\w-])--[a-z][\w-]+', span)
        if option not in known
    }
    assert missing == set()


def test_paths_and_links_lead_somewhere(documents, helps, repo_dir):
    missing = []
    for name, text in {**documents, **helps}.items():
        folder = (repo_dir / name).parent
        links = re.findall(r'\]\(([^)#\s]+)', text)
        wanted = [folder / link for link in links if '://' not in link]
        wanted += [
            repo_dir / path
            for path in PATHS.findall(text)
            if not re.search('[A-Z]{3}', path) and path not in OTHERS
        ]
        missing += [(name, path) for path in wanted if not path.exists()]
    assert missing == []


def test_python_blocks_are_python(documents):
    blocks = [
        block
        for text in documents.values()
        for block in re.findall(r'^```python\n(.*?)^```', text, re.M | re.S)
    ]
    assert blocks
    for block in blocks:
        ast.parse(block)


def broken_rows(text: str) -> list[str]:
    """Return the rows of tables that have not as many cells as their head."""
    text = re.sub(r'^```.*?^```', '', text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r'<!--.*?-->', '', text)
    broken = []
    for lines in re.findall(r'(?:^\|.*\n(?:(?=\S).+\n)*)+', text, re.M):
        head, *rows = lines.splitlines()
        cells = len(re.findall(r'(?<!\\)\|', head))
        broken += [
            row
            for row in rows
            if len(re.findall(r'(?<!\\)\|', row)) != cells
            or not row.startswith('|')
        ]
    return broken


def test_rows_of_tables_are_whole(documents):
    """A row that a rewrapping broke is shown as text below the table."""
    assert {name: broken_rows(text) for name, text in documents.items()} == {
        name: [] for name in documents
    }


def test_broken_rows_would_be_found():
    good = '| a | b |\n|---|---|\n| 1 | 2 \\| 3 |\n\nText | with a bar.\n'
    split = '| a | b |\n|---|---|\n| 1 | two\nlines |\n| 3 | 4 |\n'

    assert broken_rows(good) == []
    assert broken_rows(split) == ['| 1 | two', 'lines |']

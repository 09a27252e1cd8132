"""The site, built by Sphinx: `make docs` writes it to docs/_build/html."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from outside_pages import site_text  # noqa: E402

import mmsoco  # noqa: E402

project = 'mmsoco'
author = 'The mmsoco contributors'
copyright = author
version = release = mmsoco.__version__

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'sphinx_copybutton',
    'sphinx_design',
]
templates_path = ['_templates']
exclude_patterns = ['_build', 'notebooks/runs', '**.ipynb_checkpoints']

# Pages in Markdown; headings can be linked to as on GitHub.
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 4
# The notebooks keep the output of their last run; a test runs them.
nb_execution_mode = 'off'

# The API reference, from docstrings.
autosummary_generate = True
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
napoleon_use_ivar = True
napoleon_use_rtype = False
# Names in backquotes become links where they can be imported.
default_role = 'autolink'
# Other packages' names cannot be looked up without a network. Private names
# have no entry, nor do names that a package re-exports from its modules.
nitpick_ignore_regex = [
    (r'py:.*', r'(?!mmsoco\.).*'),
    (r'py:.*', r'mmsoco\..*\._\w+'),
    (r'py:obj', r'mmsoco\.[a-z]+\.\w+'),
]

html_theme = 'furo'
html_title = f'mmsoco {release}'
# What is copied from a code block starts without the prompt.
copybutton_prompt_text = '$ '


def show_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Hand Sphinx the text of a Markdown page, see `outside_pages`."""
    page = DOCS / f'{name}.md'
    if page.is_file():
        source[0] = site_text(page)


def setup(app: Sphinx) -> None:
    """Register the hook."""
    app.connect('source-read', show_page)

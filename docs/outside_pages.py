"""Show Markdown files from outside of docs/ as pages of the site.

A page that holds one link to a Markdown file and nothing else, such as
``model_zoo/names.md``, stands for that file: the site shows the file's text
in its place. Links are written for readers of the repository; for the site
they are turned into links between pages.
"""

import os
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
# What builds and notebooks leave in docs/; git ignores it.
MADE = {'_build', 'generated', 'runs'}
STAND_IN = re.compile(r'\s*\[[^\]]*\]\((?P<file>[^)\s]+\.md)\)\s*')
LINK = re.compile(
    r'\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)'
)


def pages() -> list[Path]:
    """Return the Markdown pages of the site."""
    found = sorted(DOCS.rglob('*.md'))
    return [p for p in found if not MADE & {*p.relative_to(DOCS).parts}]


def shown_file(page: Path) -> Path:
    """Return the file that a page stands for: mostly the page itself."""
    found = STAND_IN.fullmatch(page.read_text('utf-8'))
    return (page.parent / found['file']).resolve() if found else page


def site_text(page: Path) -> str:
    """Return the Markdown that the site shows as a page.

    Args:
        page: A Markdown file below docs/.

    Returns:
        Its text, or that of the file that it stands for. Links to a file
        that is a page lead to that page. Links to other files are relative
        to ``page``. Links to folders are left out: the site has none.
    """
    shown = {shown_file(other): other for other in pages()}
    origin = shown_file(page)

    def relink(link: re.Match) -> str:
        target = origin.parent / link['target']
        if not target.exists():  # an address, or a link within the page
            return link[0]
        if target.is_dir():
            return link['text']
        target = target.resolve()
        target = shown.get(target, target)
        path = os.path.relpath(target, page.parent)
        return f'[{link["text"]}]({path}{link["anchor"] or ""})'

    return LINK.sub(relink, origin.read_text('utf-8'))

"""Check for packages that only a part of mmsoco needs (extras)."""

import importlib.util

# Names to import, by the extra that installs them.
EXTRAS = {
    'demo': ('skimage', 'sklearn'),
    'report': ('jinja2', 'markupsafe', 'matplotlib', 'sklearn'),
}


def require_extra(name: str) -> None:
    """Check that the packages of an extra are installed, without an import.

    Args:
        name: A key of ``EXTRAS``.

    Raises:
        ModuleNotFoundError: If one is missing.
    """
    missing = [
        module
        for module in EXTRAS[name]
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise ModuleNotFoundError(
            f'this needs {" and ".join(missing)}, which the extra "{name}" of '
            f'mmsoco brings: pip install "mmsoco[{name}]"',
            name=missing[0],
        )

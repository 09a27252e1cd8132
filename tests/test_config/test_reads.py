"""The keys that a class reads from dicts without a type."""

import sys
import types

from mmsoco.config.reads import keys_read


def test_a_function_that_was_made_from_a_text_is_passed_over(monkeypatch):
    """Such a function, as torch makes them, has no module."""
    module = types.ModuleType('odd_package')
    exec('class Head: pass\ndef made(cfg): return cfg.x', vars(module))
    module.made.__module__ = None
    monkeypatch.setitem(sys.modules, 'odd_package', module)
    # The source of such a module is not available.
    assert keys_read([module.Head]) is None

"""Helpers without images or models: files, checks, the machine.

Importing a module of this package imports only the standard library.
"""

from .setup_env import register_all_modules

__all__ = ['register_all_modules']

"""Helpers that know nothing of images or models: files, checks, the machine.

Importing a module of this room imports the standard library only.
"""

from .setup_env import register_all_modules

__all__ = ['register_all_modules']

"""Helpers that know nothing of images or models: files, checks, the machine.

Importing a module of this room imports the standard library only.
"""

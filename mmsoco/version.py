"""The version of mmsoco, read by the package metadata and written into files.

Proposal stores and exported checkpoints record it.
"""

__version__ = '0.1.0'

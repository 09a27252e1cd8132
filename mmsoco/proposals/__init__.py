"""Object proposals, made once and offline: images -> regions -> store.

This room knows no model: it imports neither torch nor any OpenMMLab package,
so that a worker process starts in well under a second. Import from the
modules: ``images`` (listing and reading), ``selective_search`` (regions),
``filters`` (regions to proposals), ``store`` (the file on disk), ``generate``
(a whole folder, in parallel) and ``convert`` (other layouts).
"""

"""Object proposals, made once and offline: images -> regions -> store.

This package knows no model: it imports neither torch nor any package of
OpenMMLab, so that a worker process starts in well under a second. Import from
the modules: ``search`` (regions), ``filters`` (regions to proposals),
``store`` (the file on disk), ``generation`` (a whole folder, in parallel),
``rework`` (merge and filter again) and ``convert`` (other layouts).
"""

"""Longer jobs in resumable steps."""

"""Evaluate weights and proposals on labeled boxes."""

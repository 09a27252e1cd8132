"""Weights in and out: loading, exporting, converting, reporting."""

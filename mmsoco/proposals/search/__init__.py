"""Selective search: from pixels to regions, in compiled kernels."""

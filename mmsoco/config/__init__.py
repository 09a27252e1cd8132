"""Read configs, and refuse keys that nothing reads.

Importing this package imports no torch: a wrong key is reported at once.
"""

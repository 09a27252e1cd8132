"""Read configs, and refuse keys that nothing reads.

Importing this room imports no torch: a wrong key is reported at once.
"""

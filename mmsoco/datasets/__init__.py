"""Turn images and proposals into samples with views.

Import from the modules: the converters of this package do not need torch.
"""

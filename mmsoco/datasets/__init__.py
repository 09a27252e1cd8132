"""Turn images and proposals into samples with views.

Import from the modules: the converters of this room do not need torch.
"""

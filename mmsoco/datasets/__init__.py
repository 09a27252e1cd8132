"""Images and proposals become samples with views.

Import from the modules: the converters of this room do not need torch.
"""

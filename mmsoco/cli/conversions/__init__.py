"""The conversions of `mmsoco convert`, one module each, like the verbs."""

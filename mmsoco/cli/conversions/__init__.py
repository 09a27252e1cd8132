"""The conversions of `mmsoco convert`, each a module like that of a verb."""

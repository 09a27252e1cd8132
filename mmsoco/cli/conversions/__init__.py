"""What `mmsoco convert` converts: a module each, in the shape of a verb."""

"""The proposals of a whole image set: jobs, their parts, their workers."""

"""Run the whole job on scenes that need no download."""

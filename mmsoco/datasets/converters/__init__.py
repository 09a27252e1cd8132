"""Bring data sets into the layouts that training reads."""

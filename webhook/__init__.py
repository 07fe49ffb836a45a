"""HEARS: the machine endpoint that Google calls."""

"""REMEMBERS: every table, every query, every transaction."""

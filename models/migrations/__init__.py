"""Migrations, oldest first. `postroom migrate` applies them."""

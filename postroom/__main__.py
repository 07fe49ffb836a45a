"""`python -m postroom`, the same as `postroom`."""

from postroom.cli import app

app()

"""SHOWS: the pages of a firm's staff and admin; sign-in; connecting Google."""

"""WORKS: one mailbox's mail, from Gmail's history to a client's activities."""

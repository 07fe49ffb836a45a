"""Metrics and logs, each declared once; no address, subject, body or token in any of them."""

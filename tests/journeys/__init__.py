"""Whole stories with real processes: mail goes in at Google's end, and what is asserted is what people see on the pages.

A package, unlike the other folders of tests: so its house is closed after its own last test, and not at the end of the session.
"""

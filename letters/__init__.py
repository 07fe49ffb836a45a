"""Letters: what Postroom writes to people when they are not looking at its pages."""

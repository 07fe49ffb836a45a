"""CATCHES: what push missed, what is owed, what was never finished. It looks and queues; the pipeline's jobs do the work."""

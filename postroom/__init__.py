"""Puts Postroom together: the command line, the processes of one machine, and the servers they need."""

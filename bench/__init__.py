"""How good the guess is, measured on made-up firms: firms.py and mails.py make them, fit.py finds the weights, evaluate.py measures."""

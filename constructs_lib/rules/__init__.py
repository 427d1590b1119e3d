"""One set of rules over rendered objects."""

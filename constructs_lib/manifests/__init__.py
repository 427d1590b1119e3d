"""Reads and analyzes rendered objects. Plain Python, which does not start Node."""

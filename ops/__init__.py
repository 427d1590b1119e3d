"""Operator commands: `python -m ops --help`."""

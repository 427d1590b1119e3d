"""Commands for people: `python -m ops --help`."""

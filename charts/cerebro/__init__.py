"""The web services."""

"""The commands for a platform that runs."""

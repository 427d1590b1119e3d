"""Tests of the commands that need AWS or a cluster."""

"""Excludes the samples, which are not tests."""

collect_ignore = ["samples"]

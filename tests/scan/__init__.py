"""Runs public scanners; their findings and the waivers must match exactly."""

"""Checks the Dockerfiles in docker/, and builds and runs each image."""

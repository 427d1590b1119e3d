"""The container images of docker/: what their Dockerfiles promise, and a run of each image."""

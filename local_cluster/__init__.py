"""A Kubernetes control plane on this machine, for `make cluster` and the end-to-end tests."""

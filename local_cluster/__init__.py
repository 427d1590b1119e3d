"""A real control plane on this machine, for tests that read like the claims they prove."""

"""`ops review`: report what a change to dist/ will do to the cluster."""

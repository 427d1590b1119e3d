"""What a change to dist/ will do to the running system, object by object: `ops review`."""

"""The review with a cluster as its base: what runs now, against what dist/ would make of it."""

"""What the two namespaces share, and their limits."""

"""What Argo CD syncs, made from the charts declared before it."""

"""`ops review --cluster`: compare a cluster with the result of a sync of dist/."""

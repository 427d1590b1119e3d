"""Facts that more than one room needs: each stands here once, under its own name."""

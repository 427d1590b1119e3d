"""The samples are repositories of other programs; pytest has nothing to collect in them."""

collect_ignore = ["samples"]

"""What keeps a review from being made."""


class ReviewError(Exception):
    """Names the file or revision, says what is wrong and what to do."""

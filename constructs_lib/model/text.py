"""Wording shared by rendered pages and command output."""


def plural(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"

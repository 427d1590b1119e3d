"""Exit statuses and errors of the commands, which `ops.commands` reports."""

from enum import IntEnum


class Status(IntEnum):
    """Exit statuses of the commands; `docs/operations.md` lists them."""

    DONE = 0
    FAILED = 1
    """Refused or failed, or a check found a problem."""
    USAGE = 2
    """Invalid arguments; set by Typer."""
    NOT_CHECKED = 3
    """Nothing failed, but something could not be checked."""
    OVERWROTE = 4
    """The value replaced one that another user wrote at the same time."""
    INTERRUPTED = 130


class OpsError(Exception):
    """An error for the user: what is wrong, and what to do. Contains no secret values.

    Its notes (`add_note`) are printed after it.
    """

    status = Status.FAILED


class CanceledError(Exception):
    """The user declined a prompt, or pressed Ctrl-C."""

    def __init__(self, message: str, status: Status = Status.INTERRUPTED) -> None:
        super().__init__(message)
        self.status = status


class ClusterError(OpsError):
    """The cluster is unreachable or refuses a request."""


class UnreachableError(ClusterError):
    """The cluster did not respond, so it is unknown whether the request took effect."""


class StatusError(ClusterError):
    """The cluster responded with an HTTP status that is not 2xx."""

    def __init__(self, message: str, http_status: int) -> None:
        super().__init__(message)
        self.http_status = http_status

"""The credentials of a kubeconfig. Messages about them contain none."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes.client import Configuration
from urllib3.exceptions import HTTPError

from ops.cluster.connection import ClusterError
from ops.terminal import is_header_value

_HARMLESS = re.compile(
    r"exec: process returned -?\d+"
    r"|exec: failed to decode process output"
    r"|exec: missing [\w ]+ in plugin output"
    r"|exec: malformed \w+\. missing key '\w+'"
    r"|Invalid kube-config file\. (No configuration found|Expected key [\w-]+)"
    r"|Invalid kube-config file\. Expected object with name \S+"
    r"|Invalid base64-encoded string|Incorrect padding"
    r"|\[Errno \d+\] [\w ]+"
    r"|File does not exist"
)
"""What a message may repeat of an error of the library. The rest can be an entry of the kubeconfig,
a key that was pasted as a path, or the output of a credential plugin."""


class Credentials(Configuration):
    """A client configuration with the token as kubectl sends it."""

    def __init__(self, context: str) -> None:
        super().__init__()
        self.context = context

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """Return the `Authorization` header of a request, after the library refreshed the token.

        Raises ClusterError for a token that a header cannot contain: HTTP libraries repeat it in
        their error, or send its lines as headers.
        """
        with captured_errors():  # the former token is still valid for some minutes
            try:
                header = super().get_api_key_with_prefix(identifier, alias)
            except (HTTPError, OSError):
                raise
            except Exception as error:  # noqa: BLE001 as for the kubeconfig
                raise ClusterError(unusable(self.context, error)) from None
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if not is_header_value(token):
            raise ClusterError(
                f"the token of context {self.context} is empty, or has a line break or another "
                "character that HTTP headers do not allow; log in again, or correct it where the "
                "kubeconfig gets it: token, tokenFile or exec"
            )
        return f"{scheme} {token}"


def harmless(error: Exception | str, otherwise: str) -> str:
    """Return what an error says, without any text that can be a credential."""
    mark = getattr(error, "problem_mark", None)
    if mark:
        return f"invalid YAML in line {mark.line + 1}"
    found = _HARMLESS.match(str(error))
    return found[0] if found else otherwise


def unusable(context: str, error: Exception) -> str:
    """Return the message for a context that the library cannot use."""
    return (
        f"the kubeconfig's context {context} cannot be used "
        f"({harmless(error, 'an entry is invalid')}); correct it: `kubectl config view` "
        "hides its tokens and keys"
    )


@contextmanager
def captured_errors() -> Iterator[list[str]]:
    """Capture logged errors instead of printing them: they can contain a credential."""
    logged: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            return True
        logged.append(record.getMessage().strip())
        return False

    root = logging.getLogger()  # the library uses no logger of its own
    root.addFilter(collect)
    try:
        yield logged
    finally:
        root.removeFilter(collect)

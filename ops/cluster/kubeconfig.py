"""A context of the kubeconfig, and its credentials. Messages contain none of them."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, list_kube_config_contexts, new_client_from_config
from urllib3 import Retry
from urllib3.exceptions import HTTPError
from yaml import YAMLError

from catalogue.installation import INSTALLATION
from ops.errors import ClusterError
from ops.terminal import is_header_value

_CLUSTER_NAME = re.compile(r":cluster/([\w-]+)$")
"""The EKS cluster of a context that `aws eks update-kubeconfig` wrote."""
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


def connect(context: str | None, file: str | None = None) -> tuple[str, Any]:
    """Return the name of a context, by default the current one, and its API client.

    Raises ClusterError if the kubeconfig is missing, invalid, or of another cluster.
    """
    file = file or os.environ.get("KUBECONFIG", "~/.kube/config")
    name, cluster = _name_and_cluster(file, context)
    configuration: Any = _Credentials()
    configuration.context = name
    configuration.keep_alive = True  # a log may be silent for hours
    configuration.retries = Retry(3, read=1)
    new_client: Any = new_client_from_config
    with _captured_errors() as logged:
        try:
            client = new_client(file, name, client_configuration=configuration)
        except Exception as error:  # noqa: BLE001 the library raises any for an invalid file
            raise _unusable(name, error) from None
    if logged:  # the library only logs a failed credential plugin
        raise ClusterError(
            f"cannot get the credentials of context {name}: "
            f"{_harmless(logged[-1], 'the output of the credential plugin is invalid')}; log in "
            f"again. `kubectl auth whoami --context {name}` shows the plugin's message"
        )
    wanted, found = INSTALLATION.cluster_name, _CLUSTER_NAME.search(cluster)
    if wanted and found and wanted != found[1]:
        raise ClusterError(
            f"context {name} belongs to cluster {found[1]}, but the installation uses {wanted}; "
            "choose another context with --context"
        )
    return name, client


def _name_and_cluster(file: str, context: str | None) -> tuple[str, str]:
    """Return the names of a context and of its cluster."""
    read: Any = list_kube_config_contexts
    try:
        contexts, current = read(config_file=file)
    except (ConfigException, YAMLError, OSError, ValueError, TypeError) as error:
        if context is not None:  # listing needs a current context, connecting by name does not
            return context, ""
        raise ClusterError(
            f"cannot get the current context of {file} "
            f"({_harmless(error, 'it is not a valid kubeconfig')}); run `aws eks update-kubeconfig "
            "--name <cluster>`, or choose a context with --context"
        ) from None
    known = {entry["name"]: entry for entry in contexts}
    chosen = current if context is None else known.get(context)
    if not chosen:
        raise ClusterError(
            f"the kubeconfig has no context {context}; use one of: {', '.join(known)}"
        )
    return str(chosen["name"]), str(chosen["context"].get("cluster", ""))


class _Credentials(Configuration):
    """A client configuration with the token as kubectl sends it."""

    context: str

    def get_api_key_with_prefix(self, identifier: str, alias: str | None = None) -> str | None:
        """Return the `Authorization` header of a request, after the library refreshed the token.

        Raises ClusterError for a token that a header cannot contain: HTTP libraries repeat it in
        their error, or send its lines as headers.
        """
        with _captured_errors():  # the former token is still valid for some minutes
            try:
                header = super().get_api_key_with_prefix(identifier, alias)
            except (HTTPError, OSError):
                raise
            except Exception as error:  # noqa: BLE001 as for the kubeconfig
                raise _unusable(self.context, error) from None
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if not is_header_value(token.strip()):
            raise ClusterError(
                f"the token of context {self.context} is empty, or has a line break or another "
                "character that HTTP headers do not allow; log in again, or correct it where the "
                "kubeconfig gets it: token, tokenFile or exec"
            )
        return f"{scheme} {token.strip()}"


def _harmless(error: Exception | str, otherwise: str) -> str:
    """Return what an error says, without any text that can be a credential."""
    mark = getattr(error, "problem_mark", None)
    if mark:
        return f"invalid YAML in line {mark.line + 1}"
    found = _HARMLESS.match(str(error))
    return found[0] if found else otherwise


def _unusable(context: str, error: Exception) -> ClusterError:
    """Return the error for a context that the library cannot use."""
    return ClusterError(
        f"the kubeconfig's context {context} cannot be used "
        f"({_harmless(error, 'an entry is invalid')}); correct it: `kubectl config view` "
        "hides its tokens and keys"
    )


@contextmanager
def _captured_errors() -> Iterator[list[str]]:
    """Capture logged errors instead of printing them: they can contain a credential."""
    logged: list[str] = []

    def capture(record: logging.LogRecord) -> bool:
        if record.levelno < logging.ERROR:
            return True
        logged.append(record.getMessage().strip())
        return False

    root = logging.getLogger()  # the library uses no logger of its own
    root.addFilter(capture)
    try:
        yield logged
    finally:
        root.removeFilter(capture)

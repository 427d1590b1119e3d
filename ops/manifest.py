"""`ops manifest`: refresh the dbt manifest of cerebro-api."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated

import requests
import typer

from catalogue.hosts import Hosts
from catalogue.installation import INSTALLATION
from catalogue.parameters import Parameters
from constructs_lib.manifests.network import paths
from constructs_lib.manifests.objects import Key
from constructs_lib.manifests.workload import Workload, behind
from ops import aws, rendered, terminal
from ops.cluster import Cluster
from ops.cluster.client import json_object
from ops.commands import Context, SecretCommand, context_needs_cluster
from ops.errors import ClusterError, OpsError, Status
from ops.secrets.values import api_keys
from ops.terminal import SecretValue, is_header_value, secret_value

app = typer.Typer(add_completion=False)

TIER = "tier3"
"""The tier that a refresh requires."""
ADDRESS = f"https://{Hosts.API.fqdn}"
PATH = "/v1/system/manifest/refresh"
_INTERVAL = "DBT_MANIFEST_REFRESH_INTERVAL_SECONDS"
_HEADER = "X-API-Key"
_SECONDS = 60
"""The load balancer's timeout. A pod fetches the manifest for up to 30 seconds."""
_STATUS_HELP = {
    401: f"the refresh requires a key of {TIER}",
    403: f"the refresh requires a key of {TIER}; pods read the keys when they start",
    404: "this version of cerebro-api does not support a refresh by hand",
    429: "too many refreshes; try again in a minute",
    502: "the load balancer lost the connection to the pod; try again",
    503: "the load balancer has no ready pod",
    504: f"the pod took longer than {_SECONDS} s and may still refresh; check again in a minute",
}


@app.callback()
def manifest() -> None:
    """Refresh the dbt manifest of cerebro-api."""


class _KeyCommand(SecretCommand):
    hint = "Type the API key at the prompt of --ask-key, or pass it with --key-file PATH"


@app.command(cls=_KeyCommand)
def refresh(
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Refresh every pod, through the cluster.")
    ] = False,
    context: Context = None,
    ask_key: Annotated[
        bool, typer.Option("--ask-key", help="Prompt for the API key. Default: use one from SSM.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Read the API key from a file, or - for standard input."),
    ] = None,
) -> Status:
    """Make cerebro-api fetch its dbt manifest now, instead of at its next interval.

    Through the load balancer, one pod is refreshed; the others follow at their
    next interval. With --cluster, every pod is refreshed.

    Exit status: 0 every queried pod has the newest manifest, 1 otherwise.
    """
    context_needs_cluster(context, cluster=cluster)
    if ask_key and key_file:
        raise typer.BadParameter("--ask-key and --key-file are mutually exclusive")
    api, port = _api()
    key = _given_key(key_file) if ask_key or key_file else _key_from_ssm()
    if cluster:
        results = list(_in_every_pod(Cluster(context), api, port, key))
    else:
        results = [_in_one_pod(key)]
    failed = [result for result in results if isinstance(result, OpsError)]
    for result in results:
        report = terminal.fail if result in failed else terminal.show
        report(str(result).replace(key.text, "***"))  # a response may repeat it
    if not cluster:
        (container,) = api.containers
        variables = {variable["name"]: variable.get("value") for variable in container["env"]}
        terminal.info(
            f"Queried one pod. Each pod fetches the manifest every {variables[_INTERVAL]} s; "
            "--cluster refreshes all of them now."
        )
    return Status.FAILED if failed else Status.DONE


def _result(who: str, status: int, body: str) -> str | OpsError:
    """Read a response. A pod returns 200 even if it does not have the newest manifest."""
    content = json_object(body) or {}
    detail, models = content.get("detail") or "", content.get("models", "?")
    if status != 200:
        hint = _STATUS_HELP.get(status, "check its log")
        return OpsError(f"{who}: status {status}: {f'{detail}; ' if detail else ''}{hint}")
    if content.get("status") in ("reloaded", "unchanged"):
        return f"{who}: {content['status']}, {models} models"
    reason = detail or "no reason given"
    return OpsError(f"{who}: not refreshed, still {models} models: {reason}")


def _api() -> tuple[Workload, int]:
    """Return the workload behind the API's host, and the port of its pods."""
    objects = rendered.objects()
    service = next(
        objects.objects[Key("", "Service", ingress.namespace, path.backend["service"]["name"])]
        for ingress in objects.of_kinds("Ingress")
        for path in paths(ingress)
        if (path.host, path.path) == (Hosts.API.fqdn, "/")
    )
    (workload,) = behind(objects, service)
    return workload, service.spec["ports"][0]["targetPort"]


def _given_key(file: Path | None) -> SecretValue:
    key = secret_value(f"API key of {TIER}", file, option="--key-file", twice=False)
    if not is_header_value(key.text):
        raise OpsError("the API key is empty or not valid in an HTTP header")
    return key


def _key_from_ssm() -> SecretValue:
    path = Parameters.API_KEYS.path
    stored = aws.read([path]).get(path)
    if not stored:
        raise OpsError(f"{path} does not exist in {INSTALLATION.region}; pass a key with --ask-key")
    try:
        tiers = api_keys(stored.value.text)
    except ValueError as error:
        raise OpsError(f"{path} is invalid: {error}; pass a key with --ask-key") from None
    for key, tier in tiers.items():
        if tier == TIER:
            return SecretValue(key)
    raise OpsError(
        f"{path} has no key of {TIER}; add one with `ops secrets rotate {path}`, or pass one "
        "with --ask-key"
    )


def _in_one_pod(key: SecretValue) -> str | OpsError:
    try:
        with terminal.waiting(f"Querying {ADDRESS} ..."):
            answer = requests.post(
                ADDRESS + PATH,
                headers={_HEADER: key.text},
                timeout=(5, _SECONDS + 5),
                allow_redirects=False,  # a redirect could leak the key
            )
    except requests.Timeout:
        problem = f"no answer within {_SECONDS} s; check the network, or try --cluster"
        return OpsError(f"{ADDRESS}: {problem}")
    except requests.RequestException as error:
        reason = getattr(error.args[0], "reason", error) if error.args else error
        return OpsError(f"{ADDRESS}: cannot be reached: {reason}")
    return _result(ADDRESS, answer.status_code, answer.text)


def _in_every_pod(
    cluster: Cluster, api: Workload, port: int, key: SecretValue
) -> Iterator[str | OpsError]:
    cluster.require(api.namespace)
    pods = cluster.pods(api.namespace, api.selector)
    if not pods:
        raise OpsError(f"{api} has no pods in context {cluster.context}")
    for pod in (state.name for state in pods):
        with terminal.waiting(f"Querying {pod} ..."):
            try:
                with cluster.forwarded(api.namespace, pod, port) as connection:
                    connection.settimeout(_SECONDS)
                    http = HTTPConnection(Hosts.API.fqdn)
                    http.sock = connection
                    http.request("POST", PATH, headers={_HEADER: key.text})
                    answer = http.getresponse()
                    body = answer.read().decode("utf-8", "replace")
                    yield _result(pod, answer.status, body)
            except TimeoutError:
                yield OpsError(f"{pod}: no answer within {_SECONDS} s; check its log")
            except (ClusterError, HTTPException, OSError) as error:
                yield OpsError(f"{pod}: the request failed: {error}")

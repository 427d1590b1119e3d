"""`ops manifest`: the dbt manifest that cerebro-api makes its endpoints of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated, Any

import requests
import typer

from catalogue.hosts import Hosts
from catalogue.parameters import Parameters
from ops import rendered, terminal
from ops.asking import SecretValue, secret_value
from ops.aws import ParameterStore
from ops.cluster import Cluster, ClusterError
from ops.errors import OpsError, Status, end, handle_errors
from ops.options import Context, context_needs_cluster
from ops.secrets.values import api_keys, is_header_value

app = typer.Typer(
    add_completion=False, help="The dbt manifest that cerebro-api makes its endpoints of."
)

TIER = "tier3"
"""What a key needs to refresh."""
PATH = "/v1/system/manifest/refresh"
_HEADER = "X-API-Key"
_SECONDS = 60
"""The load balancer's own patience. A pod fetches the manifest for up to 30 seconds."""
_EXPLAINED = {
    401: f"it wants a key; one of {TIER}",
    403: f"the refresh needs a key of {TIER}, and a pod knows the keys it started with",
    404: "this version of cerebro-api cannot be refreshed by hand",
    429: "it was refreshed too often; try again in a minute",
    502: "the load balancer lost the pod in the middle; try again",
    503: "the load balancer has no pod that is ready",
    504: f"the pod took longer than {_SECONDS} s, and may still be at it; look again in a minute",
}


@app.callback()
def manifest() -> None:
    """The dbt manifest that cerebro-api makes its endpoints of."""


@app.command()
@handle_errors
def refresh(
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Ask every pod, through the cluster.")
    ] = False,
    context: Context = None,
    ask_key: Annotated[
        bool, typer.Option("--ask-key", help="Type the API key, unseen. Default: one from SSM.")
    ] = False,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Read the API key from a file; - is standard input."),
    ] = None,
) -> None:
    """Have cerebro-api fetch its manifest now, instead of within its interval.

    A call through the load balancer reaches one pod; the others follow by
    themselves. With --cluster every pod is asked.

    Exit status: 0 every pod that was asked has the newest manifest, 1 not.
    """
    context_needs_cluster(context, cluster=cluster)
    if ask_key and key_file:
        raise typer.BadParameter("--ask-key and --key-file both say the key; leave out one")
    service = _service()
    key = _given_key(key_file) if ask_key or key_file else _key_from_ssm()
    answers = _from_pods(Cluster(context), service, key) if cluster else [_from_public_host(key)]
    for answer in answers:
        (terminal.show if answer.succeeded else terminal.fail)(answer.sentence(key))
    if not cluster:
        terminal.tell(
            f"One pod was asked. Each fetches it every {service.interval} s by itself; --cluster "
            "asks them all now."
        )
    if not all(answer.succeeded for answer in answers):
        end(Status.FAILED)


@dataclass(frozen=True)
class Service:
    """Where cerebro-api answers, as the manifests say."""

    namespace: str
    app: str
    port: int
    interval: str
    """Seconds between two fetches of a pod."""


@dataclass(frozen=True)
class Answer:
    """What a pod, or the load balancer for it, says."""

    who: str
    status: int
    """Of HTTP; 0 if there was no answer."""
    body: str

    @property
    def content(self) -> dict[str, Any]:
        """The body's JSON; empty if it is none."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def succeeded(self) -> bool:
        """Whether the pod has the newest manifest now. It answers 200 even if it has not."""
        return self.status == 200 and self.content.get("status") in ("reloaded", "unchanged")

    def sentence(self, key: SecretValue) -> str:
        """What happened; the key is shown nowhere, even if an answer repeats it."""
        return self._in_words().replace(key.text, "***")

    def _in_words(self) -> str:
        said = str(self.content.get("detail") or "")
        models = self.content.get("models", "?")
        if self.succeeded:
            return f"{self.who}: {self.content['status']}, {models} models"
        if self.status == 200:
            return (
                f"{self.who}: not refreshed, {models} models as before: {said or 'no reason given'}"
            )
        if not self.status:
            return f"{self.who}: {self.body}"
        explained = _EXPLAINED.get(self.status, "look at its log")
        return f"{self.who}: refused with {self.status}: {said + '; ' if said else ''}{explained}"


def address() -> str:
    """Where the public reaches cerebro-api."""
    return f"https://{Hosts.API.fqdn}"


def _service() -> Service:
    """The Service behind the API's host, and what its pods are told."""
    objects = rendered.objects()
    named = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    backend = next(
        path["backend"]["service"]
        for item in objects
        if item["kind"] == "Ingress"
        for rule in item["spec"]["rules"]
        if rule["host"] == Hosts.API.fqdn
        for path in rule["http"]["paths"]
        if path["path"] == "/"
    )
    service, deployment = named["Service", backend["name"]], named["Deployment", backend["name"]]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    plain = {variable["name"]: variable["value"] for variable in container["env"]}
    return Service(
        service["metadata"]["namespace"],
        service["spec"]["selector"]["app"],
        service["spec"]["ports"][0]["targetPort"],
        plain["DBT_MANIFEST_REFRESH_INTERVAL_SECONDS"],
    )


def _given_key(file: Path | None) -> SecretValue:
    key = secret_value(f"API key of {TIER}", file, option="--key-file", twice=False)
    if not is_header_value(key.text):
        raise OpsError("that is no API key: it is empty, or has characters that no header takes")
    return key


def _key_from_ssm() -> SecretValue:
    path = Parameters.API_KEYS.path
    store = ParameterStore()
    stored = store.read([path]).get(path)
    if not stored:
        raise OpsError(f"{path} does not exist in {store.region}; --ask-key takes a key from you")
    try:
        keys = api_keys(stored.value.text)
    except ValueError as error:
        raise OpsError(f"{path} cannot be read: {error}; --ask-key takes a key from you") from None
    able = [key for key, tier in keys.items() if tier == TIER]
    if not able:
        raise OpsError(
            f"{path} has no key of {TIER}; add one with `ops secrets rotate {path}`, or give yours "
            "with --ask-key"
        )
    return SecretValue(able[0])


def _from_public_host(key: SecretValue) -> Answer:
    url = address()
    try:
        with terminal.waiting(f"Asking {url} ..."):
            answer = requests.post(
                url + PATH,
                headers={_HEADER: key.text},
                timeout=(5, _SECONDS + 5),
                allow_redirects=False,  # the key is for nobody else
            )
    except requests.Timeout:
        return Answer(url, 0, f"no answer within {_SECONDS} s; check the network, or try --cluster")
    except requests.RequestException as error:
        reason = getattr(error.args[0], "reason", error) if error.args else error
        return Answer(url, 0, f"cannot be reached: {reason}")
    return Answer(url, answer.status_code, answer.text)


def _from_pods(cluster: Cluster, service: Service, key: SecretValue) -> list[Answer]:
    cluster.require(service.namespace)
    pods = cluster.pods(service.namespace, f"app={service.app}")
    if not pods:
        raise OpsError(f"{service.namespace}/{service.app} has no pod in context {cluster.context}")
    return list(_each(cluster, service, [pod.name for pod in pods], key))


def _each(
    cluster: Cluster, service: Service, pods: list[str], key: SecretValue
) -> Iterator[Answer]:
    for pod in pods:
        with terminal.waiting(f"Asking {pod} ..."):
            try:
                with cluster.forwarded(service.namespace, pod, service.port) as connection:
                    connection.settimeout(_SECONDS)
                    http = HTTPConnection(Hosts.API.fqdn)
                    http.sock = connection
                    http.request("POST", PATH, headers={_HEADER: key.text})
                    answer = http.getresponse()
                    yield Answer(pod, answer.status, answer.read().decode("utf-8", "replace"))
            except TimeoutError:
                yield Answer(pod, 0, f"no answer within {_SECONDS} s; look at its log")
            except (ClusterError, HTTPException, OSError) as error:
                yield Answer(pod, 0, f"cannot be asked: {error}")

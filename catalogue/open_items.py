"""The settings that the operator has not provided yet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from catalogue.hosts import Hosts
from catalogue.installation import Installation
from catalogue.platform import AnalyticsPlatform
from catalogue.stack_outputs import EXAMPLE_ACCOUNT
from constructs_lib.errors import DeclarationError
from constructs_lib.model import Host, Pending

EXAMPLE_HOSTS = frozenset({"mcp.analytics.gnosis.io", "dashboard.analytics.gnosis.io"})
"""Made-up names in `catalogue/hosts.py`."""

_REPOSITORY = frozenset({"license", "code owners"})
_ROOT = Path(__file__).parents[1]
_SETTINGS = Path(__file__).with_name("installation.py")
_EXAMPLES = Installation()
_DEFAULTS = {
    "region": f"is the example value, {_EXAMPLES.region}",
    "account": "is not set: `cdk deploy` uses the account of its credentials",
    "repository": "is the example value: Argo CD cannot sync",
    "cluster_name": "is not set: External Secrets' role is not associated with a cluster",
    "hosted_zone_id": "is not set: create the certificate's DNS records by hand",
    "alb_subnets": "are not set: the web services' ports are open to any source in the VPC",
    "vpc_cidrs": "are not set: the internal load balancer's security group admits every address",
    "ember_data_url": "is not set: click-runner-ember fails",
}
"""What follows from a setting that still has its default."""


@dataclass(frozen=True)
class OpenItem:
    """A setting that is missing or still an example."""

    name: str
    """Its key in `Installation.settled`."""
    consequence: str
    """The effect until it is set."""
    remedy: str
    """What to do, in Markdown."""


def open_items(
    platform: AnalyticsPlatform, pending: Iterable[Pending] = (), hosts: Iterable[Host] = Hosts
) -> list[OpenItem]:
    """Every open item of `platform` that is not settled, in the order of the deployment.

    Raises DeclarationError for a settled name that is not an open item.
    """
    found = [
        *_settings(platform),
        *_certificate(platform.certificate_arn),
        *(_host(host.fqdn) for host in hosts if host.fqdn in EXAMPLE_HOSTS),
        *_images(platform),
        *(_job(job) for job in pending),
    ]
    settled = platform.installation.settled
    if unknown := settled.keys() - {item.name for item in found} - _REPOSITORY:
        raise DeclarationError(
            f"settled lists {', '.join(sorted(unknown))}, which is not an open item; remove it",
            where=_SETTINGS,
        )
    return [item for item in found if item.name not in settled]


def image_item(service: str) -> str:
    """The name of the open item for a service's image."""
    return f"image {service}"


def _settings(platform: AnalyticsPlatform) -> Iterator[OpenItem]:
    known, needless = platform.installation, set()
    if not any(_certificate(platform.certificate_arn)):  # deployed
        needless |= {"region", "account"}
    if known.oidc_provider_arn is not None:
        needless.add("cluster_name")
    for name, consequence in _DEFAULTS.items():
        if name not in needless and getattr(known, name) == getattr(_EXAMPLES, name):
            yield OpenItem(name, consequence, f"set `{name}` in `catalogue/installation.py`")


def _certificate(arn: str | None) -> Iterator[OpenItem]:
    if arn is None:
        consequence = "does not exist yet: the load balancers have no certificate for the hosts"
    elif f":{EXAMPLE_ACCOUNT}:" in arn:
        consequence = f"is in AWS's example account {EXAMPLE_ACCOUNT}: load balancers cannot use it"
    else:
        return
    yield OpenItem("certificate", consequence, "run `make deploy-secrets`, then `make synth`")


def _host(name: str) -> OpenItem:
    consequence = "is an example, used by the certificate and an Ingress"
    return OpenItem(f"host {name}", consequence, "set the real name in `catalogue/hosts.py`")


def _images(platform: AnalyticsPlatform) -> Iterator[OpenItem]:
    for service, pin in platform.images.items():
        if pin.floats:
            problem = ": new builds are not rolled out, and rollbacks are not possible"
            commit = "<commit>"
        elif pin.digest is None:
            problem = " without a digest: the tag can be moved to another build"
            commit = pin.tag.removeprefix("sha-")
        else:
            continue
        remedy = f"run `make pin SERVICE={service} SHA={commit}`"
        yield OpenItem(image_item(service), f"runs {pin.tag}{problem}", remedy)


def _job(job: Pending) -> OpenItem:
    consequence = f"is not rendered: {', '.join(job.settings)} is not set"
    return OpenItem(job.name, consequence, "set it in `catalogue/installation.py`")


def repository_items(installation: Installation, root: Path = _ROOT) -> list[OpenItem]:
    """The open items of the repository itself, which `open_items` leaves out."""
    found = []
    if not any(root.glob("LICENSE*")):
        problem = "is not chosen: others have no permission to use the code"
        found.append(OpenItem("license", problem, "add a `LICENSE` file"))
    owners = root / ".github" / "CODEOWNERS"
    rules = owners.read_text("utf-8").splitlines() if owners.exists() else []
    if all(not rule or rule.startswith("#") for rule in rules):
        problem = "are not set: GitHub requests no review"
        remedy = "name a team in `.github/CODEOWNERS`"
        found.append(OpenItem("code owners", problem, remedy))
    return [item for item in found if item.name not in installation.settled]

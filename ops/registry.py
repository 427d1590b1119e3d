"""A client for OCI image registries: whether an image exists, and for which platforms."""

import hashlib
from typing import Any

import requests
from docker.errors import DockerException
from requests.adapters import HTTPAdapter
from requests.utils import parse_dict_header
from urllib3 import Retry

from constructs_lib.manifests.references import ImageReference
from docker import auth
from ops.errors import OpsError

_PLATFORM = "linux/arm64"
_SECONDS: float = 10
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    *_INDEXES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_RETRIES = Retry(
    total=2,
    read=False,  # do not retry a timeout
    backoff_factor=0.5,
    status_forcelist=(429, 502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,  # it may be minutes
)


class RegistryError(OpsError):
    """The registry is unreachable, or its response is not usable."""


class ImageMissingError(RegistryError):
    """The image does not exist, or not for the platform."""


def find(reference: str) -> str:
    """Return the digest `sha256:…` of an image for arm64, of its index if it has one.

    `reference` is `<registry>/<repository>:<tag>`; with `@<digest>`, the digest is requested
    instead of the tag. Uses Docker's credentials (`docker login`), or none. Like Docker, uses HTTP
    for a registry on the loopback interface and HTTPS for any other.

    Raises ImageMissingError if the image does not exist for arm64, and RegistryError if that cannot
    be determined.
    """
    image = ImageReference.of(reference)
    repository = _Repository(image.repository)
    answer = repository.manifest(image.digest or image.build)
    try:
        found = repository.platforms(_json(answer))
        if _PLATFORM not in found:
            only = ", ".join(sorted(found))
            built = f", only for {only}" if only else ": its index states no platform"
            raise ImageMissingError(f"{reference} is not built for {_PLATFORM}{built}")
        if child := found[_PLATFORM]:
            repository.manifest(child)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RegistryError(f"{reference} cannot be read as an image: {error!r}") from error
    return _digest(answer)


class _Repository:
    """One repository of a registry, with one login."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._host, _, path = name.partition("/")
        local = self._host.partition(":")[0] in ("localhost", "127.0.0.1")
        self._url = f"{'http' if local else 'https'}://{self._host}/v2/{path}"
        self._session = requests.Session()
        self._session.auth = lambda request: request  # ignore the user's ~/.netrc
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_RETRIES))

    def manifest(self, tag_or_digest: str) -> requests.Response:
        """Return the index or manifest of a tag or digest, after verifying its digest."""
        answer = self._get("manifests", tag_or_digest, ", ".join(_MANIFESTS))
        for digest in (answer.headers.get("Docker-Content-Digest", ""), tag_or_digest):
            if digest.startswith("sha256:") and digest != _digest(answer):
                raise RegistryError(
                    f"{self._host} returned content with digest {_digest(answer)} for {digest} of "
                    f"{self._name}; do not use it"
                )
        return answer

    def platforms(self, manifest: dict[str, Any]) -> dict[str, str | None]:
        """Return every platform with the digest of its manifest; None if that is `manifest` itself.

        Entries of an index with the platform unknown/unknown, or without one, which the OCI image
        specification allows, are skipped: they are attestations (provenance, SBOM).
        """
        if "manifests" not in manifest:
            config = self._get("blobs", manifest["config"]["digest"], "*/*")
            return {_platform(_json(config)): None}
        found: dict[str, str | None] = {}
        for entry in manifest["manifests"]:
            if entry.get("mediaType") in _INDEXES:
                found |= self.platforms(_json(self.manifest(entry["digest"])))
            elif (platform := entry.get("platform")) and platform["os"] != "unknown":
                found[_platform(platform)] = entry["digest"]
        return found

    def _get(self, kind: str, key: str, accept: str) -> requests.Response:
        """Return the registry's response, after a login if required."""
        what = f"{self._name}{'@' if key.startswith('sha256:') else ':'}{key}"
        url, headers = f"{self._url}/{kind}/{key}", {"Accept": accept}
        answer = self._request(url, headers=headers)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in(what, answer.headers.get("WWW-Authenticate", ""))
            answer = self._request(url, headers=headers)
        if answer.status_code == requests.codes.not_found:
            raise ImageMissingError(f"{what} does not exist")
        self._check(what, answer)
        return answer

    def _log_in(self, what: str, challenge: str) -> None:
        """Fetch the token that the challenge requires, and send it from now on."""
        scheme, _, rest = challenge.partition(" ")
        parse: Any = parse_dict_header
        asked = parse(rest)
        realm = asked.pop("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise RegistryError(f"{self._host} does not offer a token login: {challenge!r}")
        answer = self._request(realm, params=asked, auth=_credentials(self._host))
        self._check(what, answer)
        try:
            content = _json(answer)
            token = content.get("token") or content["access_token"]
        except (ValueError, KeyError) as error:
            raise RegistryError(f"{realm} returned no token") from error
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _check(self, what: str, answer: requests.Response) -> None:
        if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            raise RegistryError(
                f"{self._host} denies access to {what} ({answer.status_code}): it does not exist "
                f"or is private; if it is private, run `docker login {self._host}`"
            )
        if not answer.ok:
            raise RegistryError(f"{self._host} returned {answer.status_code} for {what}; try again")

    def _request(self, url: str, **options: Any) -> requests.Response:
        try:
            return self._session.get(url, timeout=_SECONDS, **options)
        except requests.Timeout as error:
            raise RegistryError(
                f"{self._host} did not respond within {_SECONDS:g} s; try again"
            ) from error
        except requests.RequestException as error:
            reason = getattr(error.args[0], "reason", error) if error.args else error
            raise RegistryError(f"{self._host} cannot be reached: {reason}") from error


def _digest(answer: requests.Response) -> str:
    return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"


def _platform(facts: dict[str, Any]) -> str:
    """`linux/arm/v7`; `linux/arm64` also for arm64/v8, which is the same to containerd."""
    parts = (facts["os"], facts["architecture"], facts.get("variant"))
    return "/".join(filter(None, parts)).replace("/arm64/v8", "/arm64")


def _json(answer: requests.Response) -> dict[str, Any]:
    content = answer.json()
    if not isinstance(content, dict):
        raise ValueError("the response is not a JSON object")  # noqa: TRY004 as for bad JSON
    return content


def _credentials(host: str) -> tuple[str, str] | None:
    """Return user and password for `host` from Docker's configuration or credential helpers."""
    try:
        entry = auth.resolve_authconfig(auth.load_config(), host) or {}
    except (DockerException, ValueError) as error:
        raise RegistryError(f"Docker's configuration cannot be used: {error}") from error
    login = {key.lower(): value for key, value in entry.items()}
    user, password = login.get("username"), login.get("password")
    return (user, password) if user and password else None

"""The registry client, against a local registry."""

import base64
import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.registry import ImageMissingError, RegistryError, find
from tests.ops.local_registry import ATTESTATION, INDEX, LocalRegistry, Platform

ARM64 = ("linux", "arm64")
AMD64 = ("linux", "amd64")
REPOSITORY = "gnosischain/cerebro-api"
ONLY_AMD64 = "is not built for linux/arm64, only for linux/amd64"


def image(server: LocalRegistry) -> str:
    return f"{server.host}/{REPOSITORY}:sha-1"


def test_an_image_is_found_by_tag_or_digest_with_a_token(server: LocalRegistry) -> None:
    index = server.push(REPOSITORY, "sha-1", ARM64, ATTESTATION)
    single = server.push_manifest(REPOSITORY, ARM64, "single")
    repository = f"{server.host}/{REPOSITORY}"
    assert find(f"{repository}:sha-1") == index
    assert server.asked == [f"repository:{REPOSITORY}:pull"]
    assert find(f"{repository}:single") == single
    assert find(f"{repository}:sha-2@{single}") == single  # the digest replaces the tag
    assert find(f"{repository}@{index}") == index
    server.stated_digest = index
    assert find(f"{repository}:sha-1") == index


NO_PLATFORM: Platform = ()


@pytest.mark.parametrize(
    "platforms",
    [
        (NO_PLATFORM, ARM64, ATTESTATION),
        (("linux", "arm64", "v8"),),
        (("linux", "arm64", "v9"), AMD64, ARM64),
    ],
)
def test_an_index_needs_one_entry_for_arm64(
    server: LocalRegistry, platforms: tuple[Platform, ...]
) -> None:
    index = server.push(REPOSITORY, "sha-1", *platforms)
    assert find(image(server)) == index


def test_an_index_can_be_inside_an_index(server: LocalRegistry) -> None:
    inner = {"mediaType": INDEX, "digest": server.push(REPOSITORY, "inner", AMD64, ARM64)}
    outer = server.push_index(REPOSITORY, "sha-1", inner)
    assert find(image(server)) == outer
    server.push_index(REPOSITORY, "sha-1", {"mediaType": INDEX, "digest": f"sha256:{64 * '0'}"})
    with pytest.raises(ImageMissingError, match=r"@sha256:0{64} does not exist"):
        find(image(server))


def test_content_with_another_digest_is_refused(server: LocalRegistry) -> None:
    digest = server.push(REPOSITORY, "sha-1", ARM64)
    other = server.push(REPOSITORY, "sha-2", ARM64, ATTESTATION)
    path = f"/v2/{REPOSITORY}/manifests/"
    server.answers[path + digest] = server.answers[path + other]
    for reference in (f"{image(server)}@{digest}", image(server)):
        with pytest.raises(RegistryError, match=r"returned content with digest sha256:\w+ for sha"):
            find(reference)
        server.stated_digest = f"sha256:{64 * '0'}"


Prepare = Callable[[LocalRegistry], object]


def _pushed(tag: str, *platforms: Platform) -> Prepare:
    return lambda server: server.push(REPOSITORY, tag, *platforms)


def _missing_child(server: LocalRegistry) -> None:
    server.push(REPOSITORY, "sha-1", ARM64)
    _, index = server.answers[f"/v2/{REPOSITORY}/manifests/sha-1"]
    child = json.loads(index)["manifests"][0]["digest"]
    del server.answers[f"/v2/{REPOSITORY}/manifests/{child}"]


def _private(server: LocalRegistry) -> str:
    server.login = ("operator", "secret")
    return server.push(REPOSITORY, "sha-1", ARM64)


def _answers(status: int, body: bytes, path: str = f"/v2/{REPOSITORY}/manifests/sha-1") -> Prepare:
    return lambda server: server.answers.update({path: (status, body)})


@pytest.mark.parametrize(
    ("prepare", "error", "message"),
    [
        (lambda _: None, ImageMissingError, "cerebro-api:sha-1 does not exist"),
        (_pushed("sha-2", ARM64), ImageMissingError, "cerebro-api:sha-1 does not exist"),
        (_pushed("sha-1", AMD64, ATTESTATION), ImageMissingError, ONLY_AMD64),
        (
            lambda server: server.push_manifest(REPOSITORY, AMD64, "sha-1"),
            ImageMissingError,
            ONLY_AMD64,
        ),
        (
            _pushed("sha-1", ATTESTATION, NO_PLATFORM),
            ImageMissingError,
            "is not built for linux/arm64: its index states no platform$",
        ),
        (
            _pushed("sha-1", ("linux", "arm64", "v9"), ("linux", "arm", "v7")),
            ImageMissingError,
            "is not built for linux/arm64, only for linux/arm/v7, linux/arm64/v9$",
        ),
        (_missing_child, ImageMissingError, r"cerebro-api@sha256:\w{64} does not exist"),
        (_private, RegistryError, r"\(403\): it does not exist or is private; .* `docker login"),
        (_answers(500, b"", "/token"), RegistryError, "returned 500"),
        (_answers(200, b"[]", "/token"), RegistryError, "/token returned no token"),
        (_answers(418, b""), RegistryError, "returned 418 for"),
        (_answers(401, b""), RegistryError, r"denies access to .* \(401\)"),
        (_answers(200, b"<html>"), RegistryError, "cannot be read as an image"),
        (_answers(200, b"[]"), RegistryError, "as an image: .*the response is not a JSON object"),
        (_answers(200, b"{}"), RegistryError, "cannot be read as an image"),
        (_answers(200, b'{"manifests": [1]}'), RegistryError, "cannot be read as an image"),
    ],
)
def test_missing_images_and_unusable_responses(
    server: LocalRegistry,
    prepare: Prepare,
    error: type[RegistryError],
    message: str,
) -> None:
    prepare(server)
    with pytest.raises(RegistryError, match=message) as raised:
        find(image(server))
    assert raised.type is error


def test_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.registry._SECONDS", 0.1)
    message = r"did not respond within 0\.1 s; try again"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/{REPOSITORY}:sha-1"
        with pytest.raises(RegistryError, match=message):
            find(reference)


def test_an_unreachable_registry() -> None:
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 cannot be reached: .*refused"):
        find("127.0.0.1:1/gnosischain/cerebro-api:sha-1")


def docker_configuration(content: object) -> Path:
    folder = Path(os.environ["DOCKER_CONFIG"])
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_a_private_image_is_found_with_the_login_of_docker(server: LocalRegistry) -> None:
    digest = _private(server)
    login = base64.b64encode(b"operator:secret").decode()
    docker_configuration({"auths": {server.host: {"auth": login}}})
    assert find(image(server)) == digest


def test_a_private_image_is_found_with_a_credential_helper(
    server: LocalRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _private(server)
    folder = docker_configuration({"auths": {server.host: {}}, "credsStore": "keys"})
    helper = folder / "docker-credential-keys"
    helper.write_text(
        "#!/bin/sh\nread -r server\n"
        '[ "$1 $server" = "get $HOST" ] || exit 1\n'
        'echo \'{"Username": "operator", "Secret": "secret"}\'\n'
    )
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("HOST", server.host)
    assert find(image(server)) == digest


@pytest.mark.filterwarnings("ignore:docker-credential-absent")
@pytest.mark.parametrize(
    "content",
    [{"auths": {"ghcr.io": {"auth": "no base64"}}}, {"credsStore": "absent"}, {"auths": {"a": 1}}],
)
def test_an_invalid_docker_configuration(server: LocalRegistry, content: object) -> None:
    docker_configuration(content)
    with pytest.raises(RegistryError, match="Docker's configuration cannot be used: "):
        find(image(server))

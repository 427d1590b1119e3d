"""Parses image references."""

from __future__ import annotations

import re

_IMAGE = re.compile(r"(?P<repository>.+?)(:(?P<tag>[\w.-]+))?(@(?P<digest>[\w+.:-]+))?")


def digest(image: str) -> str | None:
    """The digest, `sha256:…`, if there is one."""
    match = _IMAGE.fullmatch(image)
    return match["digest"] if match else None


def repository(image: str) -> str:
    """`ghcr.io/example/one` for `ghcr.io/example/one:latest`."""
    match = _IMAGE.fullmatch(image)
    return match["repository"] if match else image


def short_name(image: str) -> str:
    """`reloader` for `ghcr.io/stakater/reloader:v1.4@sha256:…`."""
    return repository(image).rpartition("/")[2]


def build(image: str) -> str:
    """The tag, otherwise the digest, otherwise `latest`."""
    match = _IMAGE.fullmatch(image)
    return (match and (match["tag"] or match["digest"])) or "latest"


def host(image: str) -> str:
    """The registry's host, such as `ghcr.io`. Default: Docker Hub's."""
    first, slash, _ = image.partition("/")
    named = slash and (any(sign in first for sign in ".:") or first == "localhost")
    return first if named else "docker.io"

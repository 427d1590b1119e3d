"""Rules for the Dockerfiles in docker/: each function yields the problems of an image."""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath

from .dockerfiles import Image

Rule = Callable[[Image], Iterator[str]]

_LABELS = tuple(
    f"org.opencontainers.image.{name}"
    for name in ("title", "description", "source", "base.name", "revision", "created")
)
_OTHER_PROCESSORS = re.compile(r"\b(amd64|x86[_-]64|x64|i[36]86)\b", re.IGNORECASE)
BUILD_TOOLS = frozenset(
    (
        *("cargo", "cc", "clang", "cmake", "corepack", "g++", "gcc", "git", "go", "ld", "make"),
        *("npm", "npx", "pnpm", "rustc", "yarn"),
    )
)
"""Tools that must not be in the final image."""
_INSTALLERS = frozenset(("build-essential", "golang", "pip", "pip3"))
_INSTALL = re.compile(r"\b(pip install|npm (ci|install)|pnpm install|go mod download)\b")
_DOWNLOADS = re.compile(rf"{_INSTALL.pattern}|\b(cargo|go) build\b")
_MANIFESTS = (
    *("requirements*.txt", "pyproject.toml", "package*.json", "pnpm-*.yaml", "go.mod", "go.sum"),
    *("Cargo.toml", "Cargo.lock"),
)


def stages(image: Image) -> Iterator[str]:
    if len(image.stages) < 2:
        yield "has only one stage: build in a separate stage, and copy the result"


def pinned(image: Image) -> Iterator[str]:
    names = {stage.name for stage in image.stages}
    for stage in image.stages:
        if stage.base == "scratch" or stage.base in names or "@sha256:" in stage.base:
            continue
        tag = stage.base.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            yield f"line {stage.start.line}: {stage.base} has no version: add a tag"


def fit_for_arm64(image: Image) -> Iterator[str]:
    for stage in image.stages:
        platform = stage.start.flag("platform")
        if platform not in (None, "$BUILDPLATFORM", "$TARGETPLATFORM"):
            yield f"line {stage.start.line}: remove --platform={platform}"
        for instruction in stage.instructions:
            if found := _OTHER_PROCESSORS.search(" ".join((*instruction.flags, instruction.text))):
                yield f"line {instruction.line}: {found[0]} is a fixed architecture: use TARGETARCH"


def numeric_user(image: Image) -> Iterator[str]:
    if image.user != "1000:1000":
        yield f"runs as {image.user or 'root'!r}: use 1000:1000, which the kubelet can verify"


def exec_form(image: Image) -> Iterator[str]:
    given = [i for i in (image.final.last("ENTRYPOINT"), image.final.last("CMD")) if i]
    if not given:
        yield "has no program: add an ENTRYPOINT or a CMD"
    for program in given:
        if not program.exec_form:
            where = f"line {program.line}: {program.name}"
            yield f"{where} runs a shell, which gets the signals: use exec form"


def health(image: Image) -> Iterator[str]:
    if image.final.last("HEALTHCHECK") is None:
        yield "has no HEALTHCHECK: add one, or HEALTHCHECK NONE with the reason"


def no_build_tools(image: Image) -> Iterator[str]:
    for instruction in image.final.all("RUN"):
        for word in re.split(r"[\s;&|()]+", instruction.text):
            name = word.split("=")[0]
            if name in BUILD_TOOLS | _INSTALLERS or name.endswith("-dev"):
                yield f"line {instruction.line}: move {name} from the final stage to a build stage"


def labels(image: Image) -> Iterator[str]:
    for label in _LABELS:
        if not image.labels.get(label):
            yield f"has no label {label}"


def writable_paths(image: Image) -> Iterator[str]:
    for path in image.writable_paths:
        if not PurePosixPath(path).is_absolute():
            yield f"writable path {path!r} is not absolute"
    if "/tmp" not in image.writable_paths:
        yield "the label io.gnosis.writable-paths does not contain /tmp"


def dependencies_first(image: Image) -> Iterator[str]:
    for stage in image.stages:
        installs = [
            run.line
            for run in stage.all("RUN")
            if _INSTALL.search(run.text) and "--no-deps" not in run.text
        ]
        for line, source in stage.copied():
            manifest = any(fnmatch(PurePosixPath(source).name, name) for name in _MANIFESTS)
            if not manifest and line < max(installs, default=0):
                yield f"line {line}: copy {source} after the dependencies, so that they stay cached"


def cached(image: Image) -> Iterator[str]:
    for instruction in (run for stage in image.stages for run in stage.all("RUN")):
        mounted = any(flag.startswith("--mount=type=cache,") for flag in instruction.flags)
        uncached = not mounted and "--no-cache-dir" not in instruction.text
        if uncached and _DOWNLOADS.search(instruction.text):
            yield f"line {instruction.line}: downloads without --mount=type=cache"


def context_admits_copies(image: Image) -> Iterator[str]:
    file = image.path.with_name("Dockerfile.dockerignore")
    lines = file.read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and line[0] != "#"]
    if patterns[0] != "*":
        return
    admitted = [pattern[1:].rstrip("/") for pattern in patterns if pattern.startswith("!")]
    for line, source in (copied for stage in image.stages for copied in stage.copied()):
        parts = PurePosixPath(source).parts
        if parts and not any(fnmatch(parts[0], pattern) for pattern in admitted):
            yield f"line {line}: {file.name} excludes {source} from the build"


def reasoned_ignores(image: Image) -> Iterator[str]:
    comments = re.findall(r"^\s*#(.*)$", image.text, re.MULTILINE)
    reasons = " ".join(comment for comment in comments if "hadolint ignore" not in comment)
    for codes in re.findall(r"hadolint ignore=(\S+)", image.text):
        for code in codes.split(","):
            if code not in reasons:
                yield f"ignores {code} without a comment with the reason"

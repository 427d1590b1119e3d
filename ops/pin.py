"""`ops pin`: pin the image of a service, and render dist/ with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeVar

import typer

from catalogue import images
from charts import output
from constructs_lib.errors import DeclarationError, PlatformError, errors_of
from constructs_lib.manifests.argocd import FINGERPRINT
from constructs_lib.model import Pin
from constructs_lib.node import prepare_jsii
from ops import registry
from ops.errors import OpsError
from ops.git import Git

if TYPE_CHECKING:
    from catalogue.platform import AnalyticsPlatform

T = TypeVar("T")

ROOT = Path(images.__file__).parents[2]
README = "README.md"
"""The only file of dist/ that may change in more than the image reference."""
_FINGERPRINTS = re.compile(rf'{FINGERPRINT}: "?[0-9a-f]{{64}}"?\n')
"""Quoted where YAML would read a number, as in `0b38…`."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REMEDIES: dict[type[Exception], str] = {
    registry.ImageMissingError: "; the workflow in the service's repository builds it",
    registry.RegistryError: "; or skip the registry check with --no-verify",
}


Service = Annotated[str, typer.Argument(help="The service, as in catalogue/images/.")]
Verify = Annotated[bool, typer.Option(help="Check first that the registry has the image.")]


class Pinned(NamedTuple):
    """The result of a pin."""

    service: str
    before: Pin
    """The previous pin."""
    after: Pin
    """The new pin."""
    checked: str | None
    """The image in the registry; None if it was not checked."""
    written: tuple[Path, ...]
    """The changed files, relative to the repository; empty if it was already pinned."""


def pin(
    service: Service,
    sha: Annotated[str, typer.Argument(help="The full commit of its repository (40 hex digits).")],
    *,
    digest: Annotated[
        str | None,
        typer.Option(help="The digest that a push reported. Default: that of the tag."),
    ] = None,
    verify: Verify = True,
) -> None:
    """Pin the image that was built from a commit, and render dist/ with it.

    Pins the tag and its digest, so that a moved tag does not change what runs.
    With --no-verify and without --digest, pins only the tag.
    Changes one file in catalogue/images/ and that image in dist/, or nothing.

    To roll back, pin an older commit; `ops rollback` lists them. `latest` cannot
    be pinned, because its name never changes and nothing would roll out; to undo
    a first pin, revert its commit.

    Exit status: 0 pinned (or already pinned), 1 refused, 2 wrong usage.
    """
    pin_and_report(service, sha, digest, verify=verify)


def pin_and_report(service: str, commit: str, digest: str | None, *, verify: bool) -> None:
    """Pin an image and print the result. Raises OpsError."""
    try:
        done = bump(service, commit, digest, find=registry.find if verify else None)
    except (OpsError, DeclarationError, PlatformError) as error:
        remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "")
        refused = OpsError(f"{error}{remedy}")
        refused.add_note("Nothing was changed.")
        raise refused from error
    typer.echo("\n".join(_report(done)))


def bump(
    service: str,
    commit: str,
    digest: str | None = None,
    *,
    find: Callable[[str], str] | None = registry.find,
    root: Path = ROOT,
) -> Pinned:
    """Pin `service` to the image of `commit`, and render dist/ with it: both, or neither.

    `find` looks up the image, by `digest` if given, and returns the digest to pin. With None, the
    image is not checked, and the digest stays if the tag does not change. `root` is the checkout
    to change. Raises OpsError, and for errors in what is rendered DeclarationError or
    PlatformError; after an error, every file is unchanged.
    """
    dist = root / "dist"
    folder = root / "catalogue" / "images"
    pins = images.load(folder)
    require_known(service, pins)
    if not _COMMIT.fullmatch(commit):
        raise OpsError(
            f"{commit!r} is not a full commit (40 lowercase hex digits); run `git rev-parse` "
            f"in the repository of {service}"
        )
    before, after = pins[service], Pin(f"sha-{commit}", digest)
    platform = _collect_errors(_platform)
    name = f"{platform.registry}/{service}"
    checked = f"{name}:{after}" if find else None
    if find and checked:
        after = replace(after, digest=find(checked))
    elif digest is None and after.tag == before.tag:
        after = before
    pinned = replace(platform, images={**pins, service: after})
    rendered = _collect_errors(lambda: _render(pinned))
    present = output.read(dist)
    written: tuple[Path, ...] = ()
    if before != after or present != rendered:
        file = images.pin_file(service, folder)
        require_committed(root, service)
        _require_only_image_changes(present, rendered, f"{name}:{before}", f"{name}:{after}")
        _write(file, f"{after}\n", dist, present, rendered)
        changed = (dist / path for path in sorted(rendered) if rendered[path] != present[path])
        written = tuple(path.relative_to(root) for path in (file, *changed))
    return Pinned(service, before, after, checked, written)


def require_known(service: str, pins: Mapping[str, Pin]) -> None:
    """Raise OpsError if the service has no pin."""
    if service not in pins:
        raise OpsError(f"{service!r} is not in catalogue/images; use one of: {', '.join(pins)}")


def require_committed(root: Path, service: str) -> None:
    """Raise OpsError if dist/ or the service's pin has uncommitted changes."""
    paths = (images.pin_file(service, root / "catalogue" / "images"), root / "dist")
    status = Git(root).ask("status", "--porcelain", "--untracked-files=all", "--", *map(str, paths))
    if status:
        changes = ", ".join(line[3:] for line in status.splitlines())
        raise OpsError(
            f"uncommitted changes: {changes}. Commit them first, or undo them with `git restore`"
        )


def _collect_errors(declare: Callable[[], T]) -> T:
    """Return the result of `declare`. Raises PlatformError with every error in the declarations.

    Errors in the catalogue and in chart modules appear on import.
    """
    results: list[T] = []
    problems = errors_of(lambda: results.append(declare()))
    if problems:
        raise PlatformError(problems)
    return results[0]


def _platform() -> AnalyticsPlatform:
    prepare_jsii()
    from charts import registry as charts

    return charts.current()


def _render(platform: AnalyticsPlatform) -> dict[str, str]:
    """Return dist/ without writing it."""
    from charts import registry as charts

    return charts.render(platform)


def _require_only_image_changes(
    present: Mapping[str, str], rendered: Mapping[str, str], old: str, new: str
) -> None:
    with_image = {path for path, text in present.items() if old in text}

    def comparable(files: Mapping[str, str]) -> set[tuple[str, str]]:
        """Omit the page, and the fingerprints of Jobs, which depend on the image."""
        return {
            (path, "" if path == README else _FINGERPRINTS.sub("", text))
            if path in (README, *with_image)
            else (path, text)
            for path, text in files.items()
        }

    expected = {path: text.replace(old, new) for path, text in present.items()}
    others = sorted({f"dist/{path}" for path, _ in comparable(expected) ^ comparable(rendered)})
    if others:
        raise OpsError(
            f"rendering would change more than the image {new}: {', '.join(others)}. "
            "Run `make synth`, commit the result, and pin again"
        )


def _write(
    file: Path, line: str, dist: Path, present: Mapping[str, str], rendered: Mapping[str, str]
) -> None:
    """Replace dist/ and the pin: both, or neither."""
    with output.defer_signals():
        try:
            output.replace_dir(rendered, dist)
            try:
                output.replace_file(file, line)
            except OSError:
                output.replace_dir(present, dist)
                raise
        except OSError as error:
            raise OpsError(f"cannot write: {error}") from error


def _report(done: Pinned) -> Iterator[str]:
    before, after = done.before, done.after
    if not done.written:
        yield f"{done.service} is already pinned to {after}; nothing changed."
        return
    yield f"{done.service}: {before} -> {after}"
    if done.checked:
        yield f"{done.checked} is in the registry, for linux/arm64"
    else:
        yield f"not checked whether the registry has {after}"
    if before.tag == after.tag and before.digest and before.digest != after.digest:
        yield f"The tag {after.tag} was moved to another build. Find out why."
    if after.digest is None:
        yield "Pinned without a digest: the tag can be moved to another build."
    yield from (f"~ {path}" for path in done.written)
    yield "Commit these files in one pull request; Argo CD rolls it out after the merge."

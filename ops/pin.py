"""`ops pin`: pin the image of a service, and render dist/ with it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from catalogue import images
from charts import output
from constructs_lib.errors import DeclarationError, PlatformError, result_of
from constructs_lib.manifests.argocd import FINGERPRINT
from constructs_lib.model import Pin
from constructs_lib.node import prepare_jsii
from ops import registry
from ops.errors import OpsError
from ops.git import Git

ROOT = Path(images.__file__).parents[2]
PINS = "catalogue/images"
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
        report = _pin(service, commit, digest, verify=verify)
    except (OpsError, DeclarationError, PlatformError) as error:
        remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), "")
        refused = OpsError(f"{error}{remedy}")
        refused.add_note("Nothing was changed.")
        raise refused from error
    typer.echo("\n".join(report))


def _pin(service: str, commit: str, digest: str | None, *, verify: bool) -> list[str]:
    """Pin `service`, render dist/ with it, and return the report: both, or neither.

    Without `verify` and `digest`, the digest stays if the tag does not change.
    """
    pins = load_pins(service)
    if not _COMMIT.fullmatch(commit):
        raise OpsError(
            f"{commit!r} is not a full commit (40 lowercase hex digits); run `git rev-parse` "
            f"in the repository of {service}"
        )
    before, after = pins[service], Pin(f"sha-{commit}", digest)
    platform = result_of(lambda: _charts().current())
    name = f"{platform.registry}/{service}"
    reference = f"{name}:{after}"
    if verify:
        after = replace(after, digest=registry.find(reference))
    elif digest is None and after.tag == before.tag:
        after = before
    pinned = replace(platform, images={**pins, service: after})
    present, rendered = output.read(ROOT / "dist"), result_of(lambda: _charts().render(pinned))
    if before == after and present == rendered:
        return [f"{service} is already pinned to {after}; nothing changed."]
    require_committed(service)
    _require_only_image_changes(present, rendered, f"{name}:{before}", f"{name}:{after}")
    _write(service, after, present, rendered)
    changed = [f"dist/{path}" for path in sorted(rendered) if rendered[path] != present[path]]
    return [
        f"{service}: {before} -> {after}",
        f"{reference} is in the registry, for linux/arm64"
        if verify
        else f"not checked whether the registry has {after}",
        *_warnings(before, after),
        *(f"~ {path}" for path in (f"{PINS}/{service}.pin", *changed)),
        "Commit these files in one pull request; Argo CD rolls it out after the merge.",
    ]


def load_pins(service: str) -> dict[str, Pin]:
    """Return all pins. Raises OpsError if the service has none."""
    pins = images.load(ROOT / PINS)
    if service not in pins:
        raise OpsError(f"{service!r} is not in {PINS}; use one of: {', '.join(pins)}")
    return pins


def require_committed(service: str) -> None:
    """Raise OpsError if dist/ or the service's pin has uncommitted changes."""
    paths = (f"{PINS}/{service}.pin", "dist")
    status = Git(ROOT).ask("status", "--porcelain", "--untracked-files=all", "--", *paths)
    if status:
        changes = ", ".join(line[3:] for line in status.splitlines())
        raise OpsError(
            f"uncommitted changes: {changes}. Commit them first, or undo them with `git restore`"
        )


def _charts() -> ModuleType:
    """Return the module of all charts. Errors in the declarations may appear on import."""
    prepare_jsii()
    from charts import registry as charts

    return charts


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


def _write(service: str, pin: Pin, present: Mapping[str, str], rendered: Mapping[str, str]) -> None:
    """Replace dist/ and the pin: both, or neither."""
    dist = ROOT / "dist"
    with output.defer_signals():
        try:
            output.replace_dir(rendered, dist)
            try:
                output.replace_file(ROOT / PINS / f"{service}.pin", f"{pin}\n")
            except OSError:
                output.replace_dir(present, dist)
                raise
        except OSError as error:
            raise OpsError(f"cannot write: {error}") from error


def _warnings(before: Pin, after: Pin) -> Iterator[str]:
    if before.tag == after.tag and before.digest and before.digest != after.digest:
        yield f"The tag {after.tag} was moved to another build. Find out why."
    if after.digest is None:
        yield "Pinned without a digest: the tag can be moved to another build."

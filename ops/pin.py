"""`ops pin`: which build of a service's image runs, and dist/ with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from catalogue import images
from constructs_lib import output
from constructs_lib.errors import DeclarationError, PlatformError, collect
from constructs_lib.manifests.releases import FINGERPRINT
from constructs_lib.model import Pin
from ops import registry, terminal
from ops.errors import OpsError
from ops.git import Git

if TYPE_CHECKING:
    from catalogue.platform import AnalyticsPlatform

T = TypeVar("T")

ROOT = Path(images.__file__).parents[2]
MAP = "README.md"
"""The one file of dist/ that may tell of an image in other words than its name."""
_FINGERPRINTS = re.compile(rf'{FINGERPRINT}: "?[0-9a-f]{{64}}"?\n')
"""In quotation marks where YAML would read a number, as in `0b38…`."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


class RefusedError(OpsError):
    """Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True)
class Pinned:
    """What one bump did."""

    service: str
    """Whose image it is."""
    before: Pin
    """What ran until now."""
    after: Pin
    """What will run."""
    image: registry.Image | None
    """As the registry has it; None if that was not asked."""
    written: tuple[Path, ...]
    """The files that changed, relative to the repository; none if it was pinned already."""


def pin(
    service: Annotated[str, typer.Argument(help="The service, as in catalogue/images/.")],
    sha: Annotated[str, typer.Argument(help="The full commit of its repository: 40 hex digits.")],
    *,
    digest: Annotated[
        str | None,
        typer.Option(help="The digest that a push reported. Default: what the tag names now."),
    ] = None,
    verify: Annotated[
        bool, typer.Option(help="Ask the registry for the image first; without it, offline.")
    ] = True,
) -> None:
    """Pin the image that was built from a commit, and render dist/ with it.

    Writes the tag and its digest, which cannot be moved to another build: what
    runs is what was found. Without asking the registry, and without --digest,
    it writes the tag alone.
    Changes one file of catalogue/images/ and that image in dist/, or nothing.
    An older commit rolls back; `ops rollback` lists them. `latest` is no target:
    the name never changes, so nothing would be rolled out; to undo a first
    bump, revert its commit.

    Exit status: 0 pinned (also if it was before), 1 refused, 2 wrong usage.
    """
    carry_out(service, sha, digest, verify=verify)


def carry_out(service: str, commit: str, digest: str | None, *, verify: bool) -> None:
    """Bump, and tell a person how that ended. Raises typer.Exit where it was refused."""
    try:
        done = bump(service, commit, digest, find=registry.find if verify else None)
    except registry.ImageMissingError as error:
        raise _refuse(f"{error}; the workflow of the service's repository builds it") from error
    except registry.RegistryError as error:
        raise _refuse(f"{error}; or pin it unseen, with --no-verify") from error
    except (OpsError, DeclarationError, PlatformError) as error:
        raise _refuse(str(error)) from error
    typer.echo(_report(done))


def bump(
    service: str,
    commit: str,
    digest: str | None = None,
    *,
    find: Callable[[str], registry.Image] | None = registry.find,
    root: Path = ROOT,
) -> Pinned:
    """Pin `service` to the image of `commit`, and render dist/ with it: both, or neither.

    `find` looks the image up, by `digest` where it is given, and refuses what is not there; what it
    finds gives the digest to pin. None does not check the image; a digest that the same tag is
    pinned to stays.
    `root` is the checkout to change, this one by default. Raises RefusedError, GitError,
    RegistryError, and for mistakes in what is rendered DeclarationError or PlatformError; whatever
    is raised, every file is as it was.
    """
    dist = root / "dist"
    folder = root / "catalogue" / "images"
    pins = images.load(folder)
    after = _checked(service, commit, digest, pins)
    before = pins[service]
    platform = _declared(_platform)
    name = f"{platform.registry}/{service}"
    image = find(f"{name}:{after}") if find else None
    if image:
        after = replace(after, digest=image.digest)
    elif digest is None and after.tag == before.tag:
        after = before
    rendered = _declared(partial(_render, platform, {**pins, service: after}))
    present = output.read(dist)
    if before == after and present == rendered:
        return Pinned(service, before, after, image, ())
    file = images.pin_file(service, folder)
    require_committed(root, service)
    _require_just_the_image(present, rendered, f"{name}:{before}", f"{name}:{after}")
    _write(file, f"{after}\n", dist, present, rendered)
    changed = (dist / path for path in sorted(rendered) if rendered[path] != present[path])
    written = tuple(path.relative_to(root) for path in (file, *changed))
    return Pinned(service, before, after, image, written)


def require_known(service: str, pins: Mapping[str, Pin]) -> None:
    """Refuse a service that has no pin."""
    if service not in pins:
        raise RefusedError(f"no service {service!r} in catalogue/images; {', '.join(pins)} are")


def _checked(service: str, commit: str, digest: str | None, pins: Mapping[str, Pin]) -> Pin:
    require_known(service, pins)
    if not _COMMIT.fullmatch(commit):
        raise RefusedError(
            f"{commit!r} is no full commit, 40 hex digits in lower case; `git rev-parse` prints "
            f"them in the repository of {service}"
        )
    return Pin(f"sha-{commit}", digest)


def require_committed(root: Path, service: str) -> None:
    """Refuse changes of dist/ or of the service's pin that are not committed."""
    paths = (images.pin_file(service, root / "catalogue" / "images"), root / "dist")
    status = Git(root).ask("status", "--porcelain", "--untracked-files=all", "--", *map(str, paths))
    if status:
        changes = ", ".join(line[3:] for line in status.splitlines())
        raise RefusedError(
            f"not committed: {changes}. Commit that first, or undo it with `git restore`"
        )


def _platform() -> AnalyticsPlatform:
    from charts import registry as charts

    return charts.current()


def _render(platform: AnalyticsPlatform, pins: Mapping[str, Pin]) -> dict[str, str]:
    """dist/ with these pins, in memory."""
    from charts import registry as charts

    return charts.render(replace(platform, images=pins))


def _declared(make: Callable[[], T]) -> T:
    """What `make` gives. Raises PlatformError with every mistake of the declarations.

    Mistakes in the catalogue and in a chart's module come up when they are imported.
    """
    results: list[T] = []
    problems: list[str] = []
    collect(problems, lambda: results.append(make()))
    if problems:
        raise PlatformError(problems)
    return results[0]


def _require_just_the_image(
    present: Mapping[str, str], rendered: Mapping[str, str], old: str, new: str
) -> None:
    wanted, found = dict(present), dict(rendered)
    for path in (path for path, text in present.items() if old in text and path in rendered):
        wanted[path] = _without_fingerprints(present[path].replace(old, new))
        found[path] = _without_fingerprints(rendered[path])
    if MAP in wanted and MAP in found:
        wanted[MAP] = found[MAP]
    others = [
        f"dist/{path}"
        for path in sorted(wanted.keys() | found.keys())
        if wanted.get(path) != found.get(path)
    ]
    if others:
        raise RefusedError(
            f"rendering would change more than the image {new}: {', '.join(others)}. "
            "Run `make synth`, commit that, and pin again"
        )


def _without_fingerprints(text: str) -> str:
    """A file without what follows from an image in it: the fingerprints of its Jobs."""
    return _FINGERPRINTS.sub("", text)


def _write(
    file: Path, line: str, dist: Path, present: Mapping[str, str], rendered: Mapping[str, str]
) -> None:
    """Replace dist/ and the pin, both or neither."""
    with output.defer_signals():
        try:
            output.replace_dir(rendered, dist)
            try:
                output.replace_file(file, line)
            except OSError:
                output.replace_dir(present, dist)
                raise
        except OSError as error:
            raise RefusedError(f"cannot write: {error}") from error


def _refuse(message: str) -> typer.Exit:
    for line in message.splitlines():
        terminal.fail(line)
    terminal.tell("Nothing was changed.")
    return typer.Exit(1)


def _moved(done: Pinned) -> Iterator[str]:
    """What else is to be known of the tag."""
    before, after = done.before, done.after
    if before.tag == after.tag and before.digest and before.digest != after.digest:
        yield f"Another build than before: the tag {after.tag} was moved. Find out why."
    if after.digest is None:
        yield "Without its digest: the tag can be moved to another build."


def _report(done: Pinned) -> str:
    if not done.written:
        return f"{done.service} is pinned to {done.after} already; nothing changed."
    seen = (
        f"{done.image.reference} is in the registry, for linux/arm64"
        if done.image
        else f"not verified that the registry has {done.after}"
    )
    return "\n".join(
        (
            f"{done.service}: {done.before} -> {done.after}",
            seen,
            *_moved(done),
            *(f"~ {path}" for path in done.written),
            "Commit these in one pull request; Argo CD rolls it out once that is merged.",
        )
    )

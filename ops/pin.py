"""`ops pin`: which build of a service's image runs, and dist/ with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from catalogue import images
from constructs_lib import output
from constructs_lib.errors import DeclarationError, PlatformError, collect
from constructs_lib.model import Pin
from ops import registry, terminal
from ops.errors import OpsError
from ops.git import Git

ROOT = Path(images.__file__).parents[2]
MAP = "README.md"
"""The one file of dist/ that may tell of an image in other words than its name."""
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
    verify: Annotated[
        bool, typer.Option(help="Ask the registry for the image first; without it, offline.")
    ] = True,
) -> None:
    """Pin the image that was built from a commit, and render dist/ with it.

    Changes one file of catalogue/images/ and that image in dist/, or nothing.
    An older commit rolls back; `ops rollback` lists them. `latest` is no target:
    the name never changes, so nothing would be rolled out; to undo a first
    bump, revert its commit.

    Exit status: 0 pinned (also if it was before), 1 refused, 2 wrong usage.
    """
    carry_out(service, sha, verify=verify)


def carry_out(service: str, commit: str, *, verify: bool) -> None:
    """Bump, and tell a person how that ended. Raises typer.Exit where it was refused."""
    try:
        done = bump(service, commit, find=registry.find if verify else None)
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
    *,
    find: Callable[[str], registry.Image] | None = registry.find,
    root: Path = ROOT,
) -> Pinned:
    """Pin `service` to the image of `commit`, and render dist/ with it: both, or neither.

    `find` looks the image up by its name and refuses what is not there; None takes it unseen.
    `root` is the checkout to change, this one by default. Raises RefusedError, GitError,
    RegistryError, and for mistakes in what is rendered DeclarationError or PlatformError; whatever
    is raised, every file is as it was.
    """
    dist = root / "dist"
    folder = root / "catalogue" / "images"
    pins = images.load(folder)
    after = _checked(service, commit, pins)
    before = pins[service]
    name, rendered = _render(service, {**pins, service: after})
    image = find(f"{name}:{after.tag}") if find else None
    present = output.read(dist)
    if before == after and present == rendered:
        return Pinned(service, before, after, image, ())
    file = images.pin_file(service, folder)
    require_committed(root, service)
    _require_just_the_image(present, rendered, f"{name}:{before.tag}", f"{name}:{after.tag}")
    _write(file, f"{after.tag}\n", dist, present, rendered)
    changed = (dist / path for path in sorted(rendered) if rendered[path] != present[path])
    written = tuple(path.relative_to(root) for path in (file, *changed))
    return Pinned(service, before, after, image, written)


def require_known(service: str, pins: Mapping[str, Pin]) -> None:
    """Refuse a service that has no pin."""
    if service not in pins:
        raise RefusedError(f"no service {service!r} in catalogue/images; {', '.join(pins)} are")


def _checked(service: str, commit: str, pins: Mapping[str, Pin]) -> Pin:
    require_known(service, pins)
    if not _COMMIT.fullmatch(commit):
        raise RefusedError(
            f"{commit!r} is no full commit, 40 hex digits in lower case; `git rev-parse` prints "
            f"them in the repository of {service}"
        )
    return Pin(f"sha-{commit}")


def require_committed(root: Path, service: str) -> None:
    """Refuse changes of dist/ or of the service's pin that are not committed."""
    paths = (images.pin_file(service, root / "catalogue" / "images"), root / "dist")
    status = Git(root).ask("status", "--porcelain", "--untracked-files=all", "--", *map(str, paths))
    if status:
        changes = ", ".join(line[3:] for line in status.splitlines())
        raise RefusedError(
            f"not committed: {changes}. Commit that first, or undo it with `git restore`"
        )


def _render(service: str, pins: Mapping[str, Pin]) -> tuple[str, Mapping[str, str]]:
    """The name of the service's image, and dist/ with these pins, in memory."""
    results: list[tuple[str, Mapping[str, str]]] = []

    def render() -> None:
        # Mistakes in the catalogue and in a chart's module come up when they are imported.
        from charts import registry as charts

        platform = replace(charts.current(), images=pins)
        results.append((f"{platform.registry}/{service}", charts.render(platform)))

    problems: list[str] = []
    collect(problems, render)
    if problems:
        raise PlatformError(problems)
    return results[0]


def _require_just_the_image(
    present: Mapping[str, str], rendered: Mapping[str, str], old: str, new: str
) -> None:
    wanted = {path: text.replace(old, new) for path, text in present.items()}
    if MAP in wanted and MAP in rendered:
        wanted[MAP] = rendered[MAP]
    others = [
        f"dist/{path}"
        for path in sorted(wanted.keys() | rendered.keys())
        if wanted.get(path) != rendered.get(path)
    ]
    if others:
        raise RefusedError(
            f"rendering would change more than the image {new}: {', '.join(others)}. "
            "Run `make synth`, commit that, and pin again"
        )


def _write(
    file: Path, line: str, dist: Path, present: Mapping[str, str], rendered: Mapping[str, str]
) -> None:
    """Replace dist/ and the pin, both or neither."""
    with output.undisturbed():
        try:
            output.swap(rendered, dist)
            try:
                output.replace(file, line)
            except OSError:
                output.swap(present, dist)
                raise
        except OSError as error:
            raise RefusedError(f"cannot write: {error}") from error


def _refuse(message: str) -> typer.Exit:
    for line in message.splitlines():
        terminal.fail(line)
    terminal.tell("Nothing was changed.")
    return typer.Exit(1)


def _report(done: Pinned) -> str:
    if not done.written:
        return f"{done.service} is pinned to {done.after.tag} already; nothing changed."
    seen = (
        f"{done.image.reference} is in the registry, for linux/arm64 ({done.image.digest})"
        if done.image
        else f"not verified that the registry has {done.after.tag}"
    )
    return "\n".join(
        (
            f"{done.service}: {done.before.tag} -> {done.after.tag}",
            seen,
            *(f"~ {path}" for path in done.written),
            "Commit these in one pull request; Argo CD rolls it out once that is merged.",
        )
    )

"""`ops rollback`: pin an earlier build of a service, from the Git history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import humanize
import typer

from catalogue import images
from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.references import repository
from constructs_lib.model import Pin
from ops import rendered, terminal
from ops.errors import OpsError
from ops.git import Git
from ops.options import AsJson
from ops.pin import (
    ROOT,
    Service,
    Verify,
    pin_and_report,
    require_committed,
    require_known,
)

_FIELDS = "%x00".join(("%h", "%cI", "%an", "%s"))
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Build:
    """A build that a service was pinned to."""

    pin: Pin
    """The commit of the service's repository, and the digest of its build."""
    since: datetime
    """When this repository last pinned it."""
    until: datetime | None
    """When the next pin replaced it; None for the newest pin."""
    pinned_by: str
    """The commit of this repository: hash, author, subject."""

    @property
    def commit(self) -> str:
        """The commit of the service's repository (40 hex digits)."""
        return self.pin.tag.removeprefix("sha-")

    @property
    def short_commit(self) -> str:
        return self.commit[:_SHOWN_DIGITS]

    @property
    def short_digest(self) -> str:
        """The shortened digest; a hyphen if only the tag was pinned."""
        return (self.pin.digest or "-").removeprefix("sha256:")[:_SHOWN_DIGITS]

    @property
    def ran(self) -> str:
        """`2026-10-31 14:05, for 18 days`, in UTC."""
        end = self.until or datetime.now(UTC)
        lasted = humanize.naturaldelta(end - self.since, months=False)
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M}, for {lasted}"


def rollback(
    service: Service,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT",
            help="The build: the start of its commit or digest. Default: prompt.",
        ),
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the builds, and exit.")] = False,
    as_json: AsJson = False,
    verify: Verify = True,
) -> None:
    """Roll a service back to an earlier build.

    Lists the builds that were pinned in the history of the current branch, and
    prompts for one. Then runs `ops pin` with its commit and digest, which changes
    the pin and dist/. Commit both; Argo CD rolls them out after the merge.
    With --list or --json, only lists.

    Exit status: 0 pinned or listed, 1 refused, 2 wrong usage, 130 interrupted.
    """
    if to and (only_list or as_json):
        raise typer.BadParameter("--to cannot be combined with --list or --json")
    pins = images.load()
    require_known(service, pins)
    pin = pins[service]
    current = (pin, replace(pin, digest=None))
    earlier = [build for build in history(service) if build.pin not in current]
    if as_json:
        terminal.show_json([_as_json(build) for build in earlier])
        return
    _require_some(service, earlier)
    if not to:
        _show(service, pin, earlier)
    if only_list:
        return
    require_committed(ROOT, service)
    if to:
        build = _matching(service, pin, earlier, to)
    elif terminal.is_interactive():
        build = earlier[terminal.choose("Roll back to which build", len(earlier)) - 1]
    else:
        raise OpsError("the terminal is not interactive; nothing was changed. Pass --to COMMIT")
    _describe_change(service, pin, build)
    pin_and_report(service, build.commit, build.pin.digest, verify=verify)


def history(service: str, root: Path = ROOT) -> list[Build]:
    """Return every build that `service` was pinned to, once each, newest first.

    Follows first parents only: pins inside a merged pull request never ran. Raises GitError.
    """
    git = Git(root)
    path = images.pin_file(service, Path("catalogue/images")).as_posix()
    log = git.ask("log", "--first-parent", "--no-show-signature", f"--format={_FIELDS}", "--", path)
    changes = [line.split("\0") for line in log.split("\n") if line]
    contents = git.contents(f"{commit}:./{path}" for commit, *_ in changes)
    builds: dict[Pin, Build] = {}
    until = None
    for (number, date, author, subject), content in zip(changes, contents, strict=True):
        since = datetime.fromisoformat(date)
        pin = _build(content)
        if pin and pin not in builds:
            builds[pin] = Build(pin, since, until, f"{number} {author}: {subject}")
        until = since
    return list(builds.values())


def _build(content: bytes | None) -> Pin | None:
    """Return the pin in a file; None for `latest` and for invalid pins."""
    try:
        pin = Pin.parse((content or b"").decode("utf-8"))
    except (UnicodeDecodeError, DeclarationError):
        return None
    return None if pin.floats else pin


def _require_some(service: str, earlier: list[Build]) -> None:
    if Git(ROOT).is_shallow:
        terminal.warn("This clone lacks older commits; run `git fetch --unshallow`.")
    if not earlier:
        raise OpsError(
            f"the history has no other build of {service} (`latest` does not count, because it "
            f"moves); pin any commit with `ops pin {service} <commit>`"
        )


def _show(service: str, pin: Pin, earlier: list[Build]) -> None:
    terminal.show(f"{service} is pinned to {pin}. Earlier builds:")
    terminal.show_table(
        *("", "Build", "Digest", "Pinned, UTC", "By"),
        rows=[
            (str(number), build.short_commit, build.short_digest, build.ran, build.pinned_by)
            for number, build in enumerate(earlier, start=1)
        ],
    )


def _matching(service: str, pin: Pin, earlier: list[Build], asked: str) -> Build:
    digits = asked.removeprefix("sha-").removeprefix("sha256:")
    found = [
        build
        for build in earlier
        if build.commit.startswith(digits)
        or (build.pin.digest or "").removeprefix("sha256:").startswith(digits)
    ]
    if len(found) == 1:
        return found[0]
    if found and len({build.commit for build in found}) == 1:
        digests = " or ".join(build.short_digest for build in found)
        raise OpsError(f"{asked} was built more than once; pass a digest: {digests}")
    if found:
        raise OpsError(
            f"{asked} matches {' and '.join(one.short_commit for one in found)}; pass more digits"
        )
    if pin.tag.startswith(f"sha-{digits}"):
        raise OpsError(f"{service} is already pinned to {asked}; nothing was changed")
    raise OpsError(
        f"{service} was never pinned to {asked}; `ops rollback {service} --list` lists its builds, "
        f"and `ops pin {service} <commit>` pins any build"
    )


def _describe_change(service: str, pin: Pin, build: Build) -> None:
    image = rendered.image(service)
    if pin.tag == build.pin.tag:
        terminal.info(f"This is another build of the same commit: {build.pin.digest}")
    elif not pin.floats:
        source = image.removeprefix("ghcr.io/")
        newer = pin.tag.removeprefix("sha-")
        terminal.info(f"This reverts https://github.com/{source}/compare/{build.commit}...{newer}")
    if migrations := _release_jobs(image):
        terminal.warn(
            f"{', '.join(migrations)} will run again, from that build. Database changes by later "
            "migrations remain."
        )


def _release_jobs(image: str) -> list[str]:
    """Return the Jobs that run the image at every sync."""
    return [
        job.name
        for job in rendered.objects().of_kinds("Job")
        for container in job.spec["template"]["spec"]["containers"]
        if repository(container["image"]) == image
    ]


def _as_json(build: Build) -> dict[str, Any]:
    return {
        "commit": build.commit,
        "digest": build.pin.digest,
        "since": build.since,
        "until": build.until,
        "pinnedBy": build.pinned_by,
    }

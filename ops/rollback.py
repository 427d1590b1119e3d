"""`ops rollback`: pin an earlier build of a service, from the Git history."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import humanize
import typer

from catalogue import platform
from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.references import repository
from constructs_lib.manifests.workload import workloads
from constructs_lib.model import Pin
from ops import pin, rendered, terminal
from ops.commands import AsJson
from ops.errors import OpsError
from ops.git import Git
from ops.pin import Service, Verify

_SHOWN = 12
"""Digits of a commit or digest."""


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
    def digest(self) -> str:
        """The hexadecimal digits of its digest; empty if only the tag was pinned."""
        return (self.pin.digest or "").removeprefix("sha256:")

    @property
    def ran(self) -> str:
        """`2026-10-31 14:05, for 18 days`, in UTC."""
        end = self.until or datetime.now(UTC)
        lasted = humanize.naturaldelta(end - self.since, months=False)
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M}, for {lasted}"

    def as_json(self) -> dict[str, Any]:
        return {
            "commit": self.commit,
            "digest": self.pin.digest,
            "since": self.since,
            "until": self.until,
            "pinnedBy": self.pinned_by,
        }


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
    pinned = pin.load_pins(service)[service]
    current = (pinned, replace(pinned, digest=None))
    earlier = [build for build in history(service) if build.pin not in current]
    if as_json:
        terminal.show_json([build.as_json() for build in earlier])
        return
    if Git(pin.ROOT).is_shallow:
        terminal.warn("This clone lacks older commits; run `git fetch --unshallow`.")
    if not earlier:
        raise OpsError(
            f"the history has no other build of {service} (`latest` does not count, because it "
            f"moves); pin any commit with `ops pin {service} <commit>`"
        )
    if not to:
        _show(service, pinned, earlier)
    if only_list:
        return
    pin.require_committed(service)
    if to:
        build = _matching(service, pinned, earlier, to)
    else:
        terminal.require_interactive("Pass --to COMMIT")
        build = earlier[terminal.choose("Roll back to which build", len(earlier)) - 1]
    _describe_change(service, pinned, build)
    pin.pin_and_report(service, build.commit, build.pin.digest, verify=verify)


def history(service: str) -> list[Build]:
    """Return every build that `service` was pinned to, once each, newest first.

    Follows first parents only: pins inside a merged pull request never ran. Omits `latest` and
    invalid pins. Raises OpsError.
    """
    git, path = Git(pin.ROOT), f"{pin.PINS}/{service}.pin"
    fields = "--format=%h%x00%cI%x00%an%x00%s"
    log = git.ask("log", "--first-parent", "--no-show-signature", fields, "--", path)
    changes = [line.split("\0") for line in log.split("\n") if line]
    contents = git.contents(f"{commit}:./{path}" for commit, *_ in changes)
    builds: dict[Pin, Build] = {}
    until = None
    for (number, date, author, subject), content in zip(changes, contents, strict=True):
        since = datetime.fromisoformat(date)
        with suppress(UnicodeDecodeError, DeclarationError):
            pinned = Pin.parse((content or b"").decode("utf-8"))
            if not pinned.floats:
                build = Build(pinned, since, until, f"{number} {author}: {subject}")
                builds.setdefault(pinned, build)
        until = since
    return list(builds.values())


def _show(service: str, pinned: Pin, earlier: list[Build]) -> None:
    terminal.show(f"{service} is pinned to {pinned}. Earlier builds:")
    rows = [
        (str(number), one.commit[:_SHOWN], one.digest[:_SHOWN] or "-", one.ran, one.pinned_by)
        for number, one in enumerate(earlier, start=1)
    ]
    terminal.show_table("", "Build", "Digest", "Pinned, UTC", "By", rows=rows)


def _matching(service: str, pinned: Pin, earlier: list[Build], asked: str) -> Build:
    start = asked.removeprefix("sha-").removeprefix("sha256:")
    found = [
        build
        for build in earlier
        if build.commit.startswith(start) or build.digest.startswith(start)
    ]
    commits = dict.fromkeys(build.commit[:_SHOWN] for build in found)
    if len(found) == 1:
        return found[0]
    if len(commits) == 1:
        digests = " or ".join(build.digest[:_SHOWN] or "-" for build in found)
        raise OpsError(f"{asked} was built more than once; pass a digest: {digests}")
    if found:
        raise OpsError(f"{asked} matches {' and '.join(commits)}; pass more digits")
    if pinned.tag.startswith(f"sha-{start}"):
        raise OpsError(f"{service} is already pinned to {asked}; nothing was changed")
    raise OpsError(
        f"{service} was never pinned to {asked}; `ops rollback {service} --list` lists its builds, "
        f"and `ops pin {service} <commit>` pins any build"
    )


def _describe_change(service: str, pinned: Pin, build: Build) -> None:
    image = f"{platform.current().registry}/{service}"
    if pinned.tag == build.pin.tag:
        terminal.info(f"This is another build of the same commit: {build.pin.digest}")
    elif not pinned.floats:
        source = image.removeprefix("ghcr.io/")
        newer = pinned.tag.removeprefix("sha-")
        terminal.info(f"This reverts https://github.com/{source}/compare/{build.commit}...{newer}")
    jobs = [item for item in workloads(rendered.objects()) if item.kind == "Job"]
    migrations = [job.name for job in jobs if image in map(repository, job.images)]
    if migrations:  # they run at every sync
        terminal.warn(
            f"{', '.join(migrations)} will run again, from that build. Database changes by later "
            "migrations remain."
        )

"""`ops rollback`: back to a build that a service has run, which is known from Git."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import humanize
import typer

from catalogue import images
from constructs_lib.errors import DeclarationError
from constructs_lib.manifests.image import repository
from constructs_lib.model import Pin
from ops import rendered, terminal
from ops.errors import OpsError, handle_errors
from ops.git import Git
from ops.options import AsJson
from ops.pin import ROOT, carry_out, require_committed, require_known

_FIELDS = "%x00".join(("%h", "%cI", "%an", "%s"))
_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Build:
    """A build that a service was pinned to."""

    pin: Pin
    """The commit of the service's repository, and the digest of what was built from it."""
    since: datetime
    """When this repository pinned it last."""
    until: datetime | None
    """When it pinned another; None for the newest pin."""
    pinned_by: str
    """The commit of this repository that did it: number, author, subject."""

    @property
    def commit(self) -> str:
        """Of the service's repository: 40 hex digits."""
        return self.pin.tag.removeprefix("sha-")

    @property
    def brief(self) -> str:
        """The commit, in as many digits as tell it from others."""
        return self.commit[:_SHOWN_DIGITS]

    @property
    def brief_digest(self) -> str:
        """The digest, shortened in the same way; a hyphen where only the tag was pinned."""
        return (self.pin.digest or "-").removeprefix("sha256:")[:_SHOWN_DIGITS]

    @property
    def ran(self) -> str:
        """`2026-10-31 14:05, for 18 days`, in UTC."""
        end = self.until or datetime.now(UTC)
        lasted = humanize.naturaldelta(end - self.since, months=False)
        return f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M}, for {lasted}"


@handle_errors
def rollback(
    service: Annotated[str, typer.Argument(help="The service, as in catalogue/images/.")],
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT",
            help="The build to go back to; some digits of it, or of its digest, do. Default: ask.",
        ),
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="List the builds, and end.")] = False,
    as_json: AsJson = False,
    verify: Annotated[
        bool, typer.Option(help="Ask the registry for the image first; without it, offline.")
    ] = True,
) -> None:
    """Go back to a build that a service has run.

    Lists the builds that were pinned before, from the history of what is
    checked out, and asks for one. Then it is `ops pin` with that commit and
    digest: it changes the pin and dist/, which you commit; Argo CD rolls out
    what is merged. --json lists, too.

    Exit status: 0 pinned or listed, 1 refused, 2 wrong usage, 130 interrupted.
    """
    if to and (only_list or as_json):
        raise typer.BadParameter("--to pins a build; leave out --list and --json")
    pin, builds = _pin(service), history(service)
    earlier = [build for build in builds if build.pin not in (pin, replace(pin, digest=None))]
    if as_json:
        terminal.show_json([_as_json(build) for build in earlier])
        return
    _require_some(service, earlier)
    if not to:
        _show(service, pin, earlier)
    if only_list:
        return
    require_committed(ROOT, service)
    build = _matching(service, pin, earlier, to) if to else _asked(earlier)
    _tell_what_goes(service, pin, build)
    carry_out(service, build.commit, build.pin.digest, verify=verify)


def history(service: str, root: Path = ROOT) -> list[Build]:
    """Every build that `service` was pinned to, once each, the newest first.

    What counts is what the branch itself was at: the pins inside of a merged pull request never
    ran. Raises GitError.
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
    """The pin in a file; None for `latest`, and for what is not a pin."""
    try:
        pin = Pin.parse((content or b"").decode("utf-8"))
    except (UnicodeDecodeError, DeclarationError):
        return None
    return None if pin.floats else pin


def _pin(service: str) -> Pin:
    pins = images.load()
    require_known(service, pins)
    return pins[service]


def _require_some(service: str, earlier: list[Build]) -> None:
    if Git(ROOT).is_shallow:
        terminal.warn("This clone lacks older commits; `git fetch --unshallow` gets them.")
    if not earlier:
        raise OpsError(
            f"the history has no other build of {service}. `ops pin {service} <commit>` pins any; "
            "`latest` is none, since it names another build tomorrow"
        )


def _show(service: str, pin: Pin, earlier: list[Build]) -> None:
    terminal.show(f"{service} is pinned to {pin}. Before:")
    terminal.show_table(
        *("", "Build", "Digest", "Pinned, UTC", "By"),
        rows=[
            (str(number), build.brief, build.brief_digest, build.ran, build.pinned_by)
            for number, build in enumerate(earlier, start=1)
        ],
    )


def _asked(earlier: list[Build]) -> Build:
    if not terminal.is_interactive():
        raise OpsError("nobody is here to choose; nothing was changed. Name one with --to COMMIT")
    return earlier[terminal.choose("Go back to which one", len(earlier)) - 1]


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
        digests = " or ".join(build.brief_digest for build in found)
        raise OpsError(f"{asked} was built more than once; name the digest, {digests}")
    if found:
        raise OpsError(
            f"{asked} may be {' or '.join(build.brief for build in found)}; write more digits"
        )
    if pin.tag.startswith(f"sha-{digits}"):
        raise OpsError(f"{asked} is what {service} is pinned to now; nothing was changed")
    raise OpsError(
        f"{service} was never pinned to {asked} here; `ops rollback {service} --list` shows what "
        f"it was, and `ops pin {service} <commit>` pins any build"
    )


def _tell_what_goes(service: str, pin: Pin, build: Build) -> None:
    """What the way back means, as far as it is known here."""
    image = rendered.image(service)
    if pin.tag == build.pin.tag:
        terminal.tell(f"This is another build of the same commit: {build.pin.digest}")
    elif not pin.floats:
        source = image.removeprefix("ghcr.io/")
        newer = pin.tag.removeprefix("sha-")
        terminal.tell(
            f"This takes back https://github.com/{source}/compare/{build.commit}...{newer}"
        )
    if migrations := _release_jobs(image):
        terminal.warn(
            f"{', '.join(migrations)} will run again, of that build. What migrations of later "
            "builds changed in the database stays."
        )


def _release_jobs(image: str) -> list[str]:
    """The Jobs that run a service's image with every sync."""
    return [
        item["metadata"]["name"]
        for item in rendered.objects()
        if item["kind"] == "Job"
        for container in item["spec"]["template"]["spec"]["containers"]
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

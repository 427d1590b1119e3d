#!/usr/bin/env python3
"""Keep one issue open while the nightly run fails.

The first failure opens it, each further one comments on it, and the next run that passes closes it.
It needs nothing but Python and gh. It reads GH_TOKEN, NEEDS (the results of the jobs, as GitHub's
`toJSON(needs)` writes them) and RUN_URL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

TITLE = "The nightly run fails"


def main() -> None:
    """Open the issue, comment on it or close it."""
    jobs = json.loads(os.environ["NEEDS"])
    url = os.environ["RUN_URL"]
    failed = [name for name, job in jobs.items() if job["result"] != "success"]
    issue = open_issue()
    if not failed:
        if issue:
            gh("issue", "close", issue, "--comment", f"{url} passed.")
        return
    text = f"{url} did not pass. See its jobs: {', '.join(failed)}."
    if issue:
        gh("issue", "comment", issue, "--body", text)
    else:
        gh("issue", "create", "--title", TITLE, "--body", text)


def open_issue() -> str | None:
    """The number of the issue that an earlier run opened; what people open is left alone."""
    fields = ("--json", "number,title,author")
    found = json.loads(gh("issue", "list", "--state", "open", "--limit", "1000", *fields))
    ours = [one for one in found if one["title"] == TITLE and one["author"].get("is_bot")]
    return str(ours[0]["number"]) if ours else None


def gh(*arguments: str) -> str:
    """What gh prints."""
    done = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: gh {' '.join(arguments[:2])}: {done.stderr.strip()}")
    print(f"gh {' '.join(arguments)}")
    return done.stdout


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Keep an issue open while the nightly run fails.

The first failure opens the issue, later failures comment on it, and the next success closes it.
Needs only Python and gh. Reads GH_TOKEN, NEEDS (the results of the jobs, from GitHub's
`toJSON(needs)`) and RUN_URL.
"""

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
    text = f"{url} failed. Failed jobs: {', '.join(failed)}."
    if issue:
        gh("issue", "comment", issue, "--body", text)
    else:
        gh("issue", "create", "--title", TITLE, "--body", text)


def open_issue() -> str | None:
    """The number of the issue that an earlier run opened. Issues of users are ignored."""
    fields = ("--json", "number,title,author")
    found = json.loads(gh("issue", "list", "--state", "open", "--limit", "1000", *fields))
    ours = [one for one in found if one["title"] == TITLE and one["author"].get("is_bot")]
    return str(ours[0]["number"]) if ours else None


def gh(*arguments: str) -> str:
    """Run gh; returns its output."""
    done = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: gh {' '.join(arguments[:2])}: {done.stderr.strip()}")
    print(f"gh {' '.join(arguments)}")
    return done.stdout


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Post the text that a run wrote as a comment on a pull request, or update that comment.

The text quotes the pull request and is never executed. Needs only Python and gh. Reads GH_TOKEN,
GITHUB_SERVER_URL, GITHUB_REPOSITORY, RUN (the run ID), HEAD (owner:branch) and HEAD_SHA.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from urllib.parse import urlencode

MARKER = "<!-- what this pull request does -->"
AUTHOR = "github-actions[bot]"
LIMIT = 65_536
"""GitHub's limit of characters in a comment."""
REPOSITORY = os.environ["GITHUB_REPOSITORY"]


def main() -> None:
    """Comment on each open pull request of the head commit."""
    run = os.environ["RUN"]
    body = f"{MARKER}\n{written(run)}"
    if len(body) > LIMIT:
        url = f"{os.environ['GITHUB_SERVER_URL']}/{REPOSITORY}/actions/runs/{run}"
        body = f"{MARKER}\nThe text is too long for a comment. See the artifact of {url}."
    # runs for forks do not contain the number of their pull request
    head = urlencode({"state": "open", "head": os.environ["HEAD"]})
    for pull in json.loads(api(f"pulls?{head}")):
        if pull["head"]["sha"] == os.environ["HEAD_SHA"]:
            comment(f"issues/{pull['number']}/comments", body)
            print(f"Commented on #{pull['number']}.")


def written(run: str) -> str:
    """The file comment.md in the run's artifact `comment`."""
    (artifact,) = json.loads(api(f"actions/runs/{run}/artifacts?name=comment"))["artifacts"]
    archive = io.BytesIO(api(f"actions/artifacts/{artifact['id']}/zip"))
    with zipfile.ZipFile(archive).open("comment.md") as file:
        return file.read(4 * LIMIT + 1).decode("utf-8", "replace")


def comment(path: str, body: str) -> None:
    """Add a comment to those of a pull request, or update the one of an earlier run."""
    pages = json.loads(api(f"{path}?per_page=100", "--paginate", "--slurp"))
    earlier = (
        found["id"]
        for page in pages
        for found in page
        if found["user"]["login"] == AUTHOR and found["body"].startswith(MARKER)
    )
    ours = next(earlier, None)
    method, path = ("POST", path) if ours is None else ("PATCH", f"issues/comments/{ours}")
    api(path, f"--method={method}", "--input=-", content=json.dumps({"body": body}))


def api(path: str, *options: str, content: str = "") -> bytes:
    """Send a request about this repository to GitHub's API; returns the response body."""
    command = ["gh", "api", f"repos/{REPOSITORY}/{path}", *options]
    done = subprocess.run(command, input=content.encode(), capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"error: gh api {path}: {done.stderr.decode().strip()}")
    return done.stdout


if __name__ == "__main__":
    main()

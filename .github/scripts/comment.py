#!/usr/bin/env python3
"""Post the text that a run wrote as a comment on a pull request, or update that comment.

The text quotes the pull request and is never executed. Needs only Python. Reads GITHUB_API_URL,
GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_TOKEN, RUN (the run ID), HEAD (owner:branch) and
HEAD_SHA.
"""

import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

MARKER = "<!-- what this pull request does -->"
AUTHOR = "github-actions[bot]"
LIMIT = 65_536
"""GitHub's limit of characters in a comment."""
PAGE = 100


def main() -> None:
    """Comment on each open pull request of the head commit."""
    run = os.environ["RUN"]
    body = f"{MARKER}\n{written(run)}"
    if len(body) > LIMIT:
        server, repository = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_REPOSITORY"]
        url = f"{server}/{repository}/actions/runs/{run}"
        body = f"{MARKER}\nThe text is too long for a comment. See the artifact of {url}."
    for number in pull_requests(os.environ["HEAD"], os.environ["HEAD_SHA"]):
        ours = next(comments(number), None)
        if ours is None:
            call("POST", f"issues/{number}/comments", {"body": body})
        else:
            call("PATCH", f"issues/comments/{ours}", {"body": body})
        print(f"Commented on #{number}.")


def written(run: str) -> str:
    """The file comment.md in the run's artifact `comment`."""
    (artifact,) = call("GET", f"actions/runs/{run}/artifacts?name=comment")["artifacts"]
    archive = io.BytesIO(send("GET", f"actions/artifacts/{artifact['id']}/zip"))
    with zipfile.ZipFile(archive).open("comment.md") as file:
        return file.read(4 * LIMIT + 1).decode("utf-8", "replace")


def pull_requests(head: str, sha: str) -> Iterator[int]:
    """The open pull requests with this head commit.

    Runs for forks do not contain the number of their pull request.
    """
    found = call("GET", f"pulls?{urlencode({'state': 'open', 'head': head})}")
    yield from (pull["number"] for pull in found if pull["head"]["sha"] == sha)


def comments(number: int) -> Iterator[int]:
    """The IDs of this script's comments on a pull request."""
    for page in count(1):
        found = call("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
        for comment in found:
            if comment["user"]["login"] == AUTHOR and comment["body"].startswith(MARKER):
                yield comment["id"]
        if len(found) < PAGE:
            return


def call(method: str, path: str, content: dict[str, Any] | None = None) -> Any:
    """Send a request about this repository to GitHub's API; returns the JSON response."""
    return json.loads(send(method, path, content))


def send(method: str, path: str, content: dict[str, Any] | None = None) -> bytes:
    """Send a request about this repository, follow redirects, and return the response body."""
    url = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}"
    data = None if content is None else json.dumps(content).encode()
    accept = {"Accept": "application/vnd.github+json"}
    request = Request(url, data, accept, method=method)  # noqa: S310 the URL comes from the runner
    # Artifacts are on another server, which must not get the token.
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['GITHUB_TOKEN']}")
    with urlopen(request, timeout=60) as answer:  # noqa: S310 as above
        return bytes(answer.read())


if __name__ == "__main__":
    try:
        main()
    except HTTPError as error:
        sys.exit(f"error: {error.url} returned {error.code}: {error.read().decode()}")

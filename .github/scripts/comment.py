#!/usr/bin/env python3
"""Post what a run wrote for its pull request as one comment there, or bring that up to date.

What the pull request wrote is text to this script: none of it is run. It needs nothing but Python.
It reads GITHUB_API_URL, GITHUB_SERVER_URL, GITHUB_REPOSITORY and GITHUB_TOKEN, and of the run RUN
(its id), HEAD (owner:branch) and HEAD_SHA.
"""

from __future__ import annotations

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
"""The characters that GitHub takes in a comment."""
PAGE = 100


def main() -> None:
    """Comment on each open pull request that the run was for."""
    run = os.environ["RUN"]
    text = written(run)
    if text is None:
        print("The run wrote no comment.")
        return
    body = f"{MARKER}\n{text}"
    if len(body) > LIMIT:
        server, repository = os.environ["GITHUB_SERVER_URL"], os.environ["GITHUB_REPOSITORY"]
        place = f"{server}/{repository}/actions/runs/{run}"
        body = f"{MARKER}\nToo long for a comment: see the artifact of {place}."
    for number in pull_requests(os.environ["HEAD"], os.environ["HEAD_SHA"]):
        ours = next(comments(number), None)
        if ours is None:
            call("POST", f"issues/{number}/comments", {"body": body})
        else:
            call("PATCH", f"issues/comments/{ours}", {"body": body})
        print(f"Commented on #{number}.")


def written(run: str) -> str | None:
    """The file comment.md of the run's artifact `comment`; None if the run left none."""
    artifacts = call("GET", f"actions/runs/{run}/artifacts?name=comment")["artifacts"]
    if not artifacts:
        return None
    archive = io.BytesIO(send("GET", f"actions/artifacts/{artifacts[0]['id']}/zip"))
    with zipfile.ZipFile(archive).open("comment.md") as file:
        return file.read(4 * LIMIT + 1).decode("utf-8", "replace")


def pull_requests(head: str, sha: str) -> Iterator[int]:
    """The open pull requests whose head is still what the run looked at.

    A run itself does not say which pull request it was for when that comes from a fork.
    """
    found = call("GET", f"pulls?{urlencode({'state': 'open', 'head': head})}")
    yield from (pull["number"] for pull in found if pull["head"]["sha"] == sha)


def comments(number: int) -> Iterator[int]:
    """Our own comments on a pull request."""
    for page in count(1):
        found = call("GET", f"issues/{number}/comments?per_page={PAGE}&page={page}")
        for comment in found:
            if comment["user"]["login"] == AUTHOR and comment["body"].startswith(MARKER):
                yield comment["id"]
        if len(found) < PAGE:
            return


def call(method: str, path: str, content: dict[str, Any] | None = None) -> Any:
    """What GitHub's API answers to a request about this repository."""
    return json.loads(send(method, path, content))


def send(method: str, path: str, content: dict[str, Any] | None = None) -> bytes:
    """The bytes that GitHub's API answers with, or those it redirects to."""
    url = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}"
    data = None if content is None else json.dumps(content).encode()
    accept = {"Accept": "application/vnd.github+json"}
    request = Request(url, data, accept, method=method)  # noqa: S310 the runner says where
    # Artifacts lie on another server, which must not see the token.
    request.add_unredirected_header("Authorization", f"Bearer {os.environ['GITHUB_TOKEN']}")
    with urlopen(request, timeout=60) as answer:  # noqa: S310 as above
        return bytes(answer.read())


if __name__ == "__main__":
    try:
        main()
    except HTTPError as error:
        sys.exit(f"error: {error.url} answers {error.code}: {error.read().decode()}")

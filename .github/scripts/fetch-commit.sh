#!/usr/bin/env bash
# Fetch a commit into this clone as Git objects, without checking it out.
# Reads HEAD_SHA, and GH_TOKEN for private repositories.
set -euo pipefail

if [[ ! $HEAD_SHA =~ ^[0-9a-f]{40}$ ]]; then
  echo "error: HEAD_SHA must be a commit ID of 40 hex digits, not '$HEAD_SHA'" >&2
  exit 1
fi
# git gets the token from gh, so it is not written to disk
git -c credential.helper= -c credential.helper='!gh auth git-credential' \
  fetch --quiet --no-tags --no-recurse-submodules origin "$HEAD_SHA"

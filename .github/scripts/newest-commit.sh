#!/usr/bin/env bash
# Print the newest commit of the branch that a run is for: a re-run of an older commit has another
# GITHUB_SHA, and must not move `latest` or the pin. A commit that is pushed after this is built by
# the next run, because the runs of a branch are serialized, and then moves both.
# Reads GITHUB_SERVER_URL, GITHUB_REPOSITORY (public) and GITHUB_REF.
set -euo pipefail

git ls-remote "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" "$GITHUB_REF" |
  awk -v ref="$GITHUB_REF" '$2 == ref { print $1 }'

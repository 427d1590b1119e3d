#!/usr/bin/env bash
# Print the review of a fetched commit as a comment. The code is that of this checkout; of the commit,
# it only reads Git objects.
# Reads HEAD_SHA and RUN_URL.
set -euo pipefail

base=$(git merge-base HEAD "$HEAD_SHA") || base=HEAD # without a common commit, the default branch
# A comment has at most 65,536 characters, including a first line that identifies it. A commit that
# cannot be reviewed must replace the comment of an earlier one. What could not be compared is in it.
comment=$(python -m ops review "$base" "$HEAD_SHA" --format markdown --limit 65400 \
  --full-report "$RUN_URL") || [[ $comment ]] \
  || comment="> [!CAUTION]
> **The review of $HEAD_SHA failed.** Read the log: $RUN_URL"
printf '%s\n' "$comment"

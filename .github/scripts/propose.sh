#!/usr/bin/env bash
# Open a pull request with the changes in this checkout, or update the open one.
# Usage: propose.sh BRANCH TITLE BODY_FILE
# Reads GH_TOKEN of the GitHub App: pushes made with GITHUB_TOKEN do not trigger workflows.
# Reads AUTHOR, the author of the commit.
set -euo pipefail

branch=$1 title=$2 body=$3
if [ -z "$(git status --porcelain)" ]; then
  echo "Nothing has changed; no pull request is needed."
  exit
fi

base=$(git branch --show-current)
git switch --quiet --force-create "$branch"
git add --all
git -c user.name="$AUTHOR" -c user.email="$AUTHOR@users.noreply.github.com" \
  commit --quiet --message "$title" --message "$(cat "$body")"

gh auth setup-git # git gets the token from gh, so it is not written to disk
git push --force --quiet origin "HEAD:refs/heads/$branch"
open=$(gh pr list --state open --base "$base" --head "$branch" --json number --jq '.[].number')
if [ -n "$open" ]; then
  gh pr edit "$open" --title "$title" --body-file "$body"
else
  gh pr create --base "$base" --head "$branch" --title "$title" --body-file "$body"
fi

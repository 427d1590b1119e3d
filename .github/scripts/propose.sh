#!/usr/bin/env bash
# Open a pull request with what has changed in this checkout, or bring the open one up to date.
# Usage: propose.sh BRANCH TITLE BODY_FILE
# Reads GH_TOKEN, of the GitHub App: what the workflow's own token pushes starts no checks.
# Reads AUTHOR, the name to commit under.
set -euo pipefail

branch=$1 title=$2 body=$3
if [ -z "$(git status --porcelain)" ]; then
  echo "Nothing has changed, so there is nothing to propose."
  exit
fi

base=$(git branch --show-current)
git switch --quiet --force-create "$branch"
git add --all
git -c user.name="$AUTHOR" -c user.email="$AUTHOR@users.noreply.github.com" \
  commit --quiet --message "$title" --message "$(cat "$body")"

gh auth setup-git # git asks gh for the token, so it is written nowhere
git push --force --quiet origin "HEAD:refs/heads/$branch"
open=$(gh pr list --state open --base "$base" --head "$branch" --json number --jq '.[].number')
if [ -n "$open" ]; then
  gh pr edit "$open" --title "$title" --body-file "$body"
else
  gh pr create --base "$base" --head "$branch" --title "$title" --body-file "$body"
fi

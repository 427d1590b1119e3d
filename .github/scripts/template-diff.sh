#!/usr/bin/env bash
# Print the changes in the template of SecretsStack since a revision, as Markdown. Compares with the
# committed snapshot of that revision, without access to AWS.
# Usage: template-diff.sh REVISION
set -euo pipefail

if ! git rev-parse --quiet --verify "$1^{commit}" > /dev/null; then
  echo "error: revision $1 does not exist in this clone; is it a shallow clone?" >&2
  exit 1
fi
before=$(mktemp --suffix .json)
trap 'rm -f "$before"' EXIT
git show "$1:stacks/SecretsStack.template.json" > "$before" \
  || git show "$1:tests/snapshots/SecretsStack.template.json" > "$before" \
  || echo '{}' > "$before" # older commits have it in tests/snapshots, the first ones not at all

printf '### SecretsStack\n\n```\n'
cdk diff SecretsStack --template "$before" 2>&1
printf '```\n'

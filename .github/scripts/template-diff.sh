#!/usr/bin/env bash
# Say in Markdown what changes in the template of SecretsStack since a revision. AWS is not asked:
# the other side is the snapshot that was committed there.
# Usage: template-diff.sh REVISION
set -euo pipefail

if ! git rev-parse --quiet --verify "$1^{commit}" > /dev/null; then
  echo "error: there is no revision $1 in this clone; is it a shallow one?" >&2
  exit 1
fi
before=$(mktemp --suffix .json)
trap 'rm -f "$before"' EXIT
git show "$1:stacks/SecretsStack.template.json" > "$before" \
  || git show "$1:tests/snapshots/SecretsStack.template.json" > "$before" \
  || echo '{}' > "$before" # the first; where older commits have it, before

printf '### SecretsStack\n\n```\n'
cdk diff SecretsStack --template "$before" 2>&1
printf '```\n'

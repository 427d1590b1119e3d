#!/usr/bin/env bash
# Test an image that was built and not pushed: that it is what the charts run, then by the
# service's own commands. Reads IMAGE and TEST.
set -euo pipefail

expected='linux/arm64 as 1000:1000'
built=$(docker image inspect --format '{{.Os}}/{{.Architecture}} as {{.Config.User}}' "$IMAGE")
if [ "$built" != "$expected" ]; then
  echo "error: $IMAGE is $built, but the charts run $expected" >&2
  exit 1
fi
if [ -z "${TEST//[[:space:]]/}" ]; then
  echo "error: no commands to test $IMAGE with; give the workflow's input 'test' some" >&2
  exit 1
fi
bash -euo pipefail -c "$TEST"

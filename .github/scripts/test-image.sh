#!/usr/bin/env bash
# Test a local image: check its platform and user, then run the commands of the service.
# Reads IMAGE and TEST.
set -euo pipefail

expected='linux/arm64 as 1000:1000'
built=$(docker image inspect --format '{{.Os}}/{{.Architecture}} as {{.Config.User}}' "$IMAGE")
if [ "$built" != "$expected" ]; then
  echo "error: $IMAGE is $built, but the charts require $expected" >&2
  exit 1
fi
if [ -z "${TEST//[[:space:]]/}" ]; then
  echo "error: no commands to test $IMAGE; set the workflow's input 'test'" >&2
  exit 1
fi
bash -euo pipefail -c "$TEST"

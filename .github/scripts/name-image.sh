#!/usr/bin/env bash
# Print name, tags and Dockerfile of an image as step outputs. Every build gets the tag of its commit;
# only the build of the newest commit of the default branch gets `latest`.
# Reads SERVICE, DOCKERFILE (optional), DEFAULT_BRANCH, GITHUB_SHA, what newest-commit.sh reads, and the
# directories deployments/ and service/ (a git checkout).
set -euo pipefail

if [[ ! $SERVICE =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]]; then
  echo "error: invalid service name '$SERVICE'; use lowercase letters, digits and dashes" >&2
  exit 1
fi
name=ghcr.io/gnosischain/$SERVICE
folder=deployments/docker/$SERVICE
dockerfile=$folder/Dockerfile
if [ -n "${DOCKERFILE:-}" ]; then
  dockerfile=service/$DOCKERFILE
  folder=$(dirname "$dockerfile")
fi
if [ ! -f "$dockerfile" ]; then
  echo "error: $dockerfile does not exist; is '$SERVICE' a directory in docker/?" >&2
  exit 1
fi
newest=""
if [ "$GITHUB_REF" = "refs/heads/$DEFAULT_BRANCH" ]; then
  newest=$(deployments/.github/scripts/newest-commit.sh)
fi

echo "name=$name"
echo "dockerfile=$dockerfile"
# The build context `config`: additional files for the image.
echo "folder=$folder"
# The commit time, so that rebuilding a commit gives the same labels.
echo "created=$(TZ=UTC git -C service show --no-patch --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)"
echo 'tags<<END'
echo "$name:sha-$GITHUB_SHA"
if [ "$GITHUB_SHA" = "$newest" ]; then
  echo "$name:latest"
fi
echo END

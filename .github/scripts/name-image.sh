#!/usr/bin/env bash
# Say, as outputs of a step, what an image is called and what it is built from: `latest` goes to
# builds of the default branch alone, every build has the tag of its commit.
# Reads SERVICE, DOCKERFILE (optional), DEFAULT_BRANCH, GITHUB_REF and GITHUB_SHA, and the folders
# deployments/ and service/ (a git checkout).
set -euo pipefail

if [[ ! $SERVICE =~ ^[a-z0-9]+(-[a-z0-9]+)*$ ]]; then
  echo "error: the service '$SERVICE' is no image name: lower case letters, digits, dashes" >&2
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
  echo "error: there is no $dockerfile; is '$SERVICE' a folder under docker/?" >&2
  exit 1
fi

echo "name=$name"
echo "dockerfile=$dockerfile"
# The build context `config`: what goes into the image beside the service's own source.
echo "folder=$folder"
# The commit's time, so that building a commit again gives the same labels.
echo "created=$(TZ=UTC git -C service show --no-patch --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)"
echo 'tags<<END'
echo "$name:sha-$GITHUB_SHA"
if [ "$GITHUB_REF" = "refs/heads/$DEFAULT_BRANCH" ]; then
  echo "$name:latest"
fi
echo END

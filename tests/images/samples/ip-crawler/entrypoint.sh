#!/bin/bash
set -e
python -m src.migrations
exec python -m src.crawler

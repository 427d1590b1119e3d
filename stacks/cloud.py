"""The CDK app: one stack, synthesized into a cloud assembly."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aws_cdk import App

from constructs_lib.errors import errors_of

_CDK_JSON = Path(__file__).parents[1] / "cdk.json"


def build() -> App:
    """The app with SecretsStack, with the feature flags of cdk.json even without the CDK CLI."""
    from stacks.secrets_stack import SecretsStack

    context = json.loads(_CDK_JSON.read_text("utf-8"))["context"]
    app = App(analytics_reporting=False, context=context)
    SecretsStack(app)
    return app


def synth() -> int:
    """Write the cloud assembly for the CDK CLI and return the exit status."""
    problems = errors_of(lambda: build().synth())
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0

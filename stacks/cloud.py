"""The CDK app: one stack, synthesized into a cloud assembly."""

from __future__ import annotations

import sys

from aws_cdk import App

from constructs_lib.errors import collect


def build() -> App:
    """The app with SecretsStack, of the catalogue's facts."""
    from stacks.secrets_stack import SecretsStack

    app = App(analytics_reporting=False)
    SecretsStack(app)
    return app


def synth() -> int:
    """Write the assembly to where the CDK command line wants it; the exit status."""
    problems: list[str] = []
    collect(problems, lambda: build().synth())
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0

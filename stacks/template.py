"""The CDK app: one stack, synthesized into a cloud assembly or rendered as a template.

`python -m stacks.template` writes the snapshot of the template.
"""

import json
import sys
from pathlib import Path

from aws_cdk import App

from catalogue.stack_outputs import STACK
from constructs_lib.errors import errors_of

SNAPSHOT = Path(__file__).with_name(f"{STACK}.template.json")
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


def render(app: App | None = None) -> str:
    """The synthesized template of `app`. Default: the app as committed."""
    template = (app or build()).synth().get_stack_by_name(STACK).template
    return json.dumps(template, indent=2) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(render(), "utf-8")
    print(f"{SNAPSHOT.name} is written")

"""The template of SecretsStack as text: `python -m stacks.template` writes its snapshot."""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import App

from catalogue.stack_outputs import STACK
from stacks.cloud import build

SNAPSHOT = Path(__file__).with_name(f"{STACK}.template.json")


def render(app: App | None = None) -> str:
    """The synthesized template of `app`. Default: the app as committed."""
    template = (app or build()).synth().get_stack_by_name(STACK).template
    return json.dumps(template, indent=2) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(render(), "utf-8")
    print(f"{SNAPSHOT.name} is written")

"""Serializes objects as YAML that the API server parses correctly."""

from __future__ import annotations

import cdk8s

from constructs_lib.manifests.text import Quoting
from constructs_lib.model import Manifest


def stringify(objects: list[Manifest], *, odd: bool = True) -> str:
    """The output of `cdk8s.Yaml.stringify`; if `odd`, with quotes around misread strings."""
    if not odd:
        return cdk8s.Yaml.stringify(*objects)
    quoting = Quoting()
    return quoting.put_back(cdk8s.Yaml.stringify(*quoting.set_aside(objects)))

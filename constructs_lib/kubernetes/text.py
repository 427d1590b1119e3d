"""Objects as text, such that the API server reads what was declared."""

from __future__ import annotations

import cdk8s

from constructs_lib.manifests.text import Quoting
from constructs_lib.model import Manifest


def stringify(objects: list[Manifest], *, odd: bool = True) -> str:
    """As `cdk8s.Yaml.stringify` writes them, but for texts that would be misread.

    Without `odd` there are none of these.
    """
    if not odd:
        return cdk8s.Yaml.stringify(*objects)
    quoting = Quoting()
    return quoting.put_back(cdk8s.Yaml.stringify(*quoting.set_aside(objects)))

"""Builds Kubernetes objects and CloudFormation resources from the declarations in `charts/`.

The two halves, `constructs_lib.kubernetes` and `constructs_lib.aws`, do not import each other.
Their shared types are in `constructs_lib.model`.
"""

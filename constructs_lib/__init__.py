"""Builds Kubernetes objects and CloudFormation resources from the declarations in `charts/`.

docs/architecture.md lists the packages, and follows one object through all of them.
"""

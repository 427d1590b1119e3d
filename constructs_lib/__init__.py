"""How a declaration becomes Kubernetes objects or CloudFormation resources.

Knows no service by name: `charts/` declares, this package builds. Its two halves,
`constructs_lib.kubernetes` and `constructs_lib.aws`, do not import each other; what both
speak stands in `constructs_lib.model`.
"""

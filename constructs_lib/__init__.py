"""Builds Kubernetes objects and CloudFormation resources from the declarations in `charts/`.

Read it in the direction of its imports: `model` (the types of a declaration), `manifests` (what
rendered objects mean), `rules` (what they must obey), then `kubernetes` (the constructs), from
`chart` and `kube_object` to `web_service` and `app`. `aws` has the constructs of SecretsStack, and
does not import `kubernetes`. docs/architecture.md follows one object through all of them.
"""

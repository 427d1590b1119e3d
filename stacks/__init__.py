"""The CDK half: what AWS must hold for the manifests to work."""

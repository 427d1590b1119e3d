"""The CDK app: the AWS resources that the manifests need."""

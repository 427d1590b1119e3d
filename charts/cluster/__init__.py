"""The namespaces with their quotas, and the secret store."""

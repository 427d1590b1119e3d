"""The services of the platform: each file is one Chart, one file in dist/ and one Argo CD
Application.

Resource requests are recommendations of the owners, as are the limits of cerebro-api, cryo-indexer
and beacon-indexer. Other resources, disk sizes, retries and deadlines are our estimates.
"""

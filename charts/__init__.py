"""What this platform runs: one file per service is one Chart, one file in dist/ and one Argo CD
Application.

Requests are the owners' recommendation, and limits theirs for cerebro-api, cryo-indexer and
beacon-indexer. Every other number of resources, disks, retries and deadlines is our estimate, to be
watched and corrected.
"""

"""What this platform runs: one file per service is one Chart, one file in dist/ and one Argo CD
Application.
"""

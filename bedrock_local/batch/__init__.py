"""Batch inference jobs: the API that clients see, and the work on their records behind it."""

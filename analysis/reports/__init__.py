"""The report of a run: its notebooks executed in order, their pages, and a first page with the findings."""

"""Reports: the notebooks of a run executed in order, their pages, and a first page with the findings."""

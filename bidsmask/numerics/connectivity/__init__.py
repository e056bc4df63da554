"""Relations between the columns of a run."""

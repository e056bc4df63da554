"""Small worlds for tests: files, runs, datasets; their fixtures are at hand everywhere."""

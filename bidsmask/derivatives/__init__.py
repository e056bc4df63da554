"""What is written: tables, sidecars, names, records."""

"""What a masker keeps of a run for its report, and how it is shown."""

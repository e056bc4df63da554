"""The page of a group: one HTML file about all runs and all strategies."""

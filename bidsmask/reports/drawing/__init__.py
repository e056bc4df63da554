"""How each figure is drawn; `bidsmask.reports.figures` is the way in."""

"""What is measured, in the order of the table, and how many times better it should be."""

GOALS: dict[str, tuple[str, float, float]] = {
    "labels": ("400 labels, same grid", 9, 13),
    "labels-moved": ("400 labels, atlas resampled to data", 9, 13),
    "labels-cleaned": ("400 labels, 36P, detrend, band-pass, z-score", 6, 10),
    "labels-median": ("400 labels, median", 12, 13),
    "labels-smoothed": ("400 labels, 6 mm smoothing", 12, 15),
    "labels-grid": ("400 labels, data resampled to the labels' grid", 43, 15),
    "labels-float32": ("400 labels, float32 file", 4, 19),
    "labels-long": ("400 labels, 1200 volumes", 9, 13),
    "maps64": ("64 maps, maps to data", 11, 25),
    "maps256": ("256 maps, maps to data", 30, 10),
    "spheres": ("264 spheres of 5 mm, overlapping", 30, 14),
    "brain": ("whole brain, no cleaning", 11, 5),
    "brain-cleaned": ("whole brain, 36P, band-pass, z-score", 55, 4.5),
    "brain-written": ("whole brain, 6 mm smoothing, cleaned, written", 25, 12),
    "atlases": ("ten label atlases in one pass", 50, 13),
}
"""Title, and how many times less time and memory than nilearn, for a run of 97×115×97 × 300."""

COMMANDS: dict[str, dict[str, int]] = {
    "command": {"subjects": 1, "strategies": 1},
    "command-8": {"subjects": 8, "strategies": 1},
}
"""The whole command line: 8 s and 600 MB for one run, 25 s for eight on two cores."""

GROWTH: dict[str, tuple[int, ...]] = {
    "volumes": (100, 300, 1200, 2400),
    "atlases-grow": (1, 2, 5, 10, 20),
    "strategies": (1, 2, 4, 8, 16),
    "subjects": (1, 4, 16, 64),
}
"""How time and memory grow with one number, everything else as it was."""

"""What is measured, in the order of the tables, and how good it should be."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A call that is made with both tools.

    Parameters
    ----------
    title : str
    faster, smaller : float or None
        How many times less time, and memory, than nilearn takes; None if nothing was promised.
    times_one : float or None
        At most so many times the memory that bidsmask takes for one atlas.
    """

    title: str
    faster: float | None = None
    smaller: float | None = None
    times_one: float | None = None


GOALS = {
    "labels": Goal(title="400 labels, same grid", faster=9, smaller=13),
    "labels-moved": Goal(title="400 labels, atlas resampled to data", faster=9, smaller=13),
    "labels-cleaned": Goal(
        title="400 labels, 36P, detrend, band-pass, z-score", faster=6, smaller=10
    ),
    "labels-median": Goal(title="400 labels, median", faster=12, smaller=13),
    "labels-smoothed": Goal(title="400 labels, 6 mm smoothing", faster=12, smaller=15),
    "labels-grid": Goal(
        title="400 labels, data resampled to the labels' grid", faster=43, smaller=15
    ),
    "labels-float32": Goal(title="400 labels, float32 file"),
    "labels-long": Goal(title="400 labels, 1200 volumes"),
    "maps64": Goal(title="64 maps, maps to data", faster=11, smaller=25),
    "maps256": Goal(title="256 maps, maps to data", faster=30, smaller=10),
    "spheres": Goal(title="264 spheres of 5 mm, overlapping", faster=30, smaller=14),
    "brain": Goal(title="whole brain, no cleaning", faster=11, smaller=5),
    "brain-cleaned": Goal(title="whole brain, 36P, band-pass, z-score", faster=55, smaller=4.5),
    "brain-written": Goal(
        title="whole brain, 6 mm smoothing, cleaned, written", faster=25, smaller=12
    ),
    "atlases": Goal(
        title="ten label atlases in one pass, nilearn ten times", faster=50, times_one=1.5
    ),
}
"""For a run of 97×115×97 × 300 volumes, where the title names no other."""

STREAM_GOAL = 1.4
"""Time to stream 400 labels off a run, at most so many times that of bare decompression."""


ORDERS = {"F": "volumes one after the other", "C": "values of a voxel side by side"}
"""Of an image in memory: the first is that of a file, the second that of numpy."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """The whole command line with one atlas, outputs and reports included; see `Goal`."""

    subjects: int = 1
    strategies: int = 1
    seconds: float | None = None
    memory_mb: float | None = None


COMMANDS = {
    "command": Command(seconds=8, memory_mb=600),
    "command-8": Command(subjects=8, seconds=25),
}
"""On two cores."""

GROWTH: dict[str, tuple[int, ...]] = {
    "volumes": (100, 300, 1200, 2400),
    "atlases-grow": (1, 2, 5, 10, 20),
    "strategies": (1, 2, 4, 8, 16),
    "subjects": (1, 4, 16, 64),
}
"""How time and memory grow with one number, everything else as it was."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """What the cost of a command is predicted from."""

    lattice: str
    n_volumes: int
    n_atlases: int = 1
    n_strategies: int = 1
    n_subjects: int = 1


PREDICTIONS = (
    Size(lattice="c", n_volumes=200),
    Size(lattice="c", n_volumes=200, n_atlases=5, n_strategies=4),
    Size(lattice="a", n_volumes=300),
    Size(lattice="a", n_volumes=300, n_atlases=10),
    Size(lattice="a", n_volumes=300, n_strategies=8),
    Size(lattice="a", n_volumes=300, n_atlases=5, n_strategies=4),
    Size(lattice="b", n_volumes=1200),
    Size(lattice="b", n_volumes=1200, n_atlases=5, n_strategies=4),
    Size(lattice="a", n_volumes=300, n_subjects=8),
)
WITHIN = 0.25
"""A prediction may be that far from what is measured."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A command, or a piece of one, that is held against an older commit.

    Parameters
    ----------
    title : str
    processor : float
        At most so many times the processor time of that commit.
    size : Size or None
        What the command works on; None for what is no command.
    """

    title: str
    processor: float = 1.0
    size: Size | None = None


REPEATABLE = 0.05
"""What is no slower may seem slower by that much: repeats differ."""

LIMITS = {
    "command": Limit(title="one run of 300 volumes", size=Size(lattice="a", n_volumes=300)),
    "command-8": Limit(
        title="8 runs of 300 volumes",
        processor=0.7,
        size=Size(lattice="a", n_volumes=300, n_subjects=8),
    ),
    "subjects-64": Limit(
        title="64 subjects of 65×77×65 × 200",
        processor=0.5,
        size=Size(lattice="c", n_volumes=200, n_subjects=64),
    ),
    "outside": Limit(
        title="all but the pass: one run of 300 volumes, so small that its pass takes nothing",
        processor=0.5,
        size=Size(lattice="t", n_volumes=300),
    ),
    "tables": Limit(title="time series and matrix of 400 regions, written", processor=0.5),
    "figures": Limit(
        title="the step that draws, of a small run",
        processor=0.25,
        size=Size(lattice="t", n_volumes=300),
    ),
} | {name: Limit(title=goal.title) for name, goal in GOALS.items() if goal.times_one is None}
"""For 400 regions and 36P. Maskers may not be slower than they were."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A whole command, and the nilearn script that it stands in for.

    Parameters
    ----------
    title : str
    script : str
        Name of a function of `benchmarks.scripts`.
    size : Size
    options : tuple of str
        What the command is given beside atlas and strategies; left out while it knows none of it.
    processor, faster, smaller : float or None
        How many times less processor time, time, and memory of all processes together.
    """

    title: str
    script: str
    size: Size
    options: tuple[str, ...] = ()
    processor: float | None = None
    faster: float | None = None
    smaller: float | None = None


PEERS = {
    "script-regions": Peer(
        title="4 runs: confounds, 400 labels, correlation, tables",
        script="regions",
        size=Size(lattice="a", n_volumes=300, n_subjects=4),
        processor=3.3,
    ),
    "script-voxels": Peer(
        title="whole brain, 36P, band-pass, z-score, written",
        script="voxels",
        size=Size(lattice="a", n_volumes=300, n_atlases=0),
        options=("--voxelwise",),
        faster=15,
        smaller=5,
    ),
}

TOGETHER = (
    ("--atlases", "{maps}"),
    ("--atlases", "{labels}"),
    ("--atlases", "none", "--seeds", "{seeds}"),
    ("--atlases", "none", "--voxelwise"),
)
"""Each of these alone, and all of them in one command, with the same 4 strategies: that takes less
than the two dearest of them one after the other."""

NAMES = (*GOALS, "stream", "memory", *COMMANDS, *GROWTH, *PEERS, "together", "predictions")

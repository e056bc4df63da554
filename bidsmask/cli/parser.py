"""The command line, as one flat list of options: argv -> Settings.

Only the standard library is imported here, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from bidsmask._names import did_you_mean
from bidsmask._version import __version__
from bidsmask.dataset.data import strategy_names
from bidsmask.dataset.selection import read_filter_file
from bidsmask.errors import SettingsError
from bidsmask.numerics.exclusion import MEASURES as MEASURABLE
from bidsmask.numerics.exclusion import NONE, PRESETS
from bidsmask.numerics.verdict import RULES
from bidsmask.settings import (
    DEFAULT_ATLASES,
    DEFAULT_STRATEGIES,
    MIN_DOF,
    SECTIONS,
    Settings,
    read_toml,
)
from bidsmask.vocabulary import (
    BOLD_EXTENSIONS,
    MAPS_STATISTICS,
    MEASURES,
    STATISTICS,
    AnalysisLevel,
    BetaSeries,
    Bridge,
    CensorOutput,
    Displacement,
    EdgeTimeSeries,
    Filter,
    FilterEnds,
    MotionFilter,
    Standardization,
    TaskRegressors,
    VoxelScaling,
)

_UNKNOWN = "unrecognized arguments: "
_NO_CHOICE = re.compile(r"invalid choice: '(?P<word>.*?)' \(choose from (?P<choices>.*)\)")

_NO_NUMBER = re.compile(r"invalid (?P<kind>int|float|number) value: (?P<word>.*)")

_DESCRIPTION = """\
From fMRIPrep derivatives to clean, named, checked region time series.

bidsmask reads an fMRIPrep dataset, averages every region of one or more atlases, removes motion
and drift with one or more confound strategies, and writes BIDS time series, connectivity, quality
control and one HTML report per subject. A BOLD file is read once, whatever is asked of it.
"""

_EXAMPLES = """\
examples:
  Try it on an embedded dataset (under a minute, no network):
    bidsmask --demo demo_out

  Look before you leap: what would be done, which runs have problems?
    bidsmask /data/fmriprep /data/out participant --dry-run

  Two subjects, two atlases, two strategies, one pass:
    bidsmask /data/fmriprep /data/out participant --participant-label 01 02 \\
        --atlases my_dseg.nii.gz Schaefer2018_seg-7n_scale-200 --strategies 24P simple \\
        -w /scratch --nprocs 8

  When all subjects are done:
    bidsmask /data/fmriprep /data/out group

exit codes: 0 all runs done; 1 some failed or are done in part, see logs/status.tsv;
  2 cannot be carried out as asked; 66 no input; 70 a bug; 73 output not writable;
  74 disk full; 75 another job is at work; 130/143 interrupted (the same command finishes it).
"""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; ``settings`` of the result is a `Settings`.

    It is None for --demo, --check and --list-strategies.

    Raises
    ------
    SettingsError
        If options are unknown, missing, or contradict each other.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        return _parse(build_parser(), argv)
    except SettingsError as error:
        raise SettingsError(as_typed(str(error), argv)) from error


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    early, _ = _early_parser().parse_known_args(argv)
    if early.config_file:
        parser.set_defaults(**read_toml(early.config_file))
    options = parser.parse_args(argv)
    if options.check:
        _check_alone(options)
    alone = options.demo or options.check or options.list_strategies
    options.settings = None if alone else _settings(options)
    return options


def build_parser() -> argparse.ArgumentParser:
    """The parser of the ``bidsmask`` command."""
    parser = _Parser(
        prog="bidsmask",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        add_help=False,
        usage="bidsmask bids_dir output_dir {participant,group} [options]\n"
        "       bidsmask output_dir --check\n"
        "       bidsmask --demo output_dir\n"
        "       bidsmask --list-strategies",
    )
    _add_positionals(parser)
    for add_group in (
        _add_selection,
        _add_extraction,
        _add_cleaning,
        _add_connectivity,
        _add_events,
        _add_quality,
        _add_group_level,
        _add_execution,
        _add_information,
    ):
        add_group(parser)
    return parser


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where")
    group.add_argument(
        "bids_dir", nargs="?", type=Path, help="derivatives dataset to read (fMRIPrep's output)"
    )
    group.add_argument("output_dir", nargs="?", type=Path, help="dataset to write")
    group.add_argument(
        "analysis_level",
        nargs="?",
        metavar="{participant,group}",
        help="participant: every run of the chosen subjects; "
        "group: tables over all subjects that have been done",
    )
    group.add_argument(
        "--check",
        action="store_true",
        help="look through an output folder, the only argument, and change nothing: every file "
        "belongs to a record and is as it was written, or is named (exit code 1)",
    )
    group.add_argument(
        "--demo",
        type=Path,
        metavar="DIR",
        help="write an embedded demo dataset into DIR, a new or empty folder, run both levels on "
        "it, and say where the reports are",
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add = _adder(parser, "selection (default: everything)")
    add("--participant-label", dest="participants", nargs="+", metavar="LABEL",
        help="subjects, with or without sub-")  # fmt: skip
    add("--session-label", "--session-id", dest="sessions", nargs="+", metavar="LABEL",
        help="sessions, with or without ses-")  # fmt: skip
    add("-t", "--task-id", dest="tasks", nargs="+", metavar="LABEL", help="tasks")
    add("--run-id", dest="runs", nargs="+", metavar="INDEX", help="runs; 1 also finds 01")
    add("--space", dest="spaces", nargs="+", metavar="SPACE",
        help="spaces of the BOLD, e.g. MNI152NLin2009cAsym; also of surfaces: fsLR, fsLR:den-91k, "
        "fsaverage5 or fsaverage:den-10k (default: all standard volumetric spaces)")  # fmt: skip
    add("--file-format", dest="file_formats", nargs="+", choices=tuple(BOLD_EXTENSIONS),
        help="only runs in volumes (nifti), grayordinates (cifti) or on the surfaces of both "
        "hemispheres (gifti) (default: as --space says)")  # fmt: skip
    add("--bids-filter-file", type=Path, metavar="JSON",
        help="entities for each query: {\"bold\": {\"acquisition\": \"ap\", \"echo\": null}}; "
        "null = none, \"*\" = any, a list = one of")  # fmt: skip
    add("--bids-database-dir", type=Path, metavar="DIR",
        help="keep pybids' index here and use it again; "
        "never in the input or the output")  # fmt: skip
    add("-d", "--datasets", "--derivatives", dest="datasets", nargs="+", type=_named_path,
        metavar="NAME=PATH", help="further datasets, in which atlases are looked for, and masks, "
        "confounds and other tables of strategies that are not beside their BOLD")  # fmt: skip


def _add_extraction(parser: argparse.ArgumentParser) -> None:
    add = _adder(parser, "what to extract")
    add("--atlases", nargs="+", metavar="ATLAS",
        help="label images or probabilistic maps (path to a dseg.nii.gz or probseg.nii.gz with "
        "its TSV look-up table; on surfaces a dlabel.nii or dscalar.nii, or one of a pair of "
        "label.gii, annot, shape.gii or func.gii; a pattern with sub-* in quotes: each "
        "participant's own) or "
        "TemplateFlow names, found offline first; NAME_probseg where a "
        f"name has both; none (default: {' '.join(DEFAULT_ATLASES)}, if nothing else is asked "
        "for)")  # fmt: skip
    add("--seeds", nargs="+", type=Path, metavar="TSV",
        help="spheres around points: a table with name, x, y, z and perhaps radius (mm, in the "
        "space of the run); on surfaces discs around vertices: name, hemi, vertex, "
        "radius")  # fmt: skip
    add("--seed-radius", dest="seed_radius_mm", type=float, metavar="MM",
        help="radius of seeds whose table has none")  # fmt: skip
    add("--seed-maps", action="store_true",
        help="correlate every seed with every voxel: one map for each")  # fmt: skip
    add("--voxelwise", action="store_true",
        help="write the cleaned BOLD volumes, too")  # fmt: skip
    add("--voxelwise-smoothing-fwhm", dest="voxelwise_smoothing_fwhm_mm", type=float,
        metavar="MM", help="write a second copy of them, smoothed inside of the brain mask "
        "after cleaning (default: none)")  # fmt: skip
    add("--alff", action="store_true",
        help="map the amplitude of slow fluctuations (ALFF, 0.01 to 0.1 Hz) and its share of all "
        "(fALFF), from residuals that no filter has touched; with means of regions")  # fmt: skip
    add("--reho", action="store_true",
        help="map regional homogeneity (ReHo): how alike the 27 voxels around each voxel are, on "
        "surfaces a vertex and those beside it on a mesh, from the same residuals; with means of "
        "regions")  # fmt: skip
    add("--maps-statistic", choices=tuple(MAPS_STATISTICS),
        help="how signals are made of probabilistic maps: fitted jointly (default), or the mean "
        "weighted by each map")  # fmt: skip
    add("--statistic", dest="statistics", nargs="+", choices=tuple(STATISTICS),
        metavar="STATISTIC", help="what is taken over the voxels of a region: "
        f"{', '.join(STATISTICS)} (default: mean); several at once, connectivity is of the "
        "first")  # fmt: skip
    add("--voxel-scaling", choices=get_args(VoxelScaling),
        help="what voxels are before they are averaged: as they are (none, default), standard "
        "scores over all volumes of the run (zscore), or percent of their mean (psc); reads each "
        "run twice")  # fmt: skip
    add("--smoothing-fwhm", dest="smoothing_fwhm_mm", type=float, metavar="MM",
        help="smooth the BOLD volumes beforehand, by a Gaussian of that full width at half "
        "maximum (default: 0, no smoothing); on surfaces along the subject's mesh, or that of "
        "TemplateFlow, and voxels inside of their structure")  # fmt: skip
    add("--area-weights", action="store_true",
        help="on surfaces, weight each vertex of a mean by its area: of the subject's "
        "midthickness, or the average of TemplateFlow (default: all vertices "
        "alike)")  # fmt: skip
    add("--min-coverage", type=float, metavar="SHARE",
        help="a region, map or sphere of which less is covered is n/a (default: 0.5)")  # fmt: skip


def _add_cleaning(parser: argparse.ArgumentParser) -> None:
    add = _adder(
        parser,
        "cleaning",
        "A strategy brings its own settings; each option below overrules them for all\n"
        "strategies. 'none' switches a filter or threshold off.",
    )
    add("--strategies", nargs="+", metavar="NAME|FILE",
        help=f"confound strategies: {', '.join(strategy_names())}, or YAML files of yours; "
        f"several at once (default: {' '.join(DEFAULT_STRATEGIES)})")  # fmt: skip
    add("--filter", choices=get_args(Filter), help="temporal filter")
    add("--high-pass", dest="high_pass_hz", type=_or_word(float, "none"), metavar="HZ",
        help="keep frequencies above")  # fmt: skip
    add("--low-pass", dest="low_pass_hz", type=_or_word(float, "none"), metavar="HZ",
        help="keep frequencies below")  # fmt: skip
    add("--filter-ends", choices=get_args(FilterEnds),
        help="what a Butterworth filter takes to be beyond the ends of a run: its mirror image "
        "(even, default), 33 turned volumes (nilearn), the end point (xcpd; order 2)")  # fmt: skip
    add("--bridge", choices=get_args(Bridge),
        help="what stands in for censored volumes while a Butterworth filter runs, and with "
        "--censor-output interpolate: straight lines (linear, default), or the cubic spline of "
        "nilearn, which runs away in long gaps")  # fmt: skip
    add("--detrend", action=argparse.BooleanOptionalAction,
        help="remove mean and straight line")  # fmt: skip
    add("--standardize", choices=get_args(Standardization),
        help="z-score with the sample SD, percent signal change, or neither")  # fmt: skip
    add("--fd-threshold", "--fd-thresh", dest="fd_threshold_mm", type=_or_word(float, "none"),
        metavar="MM", help="censor volumes with more framewise displacement (--fd)")  # fmt: skip
    add("--fd", choices=get_args(Displacement),
        help="which framewise displacement: Power's or Jenkinson's as the confounds table has it "
        "(table, default; rmsd), or recomputed from the motion parameters (power, jenkinson: "
        "about half of Power's); a threshold of one is none of another")  # fmt: skip
    add("--head-radius", dest="head_radius_mm", type=_or_word(float), metavar="MM",
        help="of the head, where displacement is recomputed (default: 50 for power, 80 for "
        "jenkinson)")  # fmt: skip
    add("--motion-filter-type", dest="motion_filter", choices=(*get_args(MotionFilter), "none"),
        help="take breathing out of the motion parameters before displacement is recomputed, and "
        "for nothing else: a notch (for short repetition times), or a low-pass")  # fmt: skip
    add("--band-stop-min", dest="band_stop_min_bpm", type=_or_word(float), metavar="BPM",
        help="lower edge of the notch in breaths per minute (adults: 12), or where the low-pass "
        "begins (6); edges above Nyquist are folded as the samples fold breathing")  # fmt: skip
    add("--band-stop-max", dest="band_stop_max_bpm", type=_or_word(float), metavar="BPM",
        help="upper edge of the notch in breaths per minute (adults: 18)")  # fmt: skip
    add("--motion-filter-order", type=_or_word(int), metavar="N",
        help="of both passes together (default: as published, 4 for the notch, 2 for the "
        "low-pass; XCP-D: 4)")  # fmt: skip
    add("--dvars-threshold", dest="std_dvars_threshold", type=_or_word(float, "none"), metavar="X",
        help="censor volumes with more standardised DVARS, as nipype defines it")  # fmt: skip
    add("--dvars-percent-threshold", type=_or_word(float, "none"), metavar="PERCENT",
        help="censor volumes whose DVARS is so many percent of all variance above its median "
        "(Delta%%D-var; 5 as published)")  # fmt: skip
    add("--leverage-threshold", type=_or_word(float, "none"), metavar="X",
        help="censor volumes with more than X times the median leverage in principal components "
        "with heavy tails (projection scrubbing; 3 as published); --dry-run cannot foresee "
        "this one and the last")  # fmt: skip
    add("--censor-before", dest="volumes_before", type=_or_word(int), metavar="N",
        help="censor N volumes before one beyond a threshold, too")  # fmt: skip
    add("--censor-after", dest="volumes_after", type=_or_word(int), metavar="N",
        help="censor N volumes after one beyond a threshold, too")  # fmt: skip
    add("--min-segment", dest="min_segment_volumes", type=_or_word(int), metavar="N",
        help="censor kept stretches shorter than N volumes")  # fmt: skip
    add("--dummy-scans", type=_or_word(int, "auto"), metavar="N|auto",
        help="volumes to censor at the start; auto = those that fMRIPrep flagged")  # fmt: skip
    add("--min-dof", type=float, metavar="N",
        help="a strategy that leaves a run fewer temporal degrees of freedom is n/a for that run, "
        "and so are partial correlations and precision that leave fewer beyond the number of "
        f"regions (default: {MIN_DOF:g}, with which correlations of noise have an SD of 0.32; "
        "0: no minimum)")  # fmt: skip
    add("--min-time", dest="min_minutes", type=float, metavar="MINUTES",
        help="a strategy that keeps less of a run is n/a for that run (default: 0; 5 minutes are "
        "the usual floor)")  # fmt: skip
    add("--censor-output", choices=get_args(CensorOutput),
        help="rows of censored volumes: n/a (default; one row per BOLD volume), "
        "left out, or interpolated")  # fmt: skip
    add("--concatenate", action="store_true",
        help="also write the runs of one task as one: each is cleaned for itself, then they are "
        "put one behind the other, without run in the name")  # fmt: skip
    add("--cifti-outputs", action="store_true",
        help="of runs on surfaces and atlases of regions, also write CIFTI files for Workbench: "
        "time series (.ptseries.nii), matrices (.pconn.nii) and coverage "
        "(.pscalar.nii)")  # fmt: skip


def _add_connectivity(parser: argparse.ArgumentParser) -> None:
    add = _adder(parser, "connectivity")
    add("--connectivity", dest="measures", nargs="+", choices=MEASURES, metavar="MEASURE",
        help=f"region-by-region matrices: {', '.join(MEASURES)} (default: correlation); "
        "ledoit-wolf-correlation is what nilearn calls correlation, xdf-… say how sure each "
        "correlation is")  # fmt: skip
    add("--graphical-lasso-alpha", type=float, metavar="ALPHA",
        help="penalty of graphical lassos (default: chosen by cross-validation, which takes "
        "minutes for a hundred regions)")  # fmt: skip
    add("--create-matrices", nargs="+", type=_or_word(float, "all"), metavar="MINUTES|all",
        help="matrices of all kept volumes (default), or of as many as last so many minutes, "
        "drawn by chance, so that runs are alike in length; n/a where fewer are "
        "kept")  # fmt: skip
    add("--random-seed", type=int, metavar="N",
        help="of the volumes that are drawn (default: 0)")  # fmt: skip
    add("--network-means", action="store_true",
        help="also write means of Fisher's z within networks and between them, where the table of "
        "an atlas says which (column network, or names as Schaefer's)")  # fmt: skip
    add("--edge-timeseries", choices=get_args(EdgeTimeSeries),
        help="also write edge time series: their root sum of squares in each volume (rss), or "
        "every pair of at most 200 regions, too (all)")  # fmt: skip
    add("--fisher-z", action="store_true",
        help="write Fisher's z in place of correlations, in files stat-fisherz")  # fmt: skip


def _add_events(parser: argparse.ArgumentParser) -> None:
    add = _adder(
        parser,
        "task events",
        "Events are read from *_events.tsv, which fMRIPrep does not copy: name the raw dataset\n"
        "with --datasets raw=PATH.",
    )
    add("--task-regressors", choices=get_args(TaskRegressors),
        help="regress responses to the events of each condition with the confounds: of one shape "
        "(canonical), or of any (fir, for background connectivity); none takes them out of a "
        "strategy that has some")  # fmt: skip
    add("--fir-length", dest="fir_length_s", type=_or_word(float), metavar="SECONDS",
        help="how long after the end of an event its response of any shape is followed, one "
        "column for each volume (default: 18)")  # fmt: skip
    add("--condition-means", action="store_true",
        help="write the mean of each region's cleaned signal over the volumes of each "
        "condition")  # fmt: skip
    add("--condition-delay", dest="condition_delay_s", type=float, metavar="SECONDS",
        help="how much later than its events a condition is looked for (default: 5, when the "
        "canonical response is at its peak)")  # fmt: skip
    add("--beta-series", choices=get_args(BetaSeries),
        help="write an amplitude of each region for each trial: by one model for each trial "
        "(lss), or one model of all trials (lsa)")  # fmt: skip


def _add_quality(parser: argparse.ArgumentParser) -> None:
    add = _adder(
        parser,
        "quality",
        "Each run has a verdict under each strategy: good, look, or do not use. It changes no\n"
        "result and no exit code.",
    )
    add("--verdict-limits", nargs="+", type=_limits, metavar="MEASURE=LOOK,DO-NOT-USE",
        help="other limits for the verdict, such as minutes_kept=8,5 or dof_share=none,none; "
        f"of {', '.join(RULES)} (default: see docs/quality.md)")  # fmt: skip


def _add_group_level(parser: argparse.ArgumentParser) -> None:
    add = _adder(
        parser,
        "group level",
        "Tables say of each run under each strategy whether it is included, and what decided it.\n"
        "Nothing is excluded unless it is asked for.",
    )
    add("--exclude", choices=tuple(PRESETS), metavar="RULE",
        help="leave runs out of the group by a published rule, or by their verdict: "
        f"{', '.join(PRESETS)} (default: {NONE}); group_attrition.tsv has what each of them would "
        "cost")  # fmt: skip
    add("--exclude-limits", nargs="+", type=_limit, metavar="MEASURE=LIMIT",
        help="further limits, or others than those of the rule, such as dof_remaining=30 "
        "minutes_kept=5 regions_usable=0.9 max_fd_power=none; of "
        f"{', '.join(MEASURABLE)}")  # fmt: skip
    add("--ratings", type=Path, metavar="TSV",
        help="leave out runs that somebody has rated bad: a table with participant_id, "
        "session_id, ... or bids_name, perhaps strategy, and rating (good, uncertain, "
        "bad)")  # fmt: skip
    add("--covariates", type=Path, metavar="TSV",
        help="age, group, ... of participants (default: participants.tsv of the input, or of a "
        "dataset given with --datasets)")  # fmt: skip
    add(
        "--edges",
        action="store_true",
        help="one column for every edge in group_edges.tsv (default: for each two networks)",
    )
    add("--parquet", action="store_true",
        help="write group_edges.parquet instead of group_edges.tsv: smaller, and faster to read; "
        "needs pyarrow (bidsmask[stats])")  # fmt: skip
    add("--tangent", action="store_true",
        help="stack where each run lies in the space tangent to the geometric mean of those that "
        "are included, too: some minutes for thousands of runs of 400 regions")  # fmt: skip
    add("--shards", type=_shard, metavar="I/N",
        help="only read the I-th of N parts of the runs for the stacks, one in each job of an "
        "array; the group level without this option joins them")  # fmt: skip


def _add_execution(parser: argparse.ArgumentParser) -> None:
    add = _adder(parser, "execution")
    add("-w", "--work-dir", type=Path, metavar="DIR",
        help="keep intermediate results here, so that a rerun computes only what has changed "
        "(default: a hidden folder in the output, removed when all is done); "
        "never in a dataset")  # fmt: skip
    add("--nprocs", "--nthreads", "--n-cpus", type=int, metavar="N",
        help="processes at once (default: the cores this job may use)")  # fmt: skip
    add("--omp-nthreads", type=int, metavar="N", help="threads per process (default: 1)")
    add("--mem", "--mem-mb", "--mem-gb", dest="mem_gb", action=_MemoryAction, metavar="SIZE",
        help="memory to stay below: 8G or 8000M; a bare number is MB, or GB with --mem-gb "
        "(default: 90 %% of what this job may use)")  # fmt: skip
    add("--use-plugin", "--nipype-plugin-file", dest="plugin_file", type=Path, metavar="YAML",
        help="run the workflow with another nipype plugin")  # fmt: skip
    add("--config-file", type=Path, metavar="TOML",
        help="options from a file (logs/**/bidsmask.toml); the command line wins")  # fmt: skip
    add("--dry-run", action="store_true",
        help="say what would be done with each run, problems first; compute nothing")  # fmt: skip
    add("--reports-only", action="store_true",
        help="assemble the reports again from what is in the output")  # fmt: skip
    add("--boilerplate-only", action="store_true",
        help="write the text for a paper (logs/CITATION.md) for this request; compute "
        "nothing")  # fmt: skip
    add("--write-graph", action="store_true", help="draw the workflow into the work folder")
    add("--resource-monitor", action="store_true",
        help="write seconds and memory of every step into logs/*/resources.tsv")  # fmt: skip
    add("--stop-on-first-crash", action="store_true", help="do not start runs after a failure")
    add("--clean-workdir", action="store_true",
        help="compute all anew: remove first what bidsmask has left of these subjects in the work "
        "folder, and nothing else")  # fmt: skip
    add("--no-download", dest="download", action="store_false", default=True,
        help="never fetch a missing template; say where to get it")  # fmt: skip
    add("--skip-bids-validation", "--skip-bids-validator", action="store_true",
        help="accepted for compatibility; derivatives are not validated")  # fmt: skip
    add("--notrack", action="store_true",
        help="accepted for compatibility; nothing is ever reported home")  # fmt: skip


def _add_information(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("information")
    group.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more; -vv: every node"
    )
    group.add_argument(
        "--list-strategies",
        action="store_true",
        help="list the confound strategies: columns, filter, volumes left out, what to cite",
    )
    group.add_argument("--version", action="version", version=f"bidsmask {__version__}")
    group.add_argument("-h", "--help", action="help", help="show this and exit")


def _check_alone(options: argparse.Namespace) -> None:
    if options.bids_dir is None or options.output_dir is not None:
        raise SettingsError(
            "--check looks through one folder, an output of bidsmask: bidsmask OUT --check."
        )


def _settings(options: argparse.Namespace) -> Settings:
    for name in ("bids_dir", "output_dir", "analysis_level"):
        if getattr(options, name) is None:
            raise SettingsError(
                f"{name} is missing. Usage: bidsmask bids_dir output_dir {{participant,group}} "
                "[options]. Put these three first: an option that takes several values "
                "swallows what follows it."
            )
    if options.analysis_level not in get_args(AnalysisLevel):
        raise SettingsError(
            f"The third argument is the analysis level, participant or group, "
            f"not {options.analysis_level!r}."
            f"{did_you_mean(options.analysis_level, get_args(AnalysisLevel))}"
        )
    values = {key: value for key, value in vars(options).items() if value is not None}
    if options.bids_filter_file:
        values |= _filters(options.bids_filter_file)
    sections = {
        name: kind(
            **{key: _frozen(values[key]) for key in kind.__dataclass_fields__ if key in values}
        )
        for name, kind in SECTIONS.items()
    }
    return Settings(
        bids_dir=options.bids_dir.absolute(),
        output_dir=options.output_dir.absolute(),
        analysis_level=options.analysis_level,
        datasets=tuple((name, path.absolute()) for name, path in values.get("datasets", ())),
        **sections,
    )


def _filters(path: Path) -> dict[str, Any]:
    filters, warnings = read_filter_file(path)
    return {"filters": filters, "filter_warnings": warnings}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _early_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-file", "--config_file", type=Path)
    return parser


def _adder(
    parser: argparse.ArgumentParser, title: str, description: str | None = None
) -> Callable[..., None]:
    """A function that adds an option under its dashed and its underscored names."""
    group = parser.add_argument_group(title, description)

    def add(*names: str, **arguments: Any) -> None:
        underscored = [_underscored(name) for name in names if "-" in name[2:]]
        if arguments.get("action") != argparse.BooleanOptionalAction:
            names = (*names, *underscored)
        group.add_argument(*names, **arguments)

    return add


def _underscored(name: str) -> str:
    return "--" + name.removeprefix("--").replace("-", "_")


class _Parser(argparse.ArgumentParser):
    """Writes letters, and knows what has been misspelt."""

    def error(self, message: str) -> NoReturn:
        if message.startswith(_UNKNOWN):
            message = self._unknown(message.removeprefix(_UNKNOWN).split())
        elif found := _NO_CHOICE.search(message):
            choices = [choice.strip(" '\"") for choice in found["choices"].split(",")]
            message += f".{did_you_mean(found['word'], choices)}"
        message = _NO_NUMBER.sub(_expected, message.removeprefix("argument "))
        stop = "" if message.endswith((".", "?")) else "."
        raise SettingsError(f"{message[:1].upper()}{message[1:]}{stop} See bidsmask --help.")

    def _unknown(self, words: Sequence[str]) -> str:
        options = [word.partition("=")[0] for word in words if word.startswith("-")]
        if not options:
            return f"{_UNKNOWN}{' '.join(words)}"
        known = [name for name in self._option_string_actions if "_" not in name]
        longer = [name for name in known if name.startswith(options[0])]
        hint = f" Did you mean {longer[0]!r}?" if longer else did_you_mean(options[0], known)
        return f"there is no option {', '.join(options)}.{hint}"


def _expected(found: re.Match[str]) -> str:
    number = "a whole number" if found["kind"] == "int" else "a number"
    return f"expected {number}, found {found['word']}"


def as_typed(letter: str, argv: Sequence[str] | None = None) -> str:
    """Call options in a letter by those of their names that have been typed."""
    argv = sys.argv[1:] if argv is None else argv
    typed = {word.partition("=")[0] for word in argv}
    for action in build_parser()._actions:
        used = [name for name in action.option_strings if name in typed]
        if used:
            fields = [action.dest] if "_" in action.dest else []
            names = sorted([*action.option_strings, *fields], key=len, reverse=True)
            any_of_them = "|".join(map(re.escape, names))
            all_of_them = "/".join(map(re.escape, action.option_strings))
            pattern = rf"(?<![\w/-])(?:{all_of_them}|{any_of_them})(?![\w/-])"
            letter = re.sub(pattern, used[0], letter)
    return letter


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Show the dashed names only, and options on lines of their own."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=96)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        shown = [name for name in action.option_strings if "_" not in name]
        if not shown:
            return super()._format_action_invocation(action)
        if action.nargs == 0:
            return ", ".join(shown)
        return f"{', '.join(shown)} {self._format_args(action, action.dest.upper())}"


class _MemoryAction(argparse.Action):
    """``--mem 8G``, ``--mem-mb 8000``, ``--mem-gb 8``: to GB."""

    def __call__(
        self, parser: Any, namespace: Any, values: Any, option_string: Any = None
    ) -> None:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", str(values), re.IGNORECASE)
        if not found:
            raise argparse.ArgumentError(self, f"expected a size such as 8G, found {values!r}")
        unit = found[2].upper() or ("G" if str(option_string).endswith("gb") else "M")
        to_gb = {"K": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3}[unit]
        setattr(namespace, self.dest, float(found[1]) * to_gb)


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"expected I/N such as 3/8, found {text!r}")
    return int(found[1]), int(found[2])


def _or_word(kind: type, *words: str) -> Callable[[str], Any]:
    """Read a number or one of some words; "strategy" is what a settings file may hold."""

    def read(text: str) -> Any:
        word = text.lower()
        return word if word in (*words, "strategy") else kind(text)

    read.__name__ = "number"
    return read


def _limit(text: str) -> tuple[str, float | str]:
    name, _, limit = text.partition("=")
    try:
        return name, _or_word(float, "none")(limit)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected MEASURE=LIMIT with a number or none, such as minutes_kept=5; found {text!r}"
        ) from None


def _limits(text: str) -> tuple[str, float | str, float | str]:
    name, _, limits = text.partition("=")
    look, _, do_not_use = limits.partition(",")
    read = _or_word(float, "none")
    try:
        return name, read(look), read(do_not_use)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected MEASURE=LOOK,DO-NOT-USE with two numbers or none, such as "
            f"mean_fd=0.2,none; found {text!r}"
        ) from None


def _named_path(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, found {text!r}")
    return name, Path(path)

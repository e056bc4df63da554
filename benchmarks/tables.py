"""Results as Markdown: what was measured, and whether the goals are reached."""

from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.goals import (
    COMMANDS,
    GOALS,
    LIMITS,
    ORDERS,
    PEERS,
    REPEATABLE,
    STREAM_GOAL,
    WITHIN,
    Command,
)

Results = dict[str, Any]

MB_PER_MIB = 1.048576
"""Memory is measured in MiB, here as in other benchmarks, and predicted in MB."""


def markdown(results: Results) -> str:
    """One table for each kind of measurement that there is."""
    return "\n".join(
        _table(header, [row(key, results[key]) for key in found])
        for kind, (header, row) in TABLES.items()
        if (found := [key for key, result in results.items() if result["kind"] == kind])
    )


def _compared_row(name: str, result: Results) -> list[str]:
    summary, medians, goal = result["summary"], result["medians"], GOALS[name]
    verdict = "" if summary["agree"] else " **differs**"
    faster, smaller = summary["ratio_wall_s"], summary["ratio_peak_mb"]
    memory = f"{smaller}×{_at_least(goal.smaller)}"
    reached = {"time": _is_reached(faster, goal.faster)}
    reached["memory"] = _is_reached(smaller, goal.smaller)
    if goal.times_one is not None:
        memory += f"; {summary['times_one']} of one atlas (≤ {goal.times_one})"
        reached["memory"] = summary["times_one"] <= goal.times_one
    return [
        f"{goal.title} (`{name}`{_quick(result)})",
        _took(medians["nilearn"]),
        _took(medians["bidsmask"]),
        f"{faster}×{_at_least(goal.faster)}",
        f"{summary['ratio_processor_s']}×",
        memory,
        _verdict(reached, result),
        f"{summary['difference_sd']:.1e}{_off(summary)}{verdict}",
    ]


def _off(summary: Results) -> str:
    """Say how far each is off double precision, where that was looked at."""
    off = summary.get("off_sd")
    if off is None:
        return ""
    return f" (off double precision: bidsmask {off['bidsmask']:.1e}, nilearn {off['nilearn']:.1e})"


def _stream_row(name: str, result: Results) -> list[str]:
    summary = result["summary"]
    share = summary["stream_s"] / summary["decompression_s"]
    return [
        f"stream time over bare decompression, 400 labels (`{name}`{_quick(result)})",
        f"{summary['decompression_s']:.2f}",
        f"{summary['stream_s']:.2f}",
        f"{share:.2f} (≤ {STREAM_GOAL})",
        _verdict({"ratio": share <= STREAM_GOAL}, result),
    ]


def _memory_row(name: str, result: Results) -> list[str]:
    summary = result["summary"]
    _, call, order = name.split("-")
    theirs, ours = summary["nilearn"], summary["bidsmask"]
    return [
        f"`{call}`, {ORDERS[order]}",
        f"{theirs:.0f}",
        f"{ours:.0f}",
        f"{theirs / ours:.1f}×",
        f"{summary['difference_sd']:.1e}",
    ]


def _alone_row(name: str, result: Results) -> list[str]:
    took, goal = result["summary"], COMMANDS.get(name, Command())
    reached = {
        "time": _is_reached(-took["wall_s"], goal.seconds and -goal.seconds),
        "memory": _is_reached(-took["peak_mb"], goal.memory_mb and -goal.memory_mb),
    }
    return [
        f"`{name}`{_quick(result)}",
        f"{took['wall_s']:.2f}{_at_most(goal.seconds)}",
        f"{took['processor_s']:.2f}",
        f"{took['peak_mb']:.0f}{_at_most(goal.memory_mb)}",
        _verdict(reached, result),
    ]


def _predicted_row(name: str, result: Results) -> list[str]:
    summary, steps = result["summary"], result["steps"]
    off_s = summary["seconds"] / summary["wall_s"] - 1
    peak_mb = summary["peak_mb"] * MB_PER_MIB
    off_mb = summary["memory_mb"] / peak_mb - 1
    return [
        f"`{name.removeprefix('predicted-')}`",
        f"{summary['seconds']:.1f} / {summary['wall_s']:.1f} ({off_s:+.0%})",
        f"{summary['memory_mb']:.0f} / {peak_mb:.0f} ({off_mb:+.0%})",
        _verdict({"time": abs(off_s) <= WITHIN, "memory": abs(off_mb) <= WITHIN}, result),
        *(f"{steps[name]:.2f} / {took:.2f}" for name, took in result["took"].items()),
    ]


def _against_row(name: str, result: Results) -> list[str]:
    older, today = result["summary"]["older"], result["summary"]["today"]
    key = name.removeprefix("against-")
    limit = LIMITS[key]
    share = {what: today[what] / older[what] if older[what] else None for what in today}
    most = limit.processor + REPEATABLE if limit.processor == 1 else limit.processor
    return [
        f"{limit.title} (`{key}`{_quick(result)})",
        f"{older['processor_s']:.2f}",
        f"{today['processor_s']:.2f}",
        f"{share['processor_s']:.2f}{_at_most(limit.processor)}",
        f"{share['wall_s']:.2f}",
        "" if share["peak_mb"] is None else f"{share['peak_mb']:.2f}",
        _verdict({"processor": share["processor_s"] <= most}, result),
    ]


def _script_row(name: str, result: Results) -> list[str]:
    theirs, ours, peer = result["summary"]["nilearn"], result["summary"]["bidsmask"], PEERS[name]
    times = {key: theirs[key] / ours[key] for key in ours}
    processor, wall, memory = (times[key] for key in ("processor_s", "wall_s", "peak_mb"))
    reached = {
        "processor": _is_reached(processor, peer.processor),
        "time": _is_reached(wall, peer.faster),
        "memory": _is_reached(memory, peer.smaller),
    }
    return [
        f"{peer.title} (`{name}`)",
        f"{processor:.1f}×{_at_least(peer.processor)}",
        f"{wall:.1f}×{_at_least(peer.faster)}",
        f"{memory:.1f}×{_at_least(peer.smaller)}",
        _verdict(reached, result),
    ]


def _together_row(name: str, result: Results) -> list[str]:
    took = {key: each["processor_s"] for key, each in result["summary"].items()}
    together = took.pop("together")
    dearest = sum(sorted(took.values())[-2:])
    return [
        ", ".join(f"{each:.1f}" for each in took.values()),
        f"{dearest:.1f}",
        f"{together:.1f}",
        _verdict({"processor": together < dearest}, result),
    ]


TABLES: dict[str, tuple[str, Callable[[str, Results], list[str]]]] = {
    "compared": (
        "workload | nilearn: s, MB | bidsmask: s, MB | wall (goal) | processor | memory (goal) | "
        "goals reached | largest difference, SD",
        _compared_row,
    ),
    "against": (
        "workload | that commit, processor s | today, processor s | processor (goal) | wall | "
        "memory | goals reached",
        _against_row,
    ),
    "script": (
        "whole command | processor, nilearn's script over ours (goal) | wall (goal) | "
        "memory of all processes (goal) | goals reached",
        _script_row,
    ),
    "together": (
        "64 maps, 400 labels, 264 seeds, every voxel: each alone, processor s | the two dearest | "
        "all in one command | goals reached",
        _together_row,
    ),
    "later": (
        "not measured yet | options that the command does not have",
        lambda name, result: [f"`{name}`", f"`{result['summary']['options']}`"],
    ),
    "stream": ("workload | decompression, s | stream, s | ratio (goal) | reached", _stream_row),
    "memory": (
        "call, order in memory | nilearn, ms | bidsmask, ms | faster | largest difference, SD",
        _memory_row,
    ),
    "alone": (
        "bidsmask alone | wall, s (goal) | processor, s | peak, MB (goal) | goals reached",
        _alone_row,
    ),
    "predicted": (
        "lattice-volumes-atlases-strategies-subjects | s, predicted / measured | "
        "MB, predicted / measured | within 25 % | load_confounds, s | resample_atlas, s | "
        "extract, s | clean, s | connectivity, s | derive, s | report, s",
        _predicted_row,
    ),
}


def _table(header: str, rows: Iterable[list[str]]) -> str:
    n_columns = header.count("|") + 1
    lines = [header, " | ".join(["---"] * n_columns), *map(" | ".join, rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _is_reached(value: float, goal: float | None) -> bool | None:
    return None if goal is None else value >= goal


def _verdict(reached: dict[str, bool | None], result: Results) -> str:
    """Say which goals are reached; nothing of those that there are not, or of a small run."""
    if result["quick"]:
        return ""
    words = {True: "yes", False: "**no**"}
    return ", ".join(f"{what} {words[is_]}" for what, is_ in reached.items() if is_ is not None)


def _at_least(goal: float | None) -> str:
    return "" if goal is None else f" (≥ {goal:g})"


def _at_most(goal: float | None) -> str:
    return "" if goal is None else f" (≤ {goal:g})"


def _quick(result: Results) -> str:
    return ", quick" if result["quick"] else ""


def _took(medians: dict[str, float]) -> str:
    return f"{medians['wall_s']:.2f}, {medians['peak_mb']:.0f}"

"""Measure bidsmask against nilearn, and print what came of it as Markdown and JSON."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.goals import COMMANDS, GOALS, GROWTH
from benchmarks.measure import (
    Measurement,
    child,
    measured,
    peak_mb_of_command,
    timed_command,
)

TOOLS = ("nilearn", "bidsmask")


def main() -> None:
    """Measure what is asked for, one thing at a time."""
    options = _parser().parse_args()
    folder = options.inputs / ("quick" if options.quick else "full")
    results = _read(options.json)
    for name in options.only or [*GOALS, *COMMANDS, *GROWTH]:
        for key, result in _measure(name, folder, options):
            results[key] = result
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(results, indent=2) + "\n")
            sys.stderr.write(f"{key}: {json.dumps(result['summary'])}\n")
    sys.stdout.write(_markdown(results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="times each tool is measured")
    names = [*GOALS, *COMMANDS, *GROWTH]
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORKLOAD", help=str(names))
    parser.add_argument("--quick", action="store_true", help="a run of 65x77x65 and 200 volumes")
    home = Path(tempfile.gettempdir()) / "bidsmask-benchmarks"
    parser.add_argument("--inputs", type=Path, default=home, help="where inputs are kept")
    parser.add_argument(
        "--json",
        type=Path,
        default=home / "results.json",
        help="results; those of an earlier call stay unless they are measured again",
    )
    return parser


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}


def _measure(
    name: str, folder: Path, options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Any]]]:
    if name in GOALS:
        yield name, _compared(name, folder, options.pairs, quick=options.quick)
    elif name in COMMANDS:
        yield name, _command(name, folder, options.pairs, quick=options.quick, **COMMANDS[name])
    elif name in ("volumes", "atlases-grow"):
        kind = "volumes" if name == "volumes" else "atlases"
        for number in GROWTH[name]:
            key = f"{kind}-{number}"
            yield key, _alone(key, folder, options.pairs, quick=options.quick)
    else:
        for number in GROWTH[name]:
            change = {name: number}
            result = _command(f"{name}-{number}", folder, options.pairs, quick=True, **change)
            yield f"{name}-{number}", result


def _compared(name: str, folder: Path, pairs: int, *, quick: bool) -> dict[str, Any]:
    """Measure both tools in turn, and hold their results together."""
    child("prepare", folder, name, "", quick=quick)
    found: dict[str, list[Measurement]] = {tool: [] for tool in TOOLS}
    bare = [child("limit", folder, name, "", quick=quick)]
    for _ in range(pairs):
        for tool in TOOLS:
            found[tool].append(measured(folder, name, tool, quick=quick))
        bare.append(child("limit", folder, name, "", quick=quick))
    medians = {tool: _medians(each) for tool, each in found.items()}
    theirs, ours = medians["nilearn"], medians["bidsmask"]
    limits = {key: median(each[key] for each in bare) for key in bare[0]}
    comparison = child("compare", folder, name, "", quick=quick)
    ratios = {f"ratio_{key}": round(theirs[key] / ours[key], 1) for key in ours}
    return {
        "kind": "compared",
        "quick": quick,
        "pairs": pairs,
        "summary": ratios | comparison,
        "medians": medians,
        "limits": limits,
        "all": {tool: [asdict(each) for each in many] for tool, many in found.items()},
    }


def _alone(name: str, folder: Path, repeats: int, *, quick: bool) -> dict[str, Any]:
    child("prepare", folder, name, "", quick=quick)
    many = [measured(folder, name, "bidsmask", quick=quick) for _ in range(repeats)]
    return {"kind": "alone", "quick": quick, "pairs": repeats, "summary": _medians(many)}


def _command(
    name: str,
    folder: Path,
    repeats: int,
    *,
    quick: bool,
    subjects: int = 1,
    strategies: int = 1,
) -> dict[str, Any]:
    """Measure the whole command line, outputs and reports included."""
    dataset = child("dataset", folder, str(subjects), str(strategies), quick=quick)
    options = ["--atlases", dataset["atlas"], "--strategies", *dataset["strategies"]]
    many = _measure_command(Path(dataset["root"]), options, folder / "command_output", repeats)
    return {"kind": "alone", "quick": quick, "pairs": repeats, "summary": _medians(many)}


def _measure_command(root: Path, options: list[str], out: Path, repeats: int) -> list[Measurement]:
    """Measure time as often as asked for, and memory, which hardly varies, once."""
    command = [sys.executable, "-m", "bidsmask", str(root), str(out), "participant", *options]
    shutil.rmtree(out, ignore_errors=True)
    peak_mb = peak_mb_of_command(command)
    many = []
    for _ in range(repeats):
        shutil.rmtree(out)
        wall_s, processor_s = timed_command(command)
        many.append(Measurement(wall_s=wall_s, processor_s=processor_s, peak_mb=peak_mb))
    shutil.rmtree(out)
    return many


def _medians(many: list[Measurement]) -> dict[str, float]:
    rows = [asdict(each) for each in many]
    return {key: round(median(row[key] for row in rows), 3) for key in rows[0]}


def _markdown(results: dict[str, Any]) -> str:
    lines = [
        "| workload | nilearn: s, MB | bidsmask: s, MB | wall (goal) | processor | "
        "memory (goal) | bare decompression, s | stream / decompression | "
        "largest difference, SD |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    compared = {key: item for key, item in results.items() if item["kind"] == "compared"}
    lines += [_compared_row(key, item) for key, item in compared.items()]
    lines += ["", "| bidsmask alone | wall, s | processor, s | peak, MB | input |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    lines += [_alone_row(key, item) for key, item in results.items() if item["kind"] == "alone"]
    return "\n".join(lines) + "\n"


def _compared_row(name: str, result: dict[str, Any]) -> str:
    summary, limits, medians = result["summary"], result["limits"], result["medians"]
    title, faster, smaller = GOALS[name]
    quick = ", quick" if result["quick"] else ""
    share = limits["stream_s"] / limits["decompression_s"]
    verdict = "" if summary["agree"] else " **differs**"
    cells = [
        f"{title} (`{name}`{quick})",
        _took(medians["nilearn"]),
        _took(medians["bidsmask"]),
        f"{summary['ratio_wall_s']}× (≥ {faster})",
        f"{summary['ratio_processor_s']}×",
        f"{summary['ratio_peak_mb']}× (≥ {smaller})",
        f"{limits['decompression_s']:.2f}",
        f"{share:.2f}",
        f"{summary['difference_sd']:.0e}{verdict}",
    ]
    return f"| {' | '.join(cells)} |"


def _took(medians: dict[str, float]) -> str:
    return f"{medians['wall_s']:.2f}, {medians['peak_mb']:.0f}"


def _alone_row(name: str, result: dict[str, Any]) -> str:
    took = result["summary"]
    size = "small" if result["quick"] else "large"
    return (
        f"| {name} | {took['wall_s']:.2f} | {took['processor_s']:.2f} | {took['peak_mb']:.0f} "
        f"| {size} |"
    )


if __name__ == "__main__":
    main()

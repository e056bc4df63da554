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

from benchmarks.against import against, beside_script, together
from benchmarks.goals import (
    COMMANDS,
    GOALS,
    GROWTH,
    LIMITS,
    NAMES,
    PEERS,
    PREDICTIONS,
    Command,
    Size,
)
from benchmarks.measure import (
    Measurement,
    child,
    measured,
    peak_mb_of_command,
    timed_command,
)
from benchmarks.tables import markdown
from benchmarks.trees import unpacked

TOOLS = ("nilearn", "bidsmask")


def main() -> None:
    """Measure what is asked for, one thing at a time."""
    options = _parser().parse_args()
    folder = options.inputs / ("quick" if options.quick else "full")
    results = _read(options.json)
    older = unpacked(options.against, options.inputs / "trees") if options.against else None
    for name in options.only or (LIMITS if older else NAMES):
        for key, result in _measure(name, folder, older, options):
            results[key] = {"quick": options.quick, "pairs": options.pairs} | result
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(results, indent=2) + "\n")
            sys.stderr.write(f"{key}: {json.dumps(result['summary'])}\n")
    sys.stdout.write(markdown(results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="times each tool is measured")
    names = (*NAMES, *(name for name in LIMITS if name not in NAMES))
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORKLOAD", help=str(names))
    parser.add_argument(
        "--against", metavar="COMMIT", help="hold today's tree against that of a commit, in turn"
    )
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
    name: str, folder: Path, older: Path | None, options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, Any]]]:
    pairs, quick = options.pairs, options.quick
    if older is not None:
        yield f"against-{name}", against(name, folder, older, pairs, quick=quick)
    elif name in PEERS:
        yield name, beside_script(name, folder, pairs)
    elif name == "together":
        yield name, together(folder, pairs)
    elif name in GOALS:
        yield name, _compared(name, folder, pairs, quick=quick)
    elif name == "stream":
        child("prepare", folder, name, "", quick=quick)
        yield name, {"kind": "stream", "summary": child("limit", folder, name, "", quick=quick)}
    elif name == "memory":
        calls = child("memory", folder, str(pairs), "", quick=quick)
        for call, summary in calls.items():
            yield f"memory-{call}", {"kind": "memory", "summary": summary}
    elif name in COMMANDS:
        yield name, _command(folder, pairs, COMMANDS[name], quick=quick)
    elif name == "predictions":
        for size in PREDICTIONS:
            yield (
                f"predicted-{'-'.join(map(str, asdict(size).values()))}",
                _predicted(folder, size),
            )
    elif name in ("volumes", "atlases-grow"):
        kind = "volumes" if name == "volumes" else "atlases"
        for number in GROWTH[name]:
            key = f"{kind}-{number}"
            yield key, _alone(key, folder, pairs, quick=quick)
    else:
        for number in GROWTH[name]:
            change = Command(**{name: number})
            yield f"{name}-{number}", _command(folder, pairs, change, quick=True)


def _compared(name: str, folder: Path, pairs: int, *, quick: bool) -> dict[str, Any]:
    """Measure both tools in turn, and hold their results together."""
    child("prepare", folder, name, "", quick=quick)
    found: dict[str, list[Measurement]] = {tool: [] for tool in TOOLS}
    for _ in range(pairs):
        for tool in TOOLS:
            found[tool].append(measured(folder, name, tool, quick=quick))
    medians = {tool: _medians(each) for tool, each in found.items()}
    theirs, ours = medians["nilearn"], medians["bidsmask"]
    summary = {f"ratio_{key}": round(theirs[key] / ours[key], 1) for key in ours}
    summary |= child("compare", folder, name, "", quick=quick)
    if GOALS[name].times_one is not None:
        one = measured(folder, f"{name}-1", "bidsmask", quick=quick)
        summary["times_one"] = round(ours["peak_mb"] / one.peak_mb, 2)
    return {
        "kind": "compared",
        "summary": summary,
        "medians": medians,
        "all": {tool: [asdict(each) for each in many] for tool, many in found.items()},
    }


def _alone(name: str, folder: Path, repeats: int, *, quick: bool) -> dict[str, Any]:
    child("prepare", folder, name, "", quick=quick)
    many = [measured(folder, name, "bidsmask", quick=quick) for _ in range(repeats)]
    return {"kind": "alone", "summary": _medians(many)}


def _command(folder: Path, repeats: int, command: Command, *, quick: bool) -> dict[str, Any]:
    """Measure the whole command line; its memory, which varies little, once only."""
    request = child("dataset", folder, str(command.subjects), str(command.strategies), quick=quick)
    out = Path(request["arguments"][1])
    peak_mb = peak_mb_of_command(_afresh(request["arguments"], out))
    many = []
    for _ in range(repeats):
        wall_s, processor_s = timed_command(_afresh(request["arguments"], out))
        many.append(Measurement(wall_s=wall_s, processor_s=processor_s, peak_mb=peak_mb))
    shutil.rmtree(out)
    return {"kind": "alone", "quick": quick, "summary": _medians(many)}


def _predicted(folder: Path, size: Size) -> dict[str, Any]:
    """Hold what is predicted for a command, and for its steps, beside what they take."""
    request = child("request", folder, json.dumps(asdict(size)), "", quick=False)
    out, work = Path(request["arguments"][1]), folder / "command_work"
    peak_mb = peak_mb_of_command(_afresh(request["arguments"], out))
    predicted = child("predict", folder, json.dumps(request["arguments"]), "", quick=False)
    shutil.rmtree(work, ignore_errors=True)
    wall_s, _ = timed_command([*_afresh(request["arguments"], out), "-w", str(work)])
    steps = child("steps", folder, str(work), "", quick=False)
    shutil.rmtree(out)
    shutil.rmtree(work)
    summary = predicted["all"] | {"wall_s": wall_s, "peak_mb": peak_mb}
    return {
        "kind": "predicted",
        "summary": summary,
        "steps": predicted["steps"],
        "took": steps,
    }


def _afresh(arguments: list[str], out: Path) -> list[str]:
    """Give the command line, once nothing is left of the last time."""
    shutil.rmtree(out, ignore_errors=True)
    return [sys.executable, "-m", "bidsmask", *arguments]


def _medians(many: list[Measurement]) -> dict[str, float]:
    rows = [asdict(each) for each in many]
    return {key: round(median(row[key] for row in rows), 3) for key in rows[0]}


if __name__ == "__main__":
    main()

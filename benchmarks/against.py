"""Today's tree beside an older commit, and whole commands beside nilearn scripts, in turn."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.goals import GOALS, LIMITS, PEERS, TOGETHER, Size
from benchmarks.measure import (
    ROOT,
    Measurement,
    child,
    measured,
    peak_mb_of_command,
    timed_command,
)

Measure = Callable[[Path], Measurement]
"""Measures one piece of work in a tree."""


def against(name: str, folder: Path, older: Path, pairs: int, *, quick: bool) -> dict[str, Any]:
    """Hold a piece of work in today's tree against the same in an older one."""
    measure: Measure
    if name in GOALS:
        child("prepare", folder, name, "", quick=quick)
        measure = partial(_masker, folder, name, quick)
    elif name == "tables":
        if _written(older) != _written(ROOT):
            raise AssertionError(f"{older} writes tables with other bytes.")
        measure = _tables
    else:
        size = LIMITS[name].size
        assert size is not None
        measure = partial(_drawing if name == "figures" else _command, folder, size)
    trees = {"older": older, "today": ROOT}
    for tree in trees.values():
        measure(tree)  # what is compiled, and what the system reads from disk, is ready then
    found = _in_turn({which: partial(measure, tree) for which, tree in trees.items()}, pairs)
    return {"kind": "against", "summary": found}


def beside_script(name: str, folder: Path, pairs: int) -> dict[str, Any]:
    """Hold a whole command against the nilearn script that it stands in for."""
    peer = PEERS[name]
    if not _knows(peer.options):
        return {"kind": "later", "summary": {"options": " ".join(peer.options)}}
    command, out = _command_line(folder, peer.size)
    atlas = child("request", folder, _text(replace(peer.size, n_atlases=1)), "", quick=False)
    image = atlas["arguments"][atlas["arguments"].index("--atlases") + 1]
    where = [peer.script, command[3], str(out), image]
    script = [sys.executable, "-W", "ignore", "-m", "benchmarks.scripts", *where]
    commands = {"nilearn": script, "bidsmask": [*command, *peer.options]}
    found = _in_turn(
        {tool: partial(_timed, command, out, ROOT) for tool, command in commands.items()}, pairs
    )
    return {"kind": "script", "summary": found}


def together(folder: Path, pairs: int) -> dict[str, Any]:
    """Hold one command for all kinds of columns against commands for each of them."""
    options = {word for words in TOGETHER for word in words if word.startswith("--")}
    if not _knows(options):
        return {"kind": "later", "summary": {"options": " ".join(sorted(options))}}
    size = Size(lattice="a", n_volumes=300, n_strategies=4)
    command, out = _command_line(folder, size)
    start = command.index("--atlases")
    labels = command[start + 1]
    files = child("columns", folder, "", "", quick=False) | {"labels": labels}
    rest = command[start + 2 :]
    alone = [[word.format(**files) for word in words] for words in TOGETHER]
    every = ["--atlases", files["maps"], labels, "--seeds", files["seeds"], "--voxelwise"]
    asked = {str(number): words for number, words in enumerate(alone)} | {"together": every}
    return {
        "kind": "together",
        "summary": _in_turn(
            {
                key: partial(_timed, [*command[:start], *words, *rest], out, ROOT)
                for key, words in asked.items()
            },
            pairs,
        ),
    }


def _in_turn(
    works: dict[str, Callable[[], Measurement]], pairs: int
) -> dict[str, dict[str, float]]:
    """Do each piece of work in turn, as often as asked; give the medians."""
    found: dict[str, list[Measurement]] = {which: [] for which in works}
    for _ in range(pairs):
        for which, work in works.items():
            found[which].append(work())
    return {
        which: {key: median(asdict(each)[key] for each in many) for key in asdict(many[0])}
        for which, many in found.items()
    }


def _command(folder: Path, size: Size, tree: Path) -> Measurement:
    command, out = _command_line(folder, size)
    return _timed(command, out, tree)


def _timed(command: list[str], out: Path, tree: Path) -> Measurement:
    """Run a command twice: nobody looks at its memory while it is timed."""
    wall_s, processor_s = timed_command(_afresh(command, out), tree)
    peak_mb = peak_mb_of_command(_afresh(command, out), tree)
    shutil.rmtree(out)
    return Measurement(wall_s=wall_s, processor_s=processor_s, peak_mb=peak_mb)


def _drawing(folder: Path, size: Size, tree: Path) -> Measurement:
    """Measure the step that draws, by what nipype has noted (wall time: it has a core)."""
    command, out = _command_line(folder, size)
    work = folder / "command_work"
    shutil.rmtree(work, ignore_errors=True)
    timed_command([*_afresh(command, out), "-w", str(work)], tree)
    seconds = child("steps", folder, str(work), "", quick=False, tree=tree)["report"]
    shutil.rmtree(out)
    shutil.rmtree(work)
    return Measurement(wall_s=seconds, processor_s=seconds, peak_mb=0)


def _masker(folder: Path, name: str, quick: bool, tree: Path) -> Measurement:
    return measured(folder, name, "bidsmask", quick=quick, tree=tree)


def _tables(tree: Path) -> Measurement:
    seconds = _piece(tree)["processor_s"]
    return Measurement(wall_s=seconds, processor_s=seconds, peak_mb=0)


def _written(tree: Path) -> str:
    """Sum of all bytes of the tables."""
    return str(_piece(tree)["sha256"])


def _piece(tree: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "pieces.py"],
        env={"PYTHONPATH": str(tree)},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _command_line(folder: Path, size: Size) -> tuple[list[str], Path]:
    """Make what a command needs; give the command, and the folder that it writes."""
    arguments = child("request", folder, _text(size), "", quick=False)["arguments"]
    return [sys.executable, "-m", "bidsmask", *arguments], Path(arguments[1])


def _text(size: Size) -> str:
    return json.dumps(asdict(size))


def _afresh(command: list[str], out: Path) -> list[str]:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return command


def _knows(options: Any) -> bool:
    """Whether the command has these options by now."""
    text = subprocess.run(
        [sys.executable, "-m", "bidsmask", "--help"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return all(option in text for option in options if option.startswith("--"))

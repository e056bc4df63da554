"""Run nilearn's own tests, as they are installed, with our names in the place of nilearn's.

A plugin of pytest. What a test module of nilearn imports is ours wherever this project offers a
function or class of that name; nilearn itself goes on with its own. Tests that do not pass are in
`exceptions.tsv`, each with its reason. The list can only shrink: one of them that passes is an
error, and so is any other that fails.
"""

import builtins
import csv
import sys
import threading
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
EXCEPTIONS = HERE / "exceptions.tsv"
PLACES = ("maskers", "masking", "image", "signal", "interfaces.fmriprep", "connectome")
"""Modules whose names scripts import, here and there.

Not `exceptions`: nilearn's own functions go on raising nilearn's, and so the tests go on expecting
them. What ours raise is of both kinds.
"""

NOT_COUNTED = "private"
"""Tests of what nilearn keeps to itself say nothing about a script that changes an import."""


def offered() -> dict[int, Any]:
    """Return what takes the place of each of nilearn's objects, by the identity of the latter."""
    pairs = {}
    for place in PLACES:
        ours, theirs = import_module(f"bidsmask.{place}"), import_module(f"nilearn.{place}")
        for name in set(ours.__all__) & set(theirs.__all__):
            pairs[id(getattr(theirs, name))] = getattr(ours, name)
    return pairs


class Swapped(ModuleType):
    """A module of nilearn, as a test module of it sees it."""

    def __init__(self, module: ModuleType, ours: dict[int, Any]) -> None:
        super().__init__(module.__name__)
        self._module, self._ours = module, ours

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if isinstance(value, ModuleType) and value.__name__.startswith("nilearn."):
            return Swapped(value, self._ours)
        return self._ours.get(id(value), value)


def is_test_module(name: str) -> bool:
    """Say whether a module holds tests of nilearn's."""
    return name.startswith("nilearn.") and ".tests." in name


def swap_imports() -> None:
    """Let the test modules of nilearn import what is ours."""
    plain, ours = builtins.__import__, offered()

    def swapped(
        name: str, names: Any = None, places: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        module = plain(name, names, places, fromlist, level)
        asks = is_test_module((names or {}).get("__name__") or "")
        is_theirs = module.__name__.partition(".")[0] == "nilearn"
        if asks and is_theirs and not is_test_module(module.__name__):
            return Swapped(module, ours)
        return module

    builtins.__import__ = swapped


class Watch:
    """Notices whether a line of this project is executed, and then looks no further."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.has_seen = False

    def __enter__(self) -> "Watch":
        threading.settrace(self._look)
        sys.settrace(self._look)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]

    def _look(self, frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_filename.startswith(self._folder):
            self.has_seen = True
            self.__exit__()


def read_exceptions() -> dict[str, tuple[str, str]]:
    """Read which tests do not pass: kind and reason of each."""
    with EXCEPTIONS.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["test"]: (row["kind"], row["reason"]) for row in rows}


class Suite:
    """nilearn's tests, with the list of those that do not pass."""

    def __init__(self, tally: str | None) -> None:
        import nilearn

        import bidsmask

        self._tally = tally
        self._ours = str(Path(bidsmask.__file__).parent)
        self._theirs = Path(nilearn.__file__).parent
        self._exceptions = read_exceptions()
        self._executing: set[str] = set()
        self._outcomes: dict[str, str] = {}

    def _name(self, item: pytest.Item) -> str:
        folder = self._theirs if item.path.is_relative_to(self._theirs) else HERE
        return f"{item.path.relative_to(folder)}::{item.nodeid.partition('::')[2]}"

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        names = [self._name(item) for item in items]
        for item, name in zip(items, names, strict=True):
            if name in self._exceptions:
                reason = ": ".join(self._exceptions[name])
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
        files = {name.partition("::")[0] for name in names}
        gone = [
            name for name in self._exceptions.keys() - names if name.partition("::")[0] in files
        ]
        if gone:
            raise pytest.UsageError(f"{EXCEPTIONS.name} lists what is not there: {sorted(gone)}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        with Watch(self._ours) as self._watch:
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        name = self._name(item)
        if call.when == "teardown":
            item.user_properties.append(("test", name))  # for --junitxml
            if self._watch.has_seen:
                self._executing.add(name)
                item.user_properties.append(("executes", "yes"))
        report = yield
        if self._outcomes.get(name) in (None, "passed"):
            self._outcomes[name] = report.outcome
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        done = {
            name: self._outcomes[name]
            for name in self._executing
            if name in self._exceptions or self._outcomes[name] != "skipped"
        }  # what nilearn itself skips, or expects to fail, says nothing
        counted = {
            name: outcome
            for name, outcome in done.items()
            if self._exceptions.get(name, ("",))[0] != NOT_COUNTED
        }
        passing = Counter(counted.values())["passed"]
        if self._tally is not None:
            with Path(self._tally).open("a") as file:
                file.write(f"{passing}\t{len(counted)}\n")
        terminalreporter.section("nilearn's tests with our names")
        terminalreporter.write_line(
            f"{passing} of {len(counted)} pass that execute a line of bidsmask "
            f"({len(done) - len(counted)} more are of private names)."
        )


def pytest_configure(config: pytest.Config) -> None:
    """Swap before the first test module is imported."""
    swap_imports()
    config.pluginmanager.register(Suite(config.getoption("--tally")))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where the examples are, and where to count."""
    parser.addoption("--examples", help="folder of the examples in nilearn's sources")
    parser.addoption("--tally", help="file to which to add how many tests pass, and of how many")

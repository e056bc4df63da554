"""``--check``: what is wrong with an output folder, one line for each file."""

from __future__ import annotations

from pathlib import Path

from bidsmask.derivatives.check import check_output


def show_check(output_dir: Path) -> int:
    """Print every file that is not as its record says; exit code 1 if there is one."""
    checked = check_output(output_dir)
    for problem in checked.problems:
        print(f"{_printable(problem.file)} {problem.what}")  # noqa: T201
    n_wrong = len({problem.file for problem in checked.problems})
    print(  # noqa: T201
        f"{checked.n_files} files in {checked.n_records} records: "
        + (f"{n_wrong} are not as they should be." if n_wrong else "all are as they were written.")
    )
    return 1 if checked.problems else 0


def _printable(name: str) -> str:
    """Show a file name, whatever it would do to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)

"""What docs/group.md says holds, and its commands work."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from bidsmask.cli.main import main
from bidsmask.numerics.exclusion import MEASURES, PRESETS

PAGE = (Path(__file__).parents[3] / "docs" / "group.md").read_text(encoding="utf-8")


def rows(*cells):
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def linked(text):
    return re.sub(r"doi:(10\.[^\s)]+)", r"[doi](https://doi.org/\1)", text)


def tables_of_the_page():
    return {
        "rules": rows(
            ("rule", "excludes", "from"),
            ("---",) * 3,
            *(
                (
                    f"`{name}`",
                    "; ".join(
                        f"`{measure}` {MEASURES[measure].worse} {limit:g}"
                        for measure, limit in preset.limits.items()
                    )
                    or "–",
                    linked(preset.source),
                )
                for name, preset in PRESETS.items()
            ),
        ),
        "measures": rows(
            ("measure", "what it is", "unit", "excluded if"),
            ("---",) * 4,
            *((f"`{name}`", rule.what, rule.unit, rule.worse) for name, rule in MEASURES.items()),
        ),
    }


@pytest.mark.parametrize("mark", tables_of_the_page())
def test_the_page_says_what_the_code_does(mark):
    _, _, after = PAGE.partition(f"<!-- {mark} -->\n")
    assert after.partition("<!-- end -->")[0] == tables_of_the_page()[mark]


def test_the_commands_of_the_page_work(cohort, tmp_path):
    places = {
        "/data/fmriprep": str(cohort.bids_dir),
        "/data/out": str(shutil.copytree(cohort.output_dir, tmp_path / "out")),
        "/data/ratings.tsv": str(tmp_path / "ratings.tsv"),
    }
    (table,) = re.findall(r"```\n(participant_id.*?)```", PAGE, re.DOTALL)
    (tmp_path / "ratings.tsv").write_text(table)
    commands = "".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)).splitlines()
    assert len(commands) == 3
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "bidsmask"
        assert main([places.get(word, word) for word in words]) == 0

"""The page on the columns of a strategy: its examples are strategies, its keys are all there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from bidsmask.dataset.strategies import ColumnGroup
from bidsmask.dataset.strategy_files import load_strategy

PAGE = (Path(__file__).parents[2] / "docs" / "columns.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_is_a_strategy(tmp_path: Path, number: int) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(EXAMPLES[number], encoding="utf-8")
    strategy = load_strategy(file)
    assert strategy.groups
    for query in strategy.tables:
        assert str(query).partition("_")[0] in PAGE


def test_every_key_of_a_group_is_explained() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## Other tables")[0], re.MULTILINE)
    assert sorted(explained) == sorted(field.name for field in fields(ColumnGroup))

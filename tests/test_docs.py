"""What the documentation names exists, and its recipes work."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

# Recipes: sentences that say where a block of code goes, and blocks of commands

MOST_FILES = 8
"""That an option may touch, tests and what scripts write included."""

STEP = re.compile(
    r"^(?:In `(?P<file>[^`]+)`, (?P<where>after|before|instead of) the line\s`(?P<line>[^`]+)`"
    r"|A new file `(?P<new>[^`]+)`)[^\n]*\n\n```\w+\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Recipe:
    """A section of CONTRIBUTING.md below "How to add"."""

    title: str
    text: str

    @property
    def steps(self):
        return [match.groupdict() for match in STEP.finditer(self.text)]

    @property
    def commands(self):
        blocks = re.findall(r"```bash\n(.*?)```", self.text, re.DOTALL)
        return "".join(blocks).splitlines()

    @property
    def files(self):
        written = {
            "make_boutiques": "descriptors/bidsmask.json",
            "make_completion": "descriptors/completion/bidsmask.bash",
            "make_options": "README.md",
        }
        made = {file for name, file in written.items() if name in "".join(self.commands)}
        return {step["file"] or step["new"] for step in self.steps} | made


def recipes():
    _, _, how_to = CONTRIBUTING.partition("## How to add")
    sections = re.split(r"^### ", how_to, flags=re.MULTILINE)[1:]
    found = [Recipe(*section.split("\n", 1)) for section in sections]
    return [recipe for recipe in found if "```" in recipe.text]


def carry_out(step, folder):
    if step["new"]:
        file = folder / step["new"]
        assert not file.exists(), f"{step['new']} is there already"
        file.parent.mkdir(exist_ok=True)
        file.write_text(step["code"], encoding="utf-8")
        return
    file = folder / step["file"]
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (place,) = [n for n, line in enumerate(lines) if line.strip() == step["line"]]
    code = step["code"]
    if step["where"] == "before" and re.match("def |class ", lines[place]):
        code += "\n\n"
    first, last = {
        "before": (place, place),
        "after": (place + 1, place + 1),
        "instead of": (place, place + 1),
    }[step["where"]]
    lines[first:last] = [code]
    file.write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def tree(tmp_path):
    """A copy of what recipes change."""
    for name in ("bidsmask", "tests", "descriptors"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(command, folder):
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_recipes_for_what_is_added_most_often():
    titles = " ".join(recipe.title for recipe in recipes())
    for kind in ("statistic", "measure", "atlas", "masker", "figure", "option"):
        assert kind in titles


@pytest.mark.slow
@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.title)
def test_a_recipe_works(recipe, tree):
    blocks = recipe.text.count("```python")
    assert len(recipe.steps) == blocks, "every block of code says where it goes"
    assert len(recipe.files) <= MOST_FILES
    for step in recipe.steps:
        carry_out(step, tree)
    if shutil.which("ruff"):
        touched = [step["file"] or step["new"] for step in recipe.steps]
        run(["ruff", "check", "--no-cache", *touched], tree)
        run(["ruff", "format", "--no-cache", "--diff", *touched], tree)
    assert recipe.commands
    for command in recipe.commands:
        python, *words = shlex.split(command)
        assert python == "python"
        run([sys.executable, *words], tree)

"""What the documentation names exists, and its recipes work."""

import ast
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from worlds.tiny_fmriprep import write_events

from bidsmask.cli.main import main
from bidsmask.cli.parser import build_parser
from bidsmask.columns.coverage import STATUSES
from bidsmask.derivatives.quality import QUALITY_COLUMNS
from bidsmask.derivatives.sidecars import COVERAGE_COLUMNS, outlier_columns, quality_columns
from bidsmask.numerics.censoring import CensoringParameters
from bidsmask.numerics.connectivity.measures import MEASURES
from bidsmask.vocabulary import MAPS_STATISTICS, MAPS_STATS, STATISTICS

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


# Architecture: what it names exists, and nothing is missing on the map

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "bidsmask"


def ticked(text):
    """What stands between backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def rooms():
    """Every folder and module at the top of the package."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    return folders | modules


def defined():
    """Names of classes, functions, methods, fields and values anywhere in the package."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
    return names


def lookup(dotted):
    """Find what a dotted name below the package leads to."""
    parts = dotted.split(".")
    for n in range(len(parts), 0, -1):
        place = PACKAGE.joinpath(*parts[:n])
        if place.is_dir() or place.with_suffix(".py").is_file():
            found = importlib.import_module(".".join(["bidsmask", *parts[:n]]))
            for part in parts[n:]:
                found = getattr(found, part)
            return found
    raise AttributeError(dotted)


def test_every_dotted_name_on_the_map_leads_to_something():
    dotted = [word for word in ticked(ARCHITECTURE) if word.split(".")[0] in rooms()]
    dotted = [word for word in dotted if "." in word and not word.endswith(".py")]
    assert len(dotted) > 50
    for word in dotted:
        assert lookup(word) is not None


def test_every_path_on_the_map_leads_to_a_file():
    paths = [
        word
        for word in ticked(ARCHITECTURE)
        if word.endswith((".py", ".toml", ".yaml")) or re.fullmatch(r"[a-z]{2,}(/[a-z]+)+", word)
    ]
    assert len(paths) > 20
    for word in paths:
        assert (PACKAGE / word).exists() or (ROOT / word).exists(), word


def test_every_bare_name_on_the_map_is_defined_somewhere():
    known = defined() | rooms()
    bare = [word for word in ticked(ARCHITECTURE) if re.fullmatch(r"[A-Za-z_]+", word)]
    of_python = {"repr"}
    assert set(bare) - known - of_python == set()


def test_every_room_is_on_the_map_and_no_other():
    _, _, after = ARCHITECTURE.partition("## Rooms")
    table, _, _ = after.partition("\n## ")
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == rooms()


def test_directions_on_the_map_are_those_that_are_checked():
    _, _, after = ARCHITECTURE.partition("## Directions")
    drawn = re.search(r"```\n(.*?)```", after, re.DOTALL)[1].splitlines()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each["type"] == "layers"]
    assert drawn == [layer.replace("bidsmask.", "") for layer in layers]


def test_modules_that_read_clock_or_environment_are_those_on_the_map():
    _, _, after = ARCHITECTURE.partition("## What never gets into a result")
    listed = set(
        re.findall(r"^- `([\w.]+)`", after.partition("**The network.**")[0], re.MULTILINE)
    )
    reads = re.compile(r"\bos\.environ|\bos\.getenv|\btime\.\w+\(|\bdatetime\.now|perf_counter")
    draws = re.compile(r"\brandom\b")
    found = set()
    for path in PACKAGE.rglob("*.py"):
        code = code_of(path)
        if reads.search(code):
            found.add(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
        place = path.relative_to(PACKAGE)
        if place.parts[0] != "demo" and place.as_posix() != "numerics/chance.py":
            assert not draws.search(code), path
    assert found == listed


def code_of(path):
    """Source of a module without its comments and texts."""
    return ast.unparse(_Silent().visit(ast.parse(path.read_text(encoding="utf-8"))))


class _Silent(ast.NodeTransformer):
    def visit_Constant(self, node):
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node):
        return ast.Constant("")


# Outputs: files are those that are written, columns and labels those that the code has

OUTPUTS = ROOT / "docs" / "outputs.md"


def rows(*cells):
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def described(columns):
    pairs = ((name, said) for name, said in columns.items() if isinstance(said, dict))
    return rows(
        ("column", "meaning", "unit"),
        ("---", "---", "---"),
        *((f"`{name}`", said["Description"], said.get("Units", "")) for name, said in pairs),
    )


def tables_of_outputs():
    """What stands between the marks of docs/outputs.md."""
    statistics = {label: name.replace("_", " ") for label, name in STATISTICS.items()}
    maps = {MAPS_STATS[word]: f"{word} (maps)" for word in MAPS_STATISTICS}
    measures = [
        (
            f"`{label}`",
            f"Fisher's z: {each.description}" if label == each.z_stat else each.description,
        )
        for each in MEASURES.values()
        for label in (each.stat, each.z_stat)
        if label
    ]
    flags = (
        "non_steady_state",
        "framewise_displacement",
        "std_dvars",
        "dvars_percent",
        "leverage",
        "neighbour",
        "short_segment",
        "censored",
    )
    return {
        "statistics": rows(
            ("label", "what is taken over the covered voxels"),
            ("---", "---"),
            *((f"`{label}`", name) for label, name in (statistics | maps).items()),
        ),
        "measures": rows(("label", "relation"), ("---", "---"), *measures),
        "coverage": described(COVERAGE_COLUMNS),
        "statuses": rows(
            ("status", "meaning"),
            ("---", "---"),
            *((f"`{status}`", meaning) for status, meaning in STATUSES.items()),
        ),
        "quality": described(quality_columns(QUALITY_COLUMNS)),
        "outliers": described(outlier_columns(flags, CensoringParameters())),
    }


def between(text, mark):
    _, _, after = text.partition(f"<!-- {mark} -->\n")
    return after.partition("<!-- end -->")[0]


@pytest.mark.parametrize("mark", tables_of_outputs())
def test_columns_and_labels_are_described_as_in_the_outputs(mark):
    text = OUTPUTS.read_text(encoding="utf-8")
    assert between(text, mark) == tables_of_outputs()[mark]


@pytest.fixture(scope="module")
def everything(tmp_path_factory, small_dataset):
    """An output in which all is asked for that there is, of both levels."""
    out = tmp_path_factory.mktemp("everything") / "out"
    examples = ROOT / "descriptors" / "examples"
    raw = tmp_path_factory.mktemp("everything") / "raw"
    write_events(raw, "01", [(10, 2, "go"), (40, 2, "stop"), (70, 2, "go")])
    asked = {
        "--participant-label": ["01"],
        "--atlases": [str(small_dataset.atlas), "Halves_probseg"],
        "--datasets": [f"lab={examples / 'atlas'}", f"raw={raw}"],
        "--seeds": [str(examples / "seeds.tsv")],
        "--seed-radius": ["6"],
        "--statistic": ["median", "mean"],
        "--connectivity": list(MEASURES)[:2],
        "--network-means": [],
        "--edge-timeseries": ["all"],
        "--strategies": ["none", "24P"],
        "--min-dof": ["0"],
        "--resource-monitor": [],
        "--create-matrices": ["all", "1"],
        "--voxelwise": [],
        "--voxelwise-smoothing-fwhm": ["6"],
        "--seed-maps": [],
        "--alff": [],
        "--condition-means": [],
        "--beta-series": ["lss"],
    }
    words = [word for name in asked if name in options() for word in (name, *asked[name])]
    where = [str(small_dataset.root), str(out)]
    assert main([*where, "participant", *words]) == 0
    assert main([*where, "participant", *words, "--smoothing-fwhm", "4"]) == 0  # which replaces
    assert main([*where, "group", "--tangent"]) == 0
    return out


def options():
    return {name for action in build_parser()._actions for name in action.option_strings}


def rows_of_files():
    """Names of files in docs/outputs.md, and when they are there."""
    for line in OUTPUTS.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\| `([^`]*\.\w+)` \|(.*)\|$", line):
            yield found[1], set(re.findall(r"`(--[a-z-]+)`", found[2].split("|")[-1]))


def pattern(name):
    run = r"sub-[^/]*/(ses-[^/]*/)?func/sub-[0-9a-zA-Z]+(_[a-z]+-[0-9a-zA-Z+]+)*"
    pieces = {
        "<run>": run,
        "<acquisition>": run,
        "<source>": r"(atlas|seg)-[0-9a-zA-Z+]+(_(seg|scale)-[0-9a-zA-Z+]+)*",
        "<time>": "[0-9-]+",
        "<kind>": r"[a-z]+-[0-9a-zA-Z+]+(_[a-z]+-[0-9a-zA-Z+]+)*",
    }
    parts = re.split(r"(<\w+>)", name)
    return "".join(
        pieces.get(part, "[0-9a-zA-Z+]+") if part.startswith("<") else re.escape(part)
        for part in parts
    )


def test_every_file_that_is_written_is_in_the_list_and_no_other(everything):
    written = {path.relative_to(everything).as_posix() for path in everything.rglob("*")}
    files = {name for name in written if (everything / name).is_file()}
    files = {name for name in files if not name.startswith((".bidsmask/", "sub-01/figures/"))}
    found = set()
    for name, needed in rows_of_files():
        if needed and not needed & options():
            continue
        alike = {file for file in files if re.fullmatch(pattern(name), file)}
        assert alike, f"nothing is called {name}"
        found |= alike
    beside = {re.sub(r"\.(tsv|nii\.gz|md|html|h5)$", "", name) for name in found}
    left = {name for name in files - found if name.rpartition(".")[0] not in beside}
    assert left == set()


def test_columns_of_the_group_are_described_as_in_its_sidecar(everything):
    text = OUTPUTS.read_text(encoding="utf-8")
    names = ("coverage", "excluded", "attrition", "benchmark", "recommendation")
    for name in names:
        columns = json.loads((everything / f"group_{name}.json").read_text(encoding="utf-8"))
        of_tables = {key: said for key, said in columns.items() if not key.startswith("sub-")}
        assert between(text, f"group {name}") == described(of_tables)


def test_tables_have_the_columns_that_are_listed(everything):
    text = OUTPUTS.read_text(encoding="utf-8")
    for suffix, mark in (("*_stat-coverage_bold.tsv", "coverage"), ("*_qc.tsv", "quality")):
        for table in everything.rglob(suffix):
            header = table.read_text(encoding="utf-8").splitlines()[0].split("\t")
            if not table.name.startswith("group"):
                assert header == re.findall(r"^\| `(\w+)`", between(text, mark), re.MULTILINE)


# Differences from nilearn: those that are tested, in the words of the tests

DIFFERENCES = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
TESTED = (
    "maskers/test_differences.py",
    "dropin/test_choices.py",
    "maskers/test_surface_differences.py",
)


def sections_of_tests():
    """Title of each section of the tests, and the tests in it."""
    texts = ((ROOT / "tests" / file).read_text(encoding="utf-8") for file in TESTED)
    sections = [
        part
        for text in texts
        for part in re.split(r"^# (\d[\d, ]*)[.:] ", text, flags=re.MULTILINE)[1:]
    ]
    for content in sections[1::2]:
        comment = " ".join(re.findall(r"^#? ?(.*)$", content.partition("\n\n")[0], re.MULTILINE))
        title = re.split(r"[.:] ", comment + " ")[0]
        yield title[0].upper() + title[1:], re.findall(r"^def (test_\w+)", content, re.MULTILINE)


def test_every_difference_that_is_tested_is_told_under_its_title():
    told = re.split(r"^## ", DIFFERENCES, flags=re.MULTILINE)[1:]
    tested = list(sections_of_tests())
    assert len(told) == len(tested)
    for section, (title, tests) in zip(told, tested, strict=True):
        assert section.startswith(title)
        assert re.findall(r"`(test_\w+)`", section) == tests
        assert "| nilearn | bidsmask |" in section


# All pages

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        name, _, anchor = link.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


OF_OTHER_PROGRAMS = {
    *("--rm", "--network", "--read-only", "--containall", "--cleanenv"),
    *("--parsable", "--array", "--dependency", "--prefix", "--return-all-components"),
    *("--dist", "--cifti-output", "--output-spaces"),
}
OF_RECIPES = {"--global-std"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page):
    named = set(re.findall(r"(?<![-\w])(--[a-z][a-z-]+)", page.read_text(encoding="utf-8")))
    others = OF_OTHER_PROGRAMS | OF_RECIPES
    assert named - options() - others == set()


def test_pages_with_commands_are_those_of_which_they_are_carried_out():
    with_commands = {page.name for page in PAGES if "```bash" in page.read_text(encoding="utf-8")}
    of_groups = {"group.md", "group-statistics.md"}  # tests of the group level do these
    assert with_commands == {"README.md", "CONTRIBUTING.md", *of_groups}


@pytest.mark.slow
def test_pictures_are_what_the_demo_gives(demo_dataset, tmp_path):
    where = [str(demo_dataset.root), str(tmp_path), "participant", "--participant-label", "03"]
    assert main([*where, "--atlases", str(demo_dataset.atlas), "--strategies", "simple"]) == 0
    drawn = tmp_path / "sub-03" / "figures"
    for name, figure in (("atlas", "outline_dseg"), ("connectivity", "desc-simple_relmat")):
        (made,) = drawn.glob(f"*{figure}.svg")
        picture = ROOT / "docs" / "images" / f"{name}.svg"
        assert picture.stat().st_size < 150_000
        assert words_of(picture) == words_of(made)


def words_of(picture):
    return re.findall(r"<text[^>]*>([^<]*)<", picture.read_text(encoding="utf-8"))

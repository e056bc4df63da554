"""What SECURITY.md promises, promise by promise. All input is harmless."""

import ast
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import bidsmask
from bidsmask.cli.main import main
from bidsmask.demo import cubic_grid
from bidsmask.derivatives.manifest import read_manifest, remove_files_that_left, write_manifest

COARSE = cubic_grid((16, 19, 16), 10.0, (-74.0, -106.0, -66.0))
CODE = Path(bidsmask.__file__).parent
WATCHED = Path(__file__).parent / "watched"
CANARY = "hunter2-is-nobodys-password"
FORMULAS = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\uff1d1+1"]


@pytest.fixture(scope="module")
def original(tmp_path_factory, make_dataset):
    """One run. Copied, never changed."""
    return make_dataset(tmp_path_factory.mktemp("original"), volumes=40, grid=COARSE)


@pytest.fixture
def world(original, tmp_path):
    """A copy of it, and an atlas, seeds and a strategy in a folder of somebody's own."""
    shutil.copytree(original.root, tmp_path / "data" / "fmriprep")
    mine = tmp_path / "home" / "ada"
    mine.mkdir(parents=True)
    for path in (original.atlas, original.atlas_table):
        shutil.copy(path, mine)
    (mine / "seeds.tsv").write_text("name\tx\ty\tz\tradius\n=PCC\t0\t-52\t26\t12\n")
    (mine / "seeds.json").write_text('{"Space": "MNI152NLin2009cAsym"}')
    (mine / "odd.yaml").write_text(
        "name: odd\ndescription: '=1+1, as somebody calls it'\ncolumns:\n"
        "  - {label: motion, pattern: 'trans_[xyz]|rot_[xyz]'}\n"
    )
    return World(tmp_path, mine / original.atlas.name)


class World:
    def __init__(self, folder, atlas):
        self.folder, self.atlas, self.mine = folder, atlas, atlas.parent
        self.root, self.out = folder / "data" / "fmriprep", folder / "results" / "out"
        self.work, self.log = folder / "scratch" / "work", folder / "log"

    def words(self, *options):
        return [
            *(self.root, self.out, "participant", "--atlases", self.atlas, "-w", self.work),
            *("--seeds", self.mine / "seeds.tsv", *options),
        ]

    def bold(self):
        (path,) = self.root.rglob("*_desc-preproc_bold.nii.gz")
        return path


def watch(world, *arguments, **environment):
    """Run the command in a process of its own; what it and its workers did, by kind."""
    paths = [str(WATCHED), str(CODE.parent)]
    known = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "BIDSMASK_TEST_LOG": world.log}
    command = [sys.executable, "-m", "bidsmask", *map(str, arguments)]
    ended = subprocess.run(command, env=known | environment, capture_output=True, text=True)
    lines = [line.split("\t", 1) for line in world.log.read_text().splitlines()]
    return ended, {
        kind: [what for each, what in lines if each == kind]
        for kind in ("write", "network", "program")
    }


# Code that is never there


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (r"\bpickle\.loads?\(|\bcPickle|\bdill\b|joblib\.load", {"workflows/worker.py"}),
        (r"allow_pickle=True|read_pickle", set()),
        (r"yaml\.(load|full_load|unsafe_load)\(|yaml\.Loader", set()),
        (r"shell=True|os\.system\(|os\.popen\(|getoutput\(|\bsubprocess\b", set()),
        (r"\bexec\(|(?<!\.)\beval\(", {"images/arithmetic.py"}),  # the formula of math_img
        (r"autoescape=False", set()),
        (
            r"\burlopen\(|\brequests\.get|http\.client|\burllib\.request",
            {"dataset/templates.py"},
        ),  # what is missing
    ],
)
def test_what_runs_code_out_of_data_is_nowhere(pattern, allowed):
    found = {
        path.relative_to(CODE).as_posix()
        for path in CODE.rglob("*.*")
        if path.suffix in (".py", ".html", ".jinja") and re.search(pattern, path.read_text())
    }
    assert found == allowed


def test_a_strategy_that_would_run_code_is_refused(world, capsys):
    evil = world.mine / "evil.yaml"
    evil.write_text(f"name: !!python/object/apply:os.mkdir ['{world.folder / 'PWNED'}']\n")
    assert main([str(word) for word in world.words("--strategies", evil)]) == 2
    assert "evil.yaml" in capsys.readouterr().err
    assert not (world.folder / "PWNED").exists()


# Writing


@pytest.mark.parametrize("broken", [False, True], ids=["done", "failed"])
def test_nothing_is_written_elsewhere_no_address_is_asked_for_and_no_program_run(world, broken):
    if broken:
        content = world.bold().read_bytes()
        world.bold().write_bytes(content[: len(content) // 2])
    for arguments in (world.words(), [world.root, world.out, "group"], [world.out, "--check"]):
        ended, events = watch(world, *arguments)
        assert ended.returncode in ((1, 66, 0) if broken else (0,)), ended.stderr
    assert len(events["write"]) > 100
    allowed = (world.out, world.work, Path("/dev/null"), Path("/dev/shm"), Path("/proc/self"))
    strays = [
        path for path in map(Path, events["write"])
        if not any(path.is_relative_to(place) or place.is_relative_to(path) for place in allowed)
    ]  # fmt: skip
    temporary = Path(os.environ.get("TMPDIR", "/tmp"))
    assert [path for path in strays if path.parent.parent != temporary] == []
    assert events["network"] == []
    of_libraries = [what for what in events["program"] if "'mount'" in what or "'uname'" in what]
    others = [what for what in events["program"] if what not in of_libraries]
    assert [what for what in others if sys.executable not in what] == []


def test_whoever_writes_into_an_output_says_which_one():
    writers = {"write_bytes", "write_pieces", "write_text", "write_json", "write_table"}
    for path in CODE.rglob("*.py"):
        if path.is_relative_to(CODE / "demo") or path.name == "writing.py":
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in writers:
                assert "within" in {word.arg for word in call.keywords}, (path, call.lineno)


@pytest.mark.parametrize("name", ["../../home/ada/thesis.txt", "{}/home/ada/thesis.txt"])
def test_a_list_of_files_that_names_others_is_not_believed(world, name):
    thesis, other = world.mine / "thesis.txt", world.out / "a.txt"
    thesis.write_text("years of work")
    other.parent.mkdir(parents=True)
    other.write_text("")
    write_manifest(world.out, "sub-01", ["a.txt"])
    (path,) = (world.out / ".bidsmask" / "records").iterdir()
    content = json.loads(path.read_text())
    content["Outputs"][name.format(world.folder)] = (
        __import__("hashlib").sha256(thesis.read_bytes()).hexdigest()
    )
    path.write_text(json.dumps(content))
    remove_files_that_left(world.out, read_manifest(world.out, "sub-01"), [])
    assert thesis.exists()
    assert other.exists()


@pytest.mark.parametrize("label", ["../01", "..", "/etc", "01/../02", "*", "a_b", "a b", ""])
@pytest.mark.parametrize("level", ["participant", "group"])
def test_labels_are_labels(world, label, level):
    options = ["--participant-label", f"{label}", "-w", world.work]
    assert main([str(word) for word in (world.root, world.out, level, *options)]) in (2, 66)
    assert not world.out.exists()


@pytest.mark.parametrize("name", ["../evil", "a/b", "x_desc-y", "a b", ".."])
def test_the_name_of_a_strategy_is_a_label(world, name, capsys):
    text = (world.mine / "odd.yaml").read_text().replace("name: odd", f"name: '{name}'")
    (world.mine / "odd.yaml").write_text(text)
    words = world.words("--strategies", world.mine / "odd.yaml")
    assert main([str(word) for word in words]) == 2
    assert "letters, digits, +, _ and . only" in capsys.readouterr().err


# What files say


@pytest.fixture
def everything(world):
    """An output with an atlas of odd names, seeds, a strategy, warnings, and a group."""
    image = nib.load(world.atlas)
    table = next(path for path in world.mine.glob("*.tsv") if path.name != "seeds.tsv")
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    for row, name in zip(rows[1:], FORMULAS, strict=False):
        row[1] = f"{name}{row[0]}"
    rows.append(["4242", "in no voxel", *rows[1][2:]])
    table.write_text("".join("\t".join(row) + "\n" for row in rows))
    assert np.asarray(image.dataobj).max() < 4242
    for path in world.root.rglob("*boldref*"):
        path.unlink()
    options = ["--strategies", "simple", world.mine / "odd.yaml", "--seed-maps"]
    assert main([str(word) for word in world.words(*options)]) == 0
    assert main([str(word) for word in (world.root, world.out, "group")]) == 0
    return world


def results(world):
    """Files of the output but for its logs."""
    found = (path for path in sorted(world.out.rglob("*")) if path.is_file())
    return [path for path in found if path.relative_to(world.out).parts[0] != "logs"]


def test_no_cell_of_a_table_is_a_formula(everything):
    n_made_safe = 0
    for path in results(everything):
        if path.suffix != ".tsv":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            for cell in line.split("\t"):
                is_number = re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", cell)
                assert is_number or not cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d"))
                n_made_safe += cell.startswith("'")
    assert n_made_safe > 3 * len(FORMULAS)


def test_columns_made_safe_are_described_by_the_same_name(everything):
    for path in everything.out.rglob("*_timeseries.tsv"):
        header = path.read_text(encoding="utf-8").splitlines()[0].split("\t")
        assert set(header) <= json.loads(path.with_suffix(".json").read_text()).keys()


def test_no_table_and_no_sidecar_says_where_things_are_on_this_machine(everything):
    machine = str(everything.folder)
    warned = 0
    for path in results(everything):
        of_report = path.suffix == ".html" or path.parent.name == "figures"
        if path.suffix in (".json", ".tsv", ".md") and not of_report:
            text = path.read_text(encoding="utf-8")
            assert machine not in text, path
            warned += '"Warnings"' in text
    assert warned > 2
    (sidecar,) = everything.out.rglob("*atlas-*_dseg.json")
    about = json.loads(sidecar.read_text())["AtlasFile"]
    assert about["URI"] == f"file:{everything.atlas.name}"
    assert len(about["SHA256"]) == 64


def test_a_table_reads_back_with_its_apostrophes(everything):
    (path,) = everything.out.rglob("*atlas-*_dseg.tsv")
    names = pd.read_csv(path, sep="\t")["name"]
    assert names.iloc[0].startswith("'=1+1")


@pytest.mark.parametrize("plugin", [None, "Linear", "MultiProc"])
@pytest.mark.parametrize("broken", [False, True], ids=["done", "failed"])
def test_no_variable_of_the_environment_is_in_any_file(world, plugin, broken):
    if broken:
        content = world.bold().read_bytes()
        world.bold().write_bytes(content[: len(content) // 2])
    options = ["-vv"]
    if plugin:
        (world.mine / "plugin.yaml").write_text(f"plugin: {plugin}\n")
        options += ["--use-plugin", world.mine / "plugin.yaml"]
    ended, _ = watch(world, *world.words(*options), A_SECRET=CANARY)
    assert ended.returncode == int(broken), ended.stderr
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b" and path.is_relative_to(world.work):
            content = gzip.decompress(content)
        assert CANARY.encode() not in content, path


# The network


def test_without_downloads_no_address_is_asked_for(world):
    asked = ["--atlases", "Schaefer2018_seg-7n_scale-400", "--no-download", "-w", world.work]
    empty = str(world.folder / "templates")
    homes = {"TEMPLATEFLOW_HOME": empty, "XDG_CACHE_HOME": empty, "BIDSMASK_TEMPLATES": ""}
    ended, events = watch(world, world.root, world.out, "participant", *asked, **homes)
    assert ended.returncode == 2, ended.stderr
    assert "Schaefer2018" in ended.stderr
    assert events["network"] == []


def test_letters_in_tables_and_sidecars_do_not_say_it_either(world):
    (world.mine / "seeds.json").unlink()
    text = (world.mine / "odd.yaml").read_text().replace("trans_[xyz]|rot_[xyz]", "no_such_column")
    (world.mine / "odd.yaml").write_text(text)
    options = ["--strategies", "simple", world.mine / "odd.yaml"]
    assert main([str(word) for word in world.words(*options)]) == 1
    (table,) = world.out.rglob("*_qc.json")
    assert "no_such_column" in table.read_text() or "odd" in table.read_text()
    for path in world.out.glob("sub-01/func/*"):
        if path.suffix in (".json", ".tsv"):
            assert str(world.folder) not in path.read_text(encoding="utf-8"), path

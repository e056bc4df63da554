"""What other tools read about bidsmask is what its parser says, and the examples work."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bidsmask.cli.main import main
from bidsmask.cli.parser import build_parser

DESCRIPTORS = Path(__file__).parents[1] / "descriptors"
EXAMPLES = DESCRIPTORS / "examples"


def script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tool(name):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (pip install {name.replace('bosh', 'boutiques')})")
    return found


def said_by(*command, cwd=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def descriptor():
    return json.loads((DESCRIPTORS / "bidsmask.json").read_text())


def test_the_boutiques_descriptor_is_what_the_parser_says():
    made = script(DESCRIPTORS / "make_boutiques.py")
    for file in (made.FILE, DESCRIPTORS / "nipoppy" / "descriptor.json"):
        assert file.read_text() == made.text(), "run python descriptors/make_boutiques.py"


def test_the_completion_is_what_the_parser_says():
    made = script(DESCRIPTORS / "make_completion.py")
    assert made.FILE.read_text() == made.text(), "run python descriptors/make_completion.py"


def test_every_option_of_the_parser_can_be_set_through_boutiques(descriptor):
    flags = {item["command-line-flag"] for item in descriptor["inputs"] if not _positional(item)}
    known = {name for action in build_parser()._actions for name in action.option_strings}
    assert flags <= known
    for action in build_parser()._actions:
        if action.option_strings and action.dest not in ("help", "version", "demo"):
            assert flags & set(action.option_strings)


def _positional(item):
    return "command-line-flag" not in item


def test_every_exit_code_of_the_help_is_in_the_descriptor(descriptor):
    described = {error["code"] for error in descriptor["error-codes"]}
    text = build_parser().epilog.split("exit codes:")[1].split("interrupted")[0]
    in_help = {int(code) for code in re.findall(r"\b(\d+)\b", text)}
    assert described == in_help - {0, 130, 143}


def test_boutiques_accepts_the_descriptor_and_builds_the_command():
    bosh = tool("bosh")
    file = DESCRIPTORS / "bidsmask.json"
    assert "OK" in said_by(bosh, "validate", str(file))
    said = said_by(bosh, "exec", "simulate", str(file), "-i", str(EXAMPLES / "invocation.json"))
    words = said.splitlines()[-1].split()
    assert words[:4] == ["bidsmask", "fmriprep", "bidsmask", "participant"]
    assert words[words.index("--strategies") + 1 :][:2] == ["36P", "simple"]


def test_boutiques_launches_the_image_for_real(tmp_path, make_dataset, descriptor):
    bosh = tool("bosh")
    tested = os.environ.get("BIDSMASK_IMAGE")
    if not tested:
        pytest.skip("BIDSMASK_IMAGE is not set (bash .ci/container builds the image)")
    said_by("docker", "tag", tested, descriptor["container-image"]["image"])
    dataset = make_dataset(tmp_path)
    invocation = json.loads((EXAMPLES / "invocation.json").read_text())
    invocation |= {
        "bids_dir": str(dataset.root.relative_to(tmp_path)),
        "atlases": [str(dataset.atlas.relative_to(tmp_path))],
        "strategies": ["simple"],
    }
    del invocation["high_pass"]
    (tmp_path / "invocation.json").write_text(json.dumps(invocation))
    words = ("exec", "launch", str(DESCRIPTORS / "bidsmask.json"), "invocation.json")
    said_by(bosh, *words, cwd=tmp_path)
    assert (tmp_path / "bidsmask" / "sub-01.html").exists()


def test_nipoppy_accepts_the_pipeline():
    said = said_by(tool("nipoppy"), "pipeline", "validate", str(DESCRIPTORS / "nipoppy"))
    assert "valid" in said


def test_nipoppys_invocation_uses_inputs_that_exist(descriptor):
    text = re.sub(
        r"^//.*", "", (DESCRIPTORS / "nipoppy" / "invocation.json5").read_text(), flags=re.M
    )
    assert set(json.loads(text)) <= {item["id"] for item in descriptor["inputs"]}


def test_babs_gives_options_that_exist():
    config = yaml.safe_load((DESCRIPTORS / "babs" / "bidsmask.yaml").read_text())
    options = config["bids_app_args"]
    named = {options.pop("$SUBJECT_SELECTION_FLAG"), *options}
    known = {name for action in build_parser()._actions for name in action.option_strings}
    assert named <= known
    words = [word for flag, value in options.items() for word in (flag, *value.split())]
    parsed = build_parser().parse_args(
        ["in", "out", "participant", *words, "--participant-label", "sub-01"]
    )
    assert parsed.participants == ["sub-01"]


def test_the_example_atlas_is_what_its_script_writes(tmp_path):
    script(EXAMPLES / "make_atlas.py").write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in _files(tmp_path)}
    kept = {
        path.relative_to(EXAMPLES / "atlas"): path.read_bytes()
        for path in _files(EXAMPLES / "atlas")
    }
    assert sorted(made) == sorted(kept)
    assert all(kept[name] == text for name, text in made.items() if name.suffix != ".gz")


def _files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_examples_work_together(small_dataset, tmp_path):
    words = ["--participant-label", "01", "--datasets", f"halves={EXAMPLES / 'atlas'}"]
    words += ["--atlases", "Halves", "--strategies", str(EXAMPLES / "strategy.yaml")]
    words += ["--bids-filter-file", str(EXAMPLES / "bids_filter.json")]
    words += ["--nipype-plugin-file", str(DESCRIPTORS / "nipype" / "multiproc.yaml")]
    assert main([str(small_dataset.root), str(tmp_path), "participant", *words]) == 0
    (table,) = tmp_path.rglob("*_atlas-Halves_stat-mean_desc-gentle_timeseries.tsv")
    assert table.read_text().splitlines()[0] == "Left\tRight"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--strategies 36P sim", ["simple", "simple+gsr"]),
        ("--hig", ["--high-pass"]),
        ("--standardize z", ["zscore"]),
        ("", ["participant", "group"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_offers_what_can_follow(shell, words, expected):
    tool(shell)
    line = ["bidsmask", "in", "out", *(["participant", *words.split()] if words else [""])]
    quoted = " ".join(f"'{word}'" for word in line)
    offset = len(line) - 1
    source = DESCRIPTORS / "completion" / "bidsmask.bash"
    code = f"COMP_WORDS=({quoted}); COMP_CWORD={offset}; _bidsmask; echo ${{COMPREPLY[@]}}"
    if shell == "zsh":  # as zsh calls it
        code = f"t() {{ emulate -L sh; setopt kshglob noshglob braceexpand; {code}; }}; t"
    said = said_by(shell, "-c", f". {source}; {code}").split()
    # zsh leaves out by itself what does not begin with the word
    assert [word for word in said if word.startswith(line[-1])] == expected


def test_the_table_of_options_in_the_readme_is_what_the_parser_says():
    made = script(DESCRIPTORS / "make_options.py")
    readme = (DESCRIPTORS.parent / "README.md").read_text()
    if made.START not in readme:
        pytest.skip("the README has no table of options yet")
    between = readme.split(made.START)[1].split(made.END)[0].strip()
    assert between == made.table(), "run python descriptors/make_options.py"

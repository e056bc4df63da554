import json
import subprocess
import sys
from pathlib import Path

import pytest

from bidsmask.cli.parser import build_parser, parse
from bidsmask.errors import SettingsError
from bidsmask.settings import Settings, read_toml, to_toml

BASIC = ["/in", "/out", "participant"]


def settings_of(*options: str) -> Settings:
    settings = parse([*BASIC, *options]).settings
    assert isinstance(settings, Settings)
    return settings


def test_defaults_do_the_right_thing():
    settings = settings_of()
    assert settings.atlases == ("Schaefer2018_seg-7n_scale-400",)
    assert settings.cleaning.strategies == ("simple",)
    assert settings.extraction.statistics == ("mean",)
    assert settings.coverage.min_coverage == 0.5
    assert settings.connectivity.measures == ("correlation",)
    assert settings.execution.download


@pytest.mark.parametrize(
    ("options", "section", "field", "expected"),
    [
        (["--participant-label", "sub-01", "02"], "selection", "subjects", ("01", "02")),
        (["--participant_label", "01"], "selection", "subjects", ("01",)),
        (["--session-id", "pre"], "selection", "sessions", ("pre",)),
        (["--session_label", "pre"], "selection", "sessions", ("pre",)),
        (["-t", "rest", "nback"], "selection", "tasks", ("rest", "nback")),
        (["--run-id", "1"], "selection", "runs", ("1",)),
        (["--space", "T1w"], "selection", "spaces", ("T1w",)),
        (["--atlases", "a", "b"], "extraction", "atlases", ("a", "b")),
        (["--min_coverage", "0.2"], "coverage", "min_coverage", 0.2),
        (["--smoothing-fwhm", "6"], "extraction", "smoothing_fwhm_mm", 6.0),
        (["--statistic", "median"], "extraction", "statistics", ("median",)),
        (["--statistic", "std", "mean"], "extraction", "statistics", ("std", "mean")),
        (["--strategies", "36P", "none"], "cleaning", "strategies", ("36P", "none")),
        (["--high-pass", "0.01"], "cleaning", "high_pass_hz", 0.01),
        (["--high-pass", "none"], "cleaning", "high_pass_hz", "none"),
        (["--connectivity", "precision"], "connectivity", "measures", ("precision",)),
        (["--fisher_z"], "connectivity", "fisher_z", True),
        (["--no-detrend"], "cleaning", "detrend", False),
        (["--dummy-scans", "3"], "cleaning", "dummy_scans", 3),
        (["--dummy-scans", "auto"], "cleaning", "dummy_scans", "auto"),
        (["--fd-threshold", "0.5"], "cleaning", "fd_threshold_mm", 0.5),
        (["--censor-output", "drop"], "output", "censor_output", "drop"),
        (["-w", "/scratch"], "execution", "work_dir", Path("/scratch")),
        (["--n_cpus", "8"], "execution", "nprocs", 8),
        (["--nthreads", "8"], "execution", "nprocs", 8),
        (["--mem", "16G"], "execution", "mem_gb", 16.0),
        (["--mem-mb", "8000"], "execution", "mem_gb", 8.0),
        (["--mem_gb", "8"], "execution", "mem_gb", 8.0),
        (["--no-download"], "execution", "download", False),
        (["-vv"], "execution", "verbose", 2),
    ],
)
def test_every_spelling_of_an_option_arrives(options, section, field, expected):
    assert getattr(getattr(settings_of(*options), section), field) == expected


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["/in", "/out"], "analysis_level is missing"),
        (["/in", "/out", "subject"], "participant or group"),
        ([*BASIC, "--frobnicate"], "frobnicate"),
        ([*BASIC, "--partic", "01"], "partic"),
        ([*BASIC, "--min-coverage", "1.5"], "between 0 and 1"),
        ([*BASIC, "--smoothing-fwhm", "-1"], "width in mm from 0"),
        ([*BASIC, "--smoothing-fwhm", "inf"], "width in mm from 0"),
        ([*BASIC, "--statistic", "mode"], "mean"),
        ([*BASIC, "--statistic", "mean", "mean"], "names 'mean' twice"),
        ([*BASIC, "--fisher-z", "--connectivity", "covariance"], "asks for none of them"),
        ([*BASIC, "--nprocs", "0"], "1 or more"),
        ([*BASIC, "--mem", "lots"], "8G"),
        ([*BASIC, "--high-pass", "-1"], "above zero"),
        ([*BASIC, "-d", "atlases"], "NAME=PATH"),
        ([*BASIC, "--connectivity", "magic"], "magic"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_with_a_letter(argv, message):
    with pytest.raises(SettingsError, match=message):
        parse(argv)


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (["--atlas", "a.nii"], "--atlases"),
        (["--partic", "01"], "--participant-label"),
        (["--fd-treshold=0.5"], "--fd-threshold"),
        (["--connectivity", "correl-ation"], "correlation"),
        (["--filter", "butterwort"], "butterworth"),
    ],
)
def test_who_misspells_is_told_what_was_meant(options, meant):
    with pytest.raises(SettingsError, match=rf"Did you mean '{meant}'\? See"):
        parse([*BASIC, *options])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--n_cpus", "0"], "--n_cpus must be"),
        (["--nthreads", "x"], "--nthreads: expected a whole number, found 'x'"),
        (["--mem-gb", "lots"], "--mem-gb: expected a size"),
        (["--high_pass", "-1"], "--high_pass must be above zero"),
        (["--min_coverage=2"], "--min_coverage is a share"),
        (["--participant_label"], "--participant_label: expected at least one"),
    ],
)
def test_an_option_is_called_as_it_was_typed(options, name):
    with pytest.raises(SettingsError) as caught:
        parse([*BASIC, *options])
    assert str(caught.value).startswith(name)


def test_a_misspelt_line_of_a_settings_file_is_told_what_was_meant(tmp_path):
    path = tmp_path / "bidsmask.toml"
    path.write_text("[cleaning]\nfd_treshold_mm = 0.5\n")
    with pytest.raises(SettingsError, match="Did you mean 'fd_threshold_mm'"):
        settings_of("--config-file", str(path))


def test_settings_survive_a_round_trip_through_toml(tmp_path):
    filters = tmp_path / "filter.json"
    filters.write_text(json.dumps({"bold": {"acquisition": None, "run": [1, 2]}}))
    settings = settings_of(
        *("--participant-label", "01", "--bids-filter-file", str(filters)),
        *("--high-pass", "none", "--fd-threshold", "0.5", "--strategies", "36P", "simple"),
        *("-w", "/scratch", "--mem", "4G", "-d", "atlases=/atlases", "--no-detrend"),
        *("--statistic", "median", "std", "--fisher-z", "--min-coverage", "0.3"),
    )
    path = tmp_path / "bidsmask.toml"
    path.write_text(to_toml(settings))
    assert settings_of("--config-file", str(path)) == settings


def test_the_command_line_overrules_the_settings_file(tmp_path):
    path = tmp_path / "bidsmask.toml"
    path.write_text('[cleaning]\nstrategies = ["36P"]\n[output]\ncensor_output = "drop"\n')
    settings = settings_of("--config-file", str(path), "--strategies", "24P")
    assert settings.cleaning.strategies == ("24P",)
    assert settings.output.censor_output == "drop"


def test_one_word_in_a_settings_file_is_a_list_of_one(tmp_path):
    path = tmp_path / "bidsmask.toml"
    path.write_text('[extraction]\nstatistics = "median"\n')
    assert settings_of("--config-file", str(path)).extraction.statistics == ("median",)


def test_what_is_looked_up_is_no_part_of_what_results_are_compared_by():
    plain = settings_of()
    other = settings_of("--atlases", "a", "--strategies", "36P", "--fd-threshold", "0.5")
    assert repr(other.extraction) == repr(plain.extraction)
    assert repr(other.cleaning) == repr(plain.cleaning)
    assert repr(settings_of("--censor-output", "drop").output) != repr(plain.output)


@pytest.mark.parametrize("text", ["[cleaning]\nfrobnicate = 1\n", "[frobnicate]\n", "= 1"])
def test_an_unknown_key_in_a_settings_file_is_refused(tmp_path, text):
    path = tmp_path / "bidsmask.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"bidsmask\.toml"):
        read_toml(path)


def test_help_shows_dashed_names_and_imports_nothing_heavy():
    assert "participant_label" not in build_parser().format_help()
    code = (
        "import sys; from bidsmask.cli.parser import build_parser; build_parser().format_help();"
        "heavy = {'numpy', 'pandas', 'nibabel', 'nipype', 'bids', 'scipy', 'rich', 'yaml'};"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

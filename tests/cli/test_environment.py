"""Every library finds a place to live, wherever bidsmask runs."""

import atexit
import os
from pathlib import Path

import pytest

from bidsmask.cli import environment
from bidsmask.cli.environment import prepare
from bidsmask.errors import OutputError


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def no_tmp(monkeypatch):
    """No usual folder for temporary files can be used; nothing is left to be removed at exit."""
    monkeypatch.setattr(environment, "_USUAL_TEMPORARY_FOLDERS", ())
    monkeypatch.setattr(atexit, "register", lambda *_, **__: None)


def prepared(scratch, **variables):
    environ = dict(variables)
    prepare(scratch, environ=environ)
    return environ


def test_a_home_of_use_is_left_alone(home, tmp_path):
    environ = prepared(tmp_path / "work", HOME=str(home))
    assert environ["HOME"] == str(home)
    assert not {"MPLCONFIGDIR", "XDG_CACHE_HOME", "TEMPLATEFLOW_HOME"} & set(environ)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("useless", [None, "", "/", "/nonexistent/home", "/etc/passwd"])
def test_a_home_of_no_use_is_replaced_with_all_that_lies_in_it(useless, tmp_path):
    variables = {} if useless is None else {"HOME": useless}
    environ = prepared(tmp_path / "work", **variables)
    names = ("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    assert all(environ[name].startswith(str(tmp_path / "work" / "home")) for name in names)


def test_preparing_twice_changes_nothing(tmp_path):
    environ = prepared(tmp_path / "work")
    again = dict(environ)
    prepare(tmp_path / "work", environ=again)
    assert again == environ


def test_a_cache_that_cannot_be_made_moves_into_the_home(home, tmp_path):
    environ = prepared(tmp_path, HOME=str(home), XDG_CACHE_HOME="/etc/passwd/cache")
    assert environ["XDG_CACHE_HOME"] == str(home / ".cache")


def test_a_cache_that_can_be_made_stays(home, tmp_path):
    environ = prepared(tmp_path / "work", HOME=str(home), MPLCONFIGDIR=str(tmp_path / "a" / "b"))
    assert environ["MPLCONFIGDIR"] == str(tmp_path / "a" / "b")


def test_templates_in_a_home_that_is_read_only_are_still_found(home, tmp_path, monkeypatch):
    templates = home / ".cache" / "templateflow"
    templates.mkdir(parents=True)
    monkeypatch.setattr(environment, "_is_writable", lambda folder: folder != home)
    environ = prepared(tmp_path / "work", HOME=str(home))
    assert environ["HOME"] == str(tmp_path / "work" / "home")
    assert environ["TEMPLATEFLOW_HOME"] == str(templates)


def test_the_templates_a_user_named_stay(tmp_path):
    environ = prepared(tmp_path / "work", TEMPLATEFLOW_HOME="/somewhere")
    assert environ["TEMPLATEFLOW_HOME"] == "/somewhere"


def test_the_users_temporary_folder_is_used(home, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_SOCKET_NAME_LENGTH", 1000)
    assert prepared(tmp_path, HOME=str(home), TMPDIR=str(home))["TMPDIR"] == str(home)


@pytest.mark.usefixtures("no_tmp")
def test_without_one_it_is_beside_the_work_folder_and_is_not_shared(home, tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_SOCKET_NAME_LENGTH", 1000)
    folders = [Path(prepared(tmp_path / "work", HOME=str(home))["TMPDIR"]) for _ in range(2)]
    assert all(folder.is_dir() and folder.parent == tmp_path for folder in folders)
    assert folders[0] != folders[1]


@pytest.mark.usefixtures("no_tmp")
def test_a_work_folder_with_a_name_too_long_for_a_socket_is_not_chosen(home, tmp_path):
    scratch = tmp_path / ("x" * 100)
    folder = Path(prepared(scratch / "work", HOME=str(home), TMPDIR=str(scratch))["TMPDIR"])
    folder.rmdir()
    assert folder.parent == Path("/dev/shm")


@pytest.mark.usefixtures("no_tmp")
def test_a_work_folder_that_cannot_be_made_is_an_error_with_advice():
    with pytest.raises(OutputError, match=r"/proc.*-w"):
        prepare(Path("/proc/work"), environ={})


def test_threads_are_limited_and_nothing_calls_home(home, tmp_path):
    environ = {"HOME": str(home), "OMP_NUM_THREADS": "64"}
    prepare(tmp_path, threads=2, environ=environ)
    assert {environ[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")} == {"2"}
    assert environ["NO_ET"] == environ["NIPYPE_NO_ET"] == "1"


def test_a_user_without_a_name_gets_a_number(home, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert prepared(tmp_path, HOME=str(home))["LOGNAME"] == "987654"


@pytest.mark.parametrize(
    ("cpu", "kernel"),
    [("flags\t\t: fpu avx avx2 fma\n", "Haswell"), ("flags\t\t: fpu avx\n", None)],
)
def test_one_kernel_computes_on_all_processors_that_can(cpu, kernel, home, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{cpu}")
    monkeypatch.setattr(environment, "_CPU_INFO", tmp_path / "cpuinfo")
    assert prepared(tmp_path, HOME=str(home)).get("OPENBLAS_CORETYPE") == kernel


def test_the_kernel_is_the_users_choice(home, tmp_path):
    environ = prepared(tmp_path, HOME=str(home), OPENBLAS_CORETYPE="SkylakeX")
    assert environ["OPENBLAS_CORETYPE"] == "SkylakeX"

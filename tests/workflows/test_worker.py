"""Workers and their server: who is used again, who dies with whom."""

import os
import signal
import time

import pytest

from bidsmask.errors import SettingsError, WorkerError
from bidsmask.workflows import worker
from bidsmask.workflows.worker import Server, ServerDiedError, apart

PATIENCE_S = 20


def tell_pid(path):
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(worker, "_IDLE_SECONDS", PATIENCE_S)
    server = Server(forked=True)
    yield server
    server.close()


@pytest.fixture
def start(server, tmp_path):
    def start(number, what):
        server.start(number, _Told(what, tmp_path / "pids"), updatehash=False, cwd="/", level=0)

    return start


class _Told:
    def __init__(self, what, diary):
        self.what, self.diary = what, diary

    def run(self, updatehash):
        tell_pid(self.diary)
        DEEDS[self.what]()


def _fail():
    raise ValueError("no")


DEEDS = {
    "well": lambda: None,
    "fail": _fail,
    "die": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "exit": lambda: os._exit(3),
    "sleep": lambda: time.sleep(60),
}


def heard(server):
    (report,) = server.reports(timeout=PATIENCE_S)
    return report


def pids(tmp_path):
    return [int(line) for line in (tmp_path / "pids").read_text().split()]


def wait_for(condition):
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_takes_one_task_after_the_other(server, start, tmp_path):
    for number in range(3):
        start(number, "well")
        report = heard(server)
        assert (report.number, report.traceback, report.exit_code) == (number, None, None)
    assert len(set(pids(tmp_path))) == 1


def test_tasks_side_by_side_have_workers_of_their_own(server, start, tmp_path):
    start(1, "sleep")
    start(2, "well")
    assert heard(server).number == 2
    wait_for(lambda: len(set(pids(tmp_path))) == 2)


@pytest.mark.parametrize(
    ("what", "exit_code"), [("fail", None), ("die", -signal.SIGTERM), ("exit", 3)]
)
def test_a_failure_is_told_and_ends_its_worker(server, start, tmp_path, what, exit_code):
    start(1, what)
    report = heard(server)
    assert report.exit_code == exit_code
    assert (report.traceback is None) == (what != "fail")
    start(2, "well")
    assert heard(server).is_good
    first, second = pids(tmp_path)
    assert first != second
    assert is_gone(first)


def test_closing_ends_the_workers_that_run(server, start, tmp_path):
    start(1, "sleep")
    wait_for((tmp_path / "pids").exists)
    wait_for(lambda: pids(tmp_path))
    server.close()
    assert not server.is_open
    assert is_gone(pids(tmp_path)[0])


def test_a_server_that_dies_is_noticed_and_takes_its_workers_along(server, start, tmp_path):
    start(1, "sleep")
    wait_for((tmp_path / "pids").exists)
    wait_for(lambda: pids(tmp_path))
    os.kill(server._pid, signal.SIGKILL)
    with pytest.raises(ServerDiedError):
        server.reports(timeout=PATIENCE_S)
    assert not server.is_open
    wait_for(lambda: is_gone(pids(tmp_path)[0]))


def test_a_worker_that_has_nothing_to_do_ends_and_the_next_task_has_another(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.05)
    hasty = Server(forked=True)
    told = _Told("well", tmp_path / "pids")
    for number in range(2):
        hasty.start(number, told, updatehash=False, cwd="/", level=0)
        assert heard(hasty).is_good
        wait_for(lambda: is_gone(pids(tmp_path)[-1]))
    hasty.close()
    assert len(set(pids(tmp_path))) == 2


def test_what_is_done_apart_gives_its_result_and_leaves_nothing():
    assert apart(os.getpid) != os.getpid()
    assert apart(divmod, 7, 2) == (3, 1)


def _letter(text):
    raise SettingsError(text)


def test_what_fails_apart_fails_here_and_says_where():
    with pytest.raises(SettingsError) as caught:
        apart(_letter, "no such space")
    assert str(caught.value) == "no such space"
    assert "in _letter" in caught.value.__notes__[0]


def test_a_death_apart_is_told():
    with pytest.raises(WorkerError, match="died"):
        apart(os._exit, 3)

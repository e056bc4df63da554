"""Death at any moment: of a whole job, its main process, a worker; and being asked to end."""

import os
import random
import signal
import subprocess
import time

import pytest

SOON_S = 10.0


def test_a_job_that_is_killed_at_any_moment_can_be_finished(again, recovers, undisturbed, often):
    _, took_s = undisturbed
    moments = random.Random(0)
    for trial in range(often(2, 100)):
        job = again()
        seconds = moments.uniform(0.3, 1.0) * took_s
        process = job.start()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            (os.kill if trial % 2 else os.killpg)(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        recovers(job, f"killed after {seconds:.2f} of {took_s:.2f} s")


@pytest.mark.parametrize(
    ("what", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["Ctrl-C", "terminated"],
)
def test_a_job_that_is_asked_to_end_does_so_soon_and_says_how_to_go_on(
    again, recovers, undisturbed, often, what, exit_code
):
    _, took_s = undisturbed
    moments = random.Random(int(what))
    for _ in range(often(1, 20)):
        job = again()
        seconds = moments.uniform(0.5, 0.9) * took_s
        process = job.start()
        time.sleep(seconds)
        process.send_signal(what)
        asked = time.monotonic()
        _, said = process.communicate(timeout=60)
        if process.returncode == 0:
            continue  # it had ended
        assert time.monotonic() - asked < SOON_S
        assert process.returncode == exit_code, said
        assert "Traceback" not in said
        assert "Run the same command again to finish." in said
        recovers(job, f"{what.name} after {seconds:.2f} s")


def test_who_is_asked_twice_ends_at_once(again, recovers, undisturbed, often):
    _, took_s = undisturbed
    moments = random.Random(2)
    for _ in range(often(1, 20)):
        job = again()
        process = job.start()
        time.sleep(moments.uniform(0.5, 0.9) * took_s)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
            time.sleep(moments.uniform(0.0, 0.1))
        _, said = process.communicate(timeout=60)
        assert process.returncode in (0, 130), said
        assert "Traceback" not in said
        recovers(job, "asked twice")


def test_a_worker_that_dies_once_costs_nothing_and_twice_its_run(again, recovers):
    job = again()
    exit_code, said = job.run("die", 1)
    assert exit_code == 0, said
    job = again()
    exit_code, said = job.run("die", 2)
    assert exit_code == 1, said
    assert "died twice (signal SIGKILL)" in said
    assert "1 of 2 runs done" in said
    recovers(job, "died twice")

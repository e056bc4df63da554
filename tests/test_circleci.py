"""What the schema of CircleCI does not check: that names lead somewhere."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / ".circleci" / "config.yml").read_text())
BUILT_IN = {"checkout", "store_artifacts", "store_test_results", "run"}


def scheduled():
    """Every job of every workflow: workflow, name of the job, what is said of it."""
    for workflow, content in CONFIG["workflows"].items():
        for entry in content["jobs"]:
            job, said = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
            yield workflow, job, said


def known_as(job, said):
    return said.get("matrix", {}).get("alias") or said.get("name") or job


def steps():
    return [step for job in CONFIG["jobs"].values() for step in job["steps"]]


def test_every_job_that_a_workflow_names_is_defined_and_every_job_is_used():
    assert {job for _, job, _ in scheduled()} == set(CONFIG["jobs"])


def test_every_job_that_another_waits_for_is_in_the_same_workflow():
    for workflow, _, said in scheduled():
        names = {known_as(job, other) for where, job, other in scheduled() if where == workflow}
        assert set(said.get("requires", [])) <= names


def test_a_job_waits_only_for_jobs_that_run_for_tags_when_it_does():
    for workflow, _, said in scheduled():
        if "tags" not in said.get("filters", {}):
            continue
        for where, job, other in scheduled():
            if where == workflow and known_as(job, other) in said.get("requires", []):
                assert other["filters"]["tags"]["only"] == "/.*/"


def test_every_executor_is_defined():
    for job in CONFIG["jobs"].values():
        executor = job["executor"]
        assert (executor if isinstance(executor, str) else executor["name"]) in CONFIG["executors"]


def test_jobs_are_given_the_parameters_that_they_take():
    for _, job, said in scheduled():
        given = set(said) | set(said.get("matrix", {}).get("parameters", {}))
        assert set(CONFIG["jobs"][job].get("parameters", {})) <= given


def test_every_kind_of_step_is_known():
    assert {step if isinstance(step, str) else next(iter(step)) for step in steps()} <= BUILT_IN


def test_every_script_is_there_and_can_be_executed():
    commands = [step["run"]["command"] for step in steps() if "run" in step]
    scripts = {name for command in commands for name in re.findall(r"\.c\w+/\w+", command)}
    assert len(scripts) >= 6
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script


def test_all_supported_pythons_are_tested():
    text = (ROOT / "pyproject.toml").read_text()
    supported = re.findall(r"Python :: (3\.\d+)", text)
    (matrix,) = [said["matrix"] for _, _, said in scheduled() if "matrix" in said]
    assert matrix["parameters"]["python"] == supported


def test_a_release_is_refused_under_a_tag_that_is_not_the_version():
    done = deploy("0.0.0")
    assert done.returncode == 1
    assert "0.0.0" in done.stderr


def test_a_release_publishes_the_package_and_the_image():
    from bidsmask import __version__

    said = deploy(__version__).stdout
    assert f"would run: docker push lab/bidsmask:{__version__}" in said
    assert "twine upload" in said


def deploy(tag):
    environ = {**os.environ, "DRY_RUN": "1", "DOCKER_IMAGE": "lab/bidsmask"}
    return subprocess.run(
        ["bash", str(ROOT / ".ci" / "deploy"), tag],
        capture_output=True, text=True, env=environ, check=False,
    )  # fmt: skip


def test_the_schema_accepts_the_configuration():
    if not shutil.which("check-jsonschema"):
        pytest.skip("check-jsonschema is not installed")
    done = subprocess.run(
        ["check-jsonschema", "--builtin-schema", "vendor.circle-ci", ".circleci/config.yml"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout

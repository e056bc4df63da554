"""Apptainer runs the Docker image, unprivileged, and gives the same bytes."""

import pytest

CLEAN = ("--containall", "--cleanenv", "--no-home")


@pytest.fixture(scope="module")
def contained(apptainer, data, run):
    """Run bidsmask in Apptainer with nothing of the machine but two folders."""
    command, sif = apptainer

    def start(output, *options, level, words=()):
        binds = ("-B", f"{data.root}/in:{data.root}/in:ro", "-B", f"{output}:{output}")
        return run(
            [command, "run", *CLEAN, *options, *binds, sif,
             data.bids_dir, output, level, *data.options, *words],
            cwd=data.root,
        )  # fmt: skip

    return start


@pytest.mark.parametrize("options", [(), ("--no-mount", "tmp")], ids=["clean", "without-tmp"])
def test_apptainer_gives_the_bytes_of_a_plain_install(options, contained, data, expected, same):
    output = data.output("apptainer-" + "-".join(options).strip("-"), "out")
    for level in ("participant", "group"):
        contained(output, *options, level=level)
    same(output, expected)


def test_the_version_is_there(apptainer, data, run):
    command, sif = apptainer
    said = run([command, "run", "--containall", sif, "--version"], cwd=data.root).stdout
    assert said.startswith("bidsmask ")

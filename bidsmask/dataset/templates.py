"""What TemplateFlow has: its folders on this machine, and the list that comes with its package.

The templateflow package holds an archive with the names of all its files and the content of
their look-up tables. It is read here without importing the package, for an import writes to the
user's cache folder. Only `download` imports it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import socket
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Literal, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

Kind = Literal["dseg", "probseg"]
"""What an image of an atlas holds: labels, or several maps of weights."""

_SERVER = "templateflow.s3.amazonaws.com"
_HTTPS_PORT, _PROXY_PORT = 443, 80
_PATIENCE_S = 1.5
"""So long to wait for the server's answer, before a download that would wait much longer."""

_LABEL = "[0-9a-zA-Z+]+"
_ON_MESHES = re.compile(r"\.surf\.gii$|_desc-vaavg_midthickness\.shape\.gii$")
_SCHAEFER = re.compile(r"(?P<scale>\d+)Parcels(?P<seg>\w+?)Networks")
_DIMENSIONS = re.compile(r"(?P<scale>\d+)dimensions")


def template_homes() -> tuple[Path, ...]:
    """Folders that may hold TemplateFlow files, the first one first; they need not exist.

    ``$TEMPLATEFLOW_HOME``, the cache folder that templateflow uses without it, and
    ``$BIDSMASK_TEMPLATES`` (files that came with a container). Nothing is written.
    """
    from platformdirs import user_cache_dir

    homes = [
        os.environ.get("TEMPLATEFLOW_HOME"),
        user_cache_dir("templateflow"),
        os.environ.get("BIDSMASK_TEMPLATES"),
    ]
    return tuple(dict.fromkeys(Path(home).absolute() for home in homes if home))


def entities_in(name: str) -> dict[str, str]:
    """Whatever in a file name looks like an entity; a user's file need not have a BIDS name.

    Examples
    --------
    >>> entities_in("tpl/tpl-MNI152NLin6Asym_my_res-02_rois.nii.gz")
    {'tpl': 'MNI152NLin6Asym', 'res': '02'}
    """
    stem = name.rpartition("/")[2].split(".")[0]
    parts = (part.partition("-") for part in stem.split("_"))
    return {
        key: label
        for key, dash, label in parts
        if dash and key.isalpha() and re.fullmatch(_LABEL, label)
    }


def identity(entities: Mapping[str, str]) -> dict[str, str]:
    """``atlas``, ``seg`` and ``scale`` of a file, whichever way they are spelled.

    Examples
    --------
    >>> identity({"atlas": "Schaefer2018", "desc": "400Parcels7Networks"})
    {'atlas': 'Schaefer2018', 'seg': '7n', 'scale': '400'}
    >>> identity({"atlas": "HOCPA", "desc": "th25"})
    {'atlas': 'HOCPA', 'seg': 'th25'}
    """
    spelled = {key: entities[key] for key in ("atlas", "seg", "scale") if key in entities}
    desc = entities.get("desc")
    if desc is None or "seg" in spelled or "scale" in spelled:
        return spelled
    if schaefer := _SCHAEFER.fullmatch(desc):
        return spelled | {"seg": f"{schaefer['seg']}n", "scale": schaefer["scale"]}
    if dimensions := _DIMENSIONS.fullmatch(desc):
        return spelled | {"scale": dimensions["scale"]}
    return spelled | {"seg": desc}


def space_of(entities: Mapping[str, str]) -> str | None:
    """Name the space of a file; a cohort is part of it (``MNIInfant+1``)."""
    space = entities.get("space", entities.get("tpl"))
    if space is not None and "cohort" in entities and "+" not in space:
        return f"{space}+{entities['cohort']}"
    return space


@functools.cache
def _archive() -> Path | None:
    """Where the archive of the installed templateflow package is."""
    spec = importlib.util.find_spec("templateflow")
    if spec is None or spec.origin is None:
        return None
    archive = Path(spec.origin).parent / "conf" / "templateflow-skel.zip"
    return archive if archive.is_file() else None


@functools.cache
def published() -> tuple[str, ...]:
    """List all segmentations, their tables and meshes, relative to TemplateFlow's root."""
    archive = _archive()
    if archive is None:
        return ()
    with zipfile.ZipFile(archive) as package:
        names = package.namelist()
    segmentation = re.compile(r"_(dseg|probseg)\.")
    wanted = (name for name in names if segmentation.search(name) or _ON_MESHES.search(name))
    return tuple(sorted(wanted))


def published_meshes(space: str, hemi: str) -> list[str]:
    """List the meshes of a hemisphere of a template, and the areas of their vertices."""
    surfaces = {name: entities_in(name) for name in published() if _ON_MESHES.search(name)}
    return [
        name
        for name, entities in surfaces.items()
        if (entities.get("tpl"), entities.get("hemi")) == (space, hemi)
    ]


def published_images(wanted: Mapping[str, str], kind: Kind) -> list[str]:
    """List the images of an atlas in all spaces, whether they are on this machine or not."""
    extensions = (f"_{kind}.nii.gz", f"_{kind}.label.gii")
    images = [name for name in published() if name.endswith(extensions)]
    return [name for name in images if identity(entities_in(name)) == wanted]


def published_tables(wanted: Mapping[str, str], kind: Kind, extension: str) -> list[str]:
    """List the tables of all templates that have an image of an atlas with this extension.

    Volumes and surfaces have other numbers for the same names.
    """
    images = [name for name in published_images(wanted, kind) if name.endswith(extension)]
    folders = {name.split("/")[0] for name in images}
    tables = [name for name in published() if name.endswith(f"_{kind}.tsv")]
    return [name for name in tables if name.split("/")[0] in folders]


class _PackagedFile(zipfile.Path):
    """A file inside of an archive, with what a reader of small files asks of a path."""

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=self.root.getinfo(self.at).file_size)


def packaged_table(name: str) -> Path:
    """Point to a table inside of the archive: its size and text can be read as those of a path."""
    return cast(Path, _PackagedFile(str(_archive()), name))


@functools.cache
def voxel_sizes(template: str) -> dict[str, tuple[float, ...]]:
    """Voxel sizes in mm of each ``res-`` of a template; empty where they are not known."""
    archive = _archive()
    description = f"tpl-{template}/template_description.json"
    if archive is None:
        return {}
    with zipfile.ZipFile(archive) as package:
        if description not in package.namelist():
            return {}
        resolutions = json.loads(package.read(description)).get("res", {})
    return {res: tuple(entry["zooms"]) for res, entry in resolutions.items() if "zooms" in entry}


def uri(file: Path) -> str | None:
    """Name a file by BIDS URI, if it is one of TemplateFlow under its own name."""
    name = "/".join(file.parts[-2:])
    name = name if name in published() else "/".join(file.parts[-3:])
    return f"bids:templateflow:{name}" if name in published() else None


def command(name: str) -> str:
    """Write the shell command that fetches a file."""
    query = _query(name)
    arguments = ", ".join(f"{key}={value!r}" for key, value in query.items() if key != "template")
    return (
        'python -c "from templateflow.api import get; '
        f'print(get({query["template"]!r}, {arguments}))"'
    )


def download(name: str) -> Path:
    """Let TemplateFlow's client fetch a file into its own folder.

    Raises
    ------
    OSError, RuntimeError, ValueError
        From the client: no network, no room, no such file.
    """
    fetched = _fetched(name)
    if isinstance(fetched, Exception):
        raise fetched
    return fetched


@functools.cache
def _fetched(name: str) -> Path | Exception:
    """Ask the client for a file, or say why it cannot be had; once, as many runs may want it.

    A proxy that refuses costs seconds each time.
    """
    try:
        _refuse_without_network()
        from templateflow.api import get

        answer = get(**_query(name))
    except (OSError, RuntimeError, ValueError) as error:
        return error
    files = [answer] if isinstance(answer, str | Path) else list(answer)
    if len(files) != 1:
        return ValueError(f"TemplateFlow answered with {len(files)} files")
    return Path(files[0])


def _refuse_without_network() -> None:
    """Find out in a moment that there is no network, which takes the client half a minute.

    Raises
    ------
    OSError
        If neither the server nor the proxy on the way to it answers.
    """
    if os.environ.get("TEMPLATEFLOW_USE_DATALAD", "off").lower() in ("on", "1", "true", "yes"):
        return  # it comes from elsewhere
    proxy = urlsplit(getproxies().get("https", ""))
    host, port = _SERVER, _HTTPS_PORT
    if proxy.hostname and not proxy_bypass(_SERVER):
        host, port = proxy.hostname, proxy.port or _PROXY_PORT
    if not _answers(host, port):
        raise OSError(f"there is no network: {host} does not answer")


@functools.cache
def _answers(host: str, port: int) -> bool:
    """Whether a server lets itself be called; asked once."""
    calls: list[bool] = []

    def call() -> None:
        with suppress(OSError), socket.create_connection((host, port), timeout=_PATIENCE_S):
            calls.append(True)

    caller = Thread(target=call, daemon=True)  # looking up the name knows no time limit
    caller.start()
    caller.join(_PATIENCE_S)
    return bool(calls)


def _query(name: str) -> dict[str, str | int | None]:
    """Say to TemplateFlow's client which one file is wanted."""
    words = {"tpl": "template", "res": "resolution", "seg": "segmentation", "den": "density"}
    entities = entities_in(name)
    query: dict[str, str | int | None] = {
        words.get(key, key): label for key, label in entities.items()
    }
    if name.endswith(".surf.gii"):  # a sphere is there in other spaces, too, under the same name
        query = {"space": None, "desc": None} | query
    numbers = {
        key: int(label)
        for key in ("resolution", "cohort")
        if (label := query.get(key)) is not None
    }
    stem, _, extension = name.rpartition("/")[2].partition(".")
    return query | numbers | {"suffix": stem.rpartition("_")[2], "extension": f".{extension}"}

"""Files that come with bidsmask: confound strategies, one YAML file each, and a brain mask.

Light on purpose: the command-line help lists the strategies, and must not wait for numpy or yaml.
"""

from pathlib import Path

STRATEGIES_FOLDER = Path(__file__).parent / "strategies"

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
"""Holds files as TemplateFlow's folder does; beside them lies their licence."""


def strategy_names() -> tuple[str, ...]:
    """Names of the strategies that come with bidsmask, sorted.

    Examples
    --------
    >>> "36P" in strategy_names()
    True
    """
    return tuple(sorted(file.stem for file in STRATEGIES_FOLDER.glob("*.yaml")))

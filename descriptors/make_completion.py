"""Write the completion of the command for bash and zsh, from its parser.

Usage: python descriptors/make_completion.py

A test keeps the files equal to the parser. Use them with
``source descriptors/completion/bidsmask.bash``, which does for zsh too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bidsmask.cli.parser import build_parser
from bidsmask.dataset.data import strategy_names

FILE = Path(__file__).parent / "completion" / "bidsmask.bash"

_TEMPLATE = """\
# Completion of bidsmask for bash and zsh; written by descriptors/make_completion.py.
[ -z "$ZSH_VERSION" ] || {{ autoload -Uz compinit bashcompinit; compinit -u; bashcompinit; }}

_bidsmask() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} option= index
  for ((index = COMP_CWORD - 1; index > 0; index--)); do
    case ${{COMP_WORDS[index]}} in -*) option=${{COMP_WORDS[index]}}; break ;; esac
  done
  case $word in -*) option= ;; esac
  case $option in
{cases}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "{options}" -- "$word")) ;;
    *)
      if [ "$COMP_CWORD" -eq 3 ]; then
        COMPREPLY=($(compgen -W "participant group" -- "$word"))
      else
        COMPREPLY=($(compgen -f -- "$word"))
      fi
      ;;
  esac
}}
complete -o filenames -F _bidsmask bidsmask
"""


def text() -> str:
    """Write the completion as it stands in the file."""
    actions = build_parser()._actions
    names = [name for action in actions for name in _names(action)]
    cases = [_case(action) for action in actions if _words(action)]
    return _TEMPLATE.format(options=" ".join(sorted(names)), cases="\n".join(cases))


def _names(action: argparse.Action) -> list[str]:
    return [name for name in action.option_strings if name.startswith("-") and "_" not in name]


def _words(action: argparse.Action) -> list[str]:
    words = list(action.choices or ()) if action.option_strings else []
    return list(strategy_names()) if action.dest == "strategies" else words


def _case(action: argparse.Action) -> str:
    pattern = "|".join(action.option_strings)
    words = " ".join(_words(action))
    files = '; COMPREPLY+=($(compgen -f -- "$word"))' if action.dest == "strategies" else ""
    reply = f'COMPREPLY=($(compgen -W "{words}" -- "$word")){files}'
    return f"    {pattern}) {reply}; return ;;"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")

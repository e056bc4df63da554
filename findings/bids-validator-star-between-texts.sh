#!/usr/bin/env bash
# A pattern of .bidsignore with a star between two texts ignores nothing any more.
#
# Seen with bids-validator-deno 3.0.2: the pattern *_stat-alff_desc-*_bold.* leaves the files it
# matches in the list of errors (ALL_FILENAME_RULES_HAVE_ISSUES), and so does *alff*36P*; the patterns
# *_stat-alff_* and *_bold.* work. With 2.4.1 all four work, as they do in .gitignore, whose rules
# BIDS refers to. So a dataset that was valid gets errors with the new version.
# Expected: any number of stars, as before.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 2.4.1 3.0.2; do
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet "bids-validator-deno==$version"
done
python3 - "$folder" <<'PY'
import json
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
dataset = folder / "dataset"
func = dataset / "sub-01" / "func"
func.mkdir(parents=True)
about = {"Name": "x", "BIDSVersion": "1.10.0", "DatasetType": "derivative",
         "GeneratedBy": [{"Name": "x"}]}
(dataset / "dataset_description.json").write_text(json.dumps(about))
(dataset / "README").write_text("An example.\n")
(func / "sub-01_task-rest_stat-alff_desc-36P_bold.tsv").write_text("a\tb\n1\t2\n")

PATTERNS = ("*_stat-alff_desc-*_bold.*", "*alff*36P*", "*_stat-alff_*", "*_bold.*")
found = {}
for version in ("2.4.1", "3.0.2"):
    print("bids-validator-deno", version)
    for pattern in PATTERNS:
        (dataset / ".bidsignore").write_text(f"{pattern}\n")
        command = [folder / version / "bin" / "bids-validator-deno", "--json", dataset]
        said = subprocess.run(command, capture_output=True, text=True).stdout
        issues = json.loads(said)["issues"]["issues"]
        n_errors = sum(each.get("severity") == "error" for each in issues)
        found[version, pattern] = n_errors
        print(f"  {pattern:28} {n_errors} errors")
assert all(found["2.4.1", pattern] == 0 for pattern in PATTERNS), "the behaviour has changed"
assert all(found["3.0.2", pattern] > 0 for pattern in PATTERNS[:2]), "the behaviour has changed"
assert all(found["3.0.2", pattern] == 0 for pattern in PATTERNS[2:]), "the behaviour has changed"
PY

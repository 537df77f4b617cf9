#!/usr/bin/env bash
# The steps of the image. The Dockerfile runs them; without Docker they fill any folder, and
# ray-up.yaml runs them on machines:
#   cluster/image/build.sh dependencies TARGET [EXTRA]   a virtual environment with all packages
#   cluster/image/build.sh package TARGET                our own package into it
# Versions come from pyproject.toml and constraints.txt only. TORCH_INDEX names another index for
# torch: https://download.pytorch.org/whl/cpu has builds without CUDA.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
step=${1:?dependencies or package}
target=${2:?folder of the virtual environment}
extra=${3:-}
pip=("$target/bin/python" -m pip --no-cache-dir --disable-pip-version-check)

requirements() { # of pyproject.toml: torch alone, or all others with those of an extra
    "$target/bin/python" - "$root/pyproject.toml" "$1" "$extra" <<'PYTHON'
import sys
import tomllib

path, which, extra = sys.argv[1:]
with open(path, "rb") as file:
    project = tomllib.load(file)["project"]
listed = project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])
print(*(line for line in listed if line.startswith("torch==") == (which == "torch")), sep="\n")
PYTHON
}

case $step in
dependencies)
    "${PYTHON:-python3}" -m venv "$target"
    lists=$(mktemp -d)
    trap 'rm -rf "$lists"' EXIT
    requirements torch >"$lists/torch.txt"
    requirements others >"$lists/others.txt"
    # torch first and by itself: what needs it then takes the build that is there.
    "${pip[@]}" install ${TORCH_INDEX:+--no-deps --index-url "$TORCH_INDEX"} \
        --constraint "$root/constraints.txt" --requirement "$lists/torch.txt"
    "${pip[@]}" install --constraint "$root/constraints.txt" \
        --requirement "$lists/torch.txt" --requirement "$lists/others.txt"
    ;;
package)
    "${pip[@]}" install --no-deps "$root"
    ;;
*)
    echo "build.sh: the step is '$step'; expected dependencies or package" >&2
    exit 2
    ;;
esac

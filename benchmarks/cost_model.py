"""Where the time of a large run goes: a line through two sizes, checked against a third.

Every stage is taken to cost a fixed time and a time a question. Both come from the two
smaller sizes; what they foretell for the largest stands beside what it took. Sizes of the
stages after embedding are those of stored vectors; texts are embedded in sizes of their own.
``python -m benchmarks.cost_model FOLDER`` keeps the questions in FOLDER.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.encoder import texts
from benchmarks.scale import ALPHA, N_MODELS, questions
from scope import EMBEDDED_BANK, load_bank, save_bank

SIZES = (15_000, 30_000, 60_000)
TEXTS = (512, 1_024, 2_048)
STAGES = ("reading", "predicting", "merging", "route", "frontier")

Seconds = dict[str, float]


def main() -> None:
    """Run all sizes and print the lines, and how well they foretold the largest size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where questions are kept")
    folder = parser.parse_args().folder
    print(f"{'stage':<12}{'fixed s':>9}{'ms each':>9}{'rows':>9}{'foretold s':>12}{'took s':>9}")
    with tempfile.TemporaryDirectory() as name:
        place = folder or Path(name)
        embedding = [embedded(place, size) for size in TEXTS]
        show("embedding", TEXTS, [one["embedding"] for one in embedding])
        runs = [stored(place, size) for size in SIZES]
        for stage in STAGES:
            show(stage, SIZES, [run[stage] for run in runs])
        print("bytes a question on the disk:")
        for what, n_bytes in written(place / f"out-{SIZES[-1]}").items():
            print(f"  {what:<18}{n_bytes / SIZES[-1]:>8,.0f}")


def show(stage: str, sizes: Sequence[int], took_s: Sequence[float]) -> None:
    """Print the line through the first two sizes, and what it says of the last."""
    each_s = (took_s[1] - took_s[0]) / (sizes[1] - sizes[0])
    fixed_s = took_s[0] - each_s * sizes[0]
    foretold_s = fixed_s + each_s * sizes[2]
    print(
        f"{stage:<12}{fixed_s:>9.1f}{1000 * each_s:>9.3f}{sizes[2]:>9,}"
        f"{foretold_s:>12.1f}{took_s[2]:>9.1f}",
        flush=True,
    )


def embedded(folder: Path, n_texts: int) -> Seconds:
    """Predict texts that no cache holds."""
    path = folder / f"texts-{n_texts}.json"
    rows = [{"id": str(row), "prompt": text} for row, text in enumerate(texts(n_texts))]
    path.write_text(json.dumps(rows))
    flags = ("--query-file", path, "--no-cache", "--fresh")
    return command("predict", *flags, "--output", folder / f"out-texts-{n_texts}")


def stored(folder: Path, n_questions: int) -> Seconds:
    """Predict, route and sweep questions whose vectors are known."""
    path, output = folder / f"questions-{n_questions}", folder / f"out-{n_questions}"
    pool = folder / "pool.txt"
    pool.write_text("\n".join(load_bank(EMBEDDED_BANK).model_ids[:N_MODELS]))
    if not path.exists():
        save_bank(questions(n_questions), path, created_at="2026-01-01", sources=())
    found = command("predict", "--query-file", path, "--pool", pool, "--output", output, "--fresh")
    given = ("--predictions", output, "--output")
    found["route"] = command("route", "--alpha", ALPHA, *given, output / "alpha.json")["in all"]
    found["frontier"] = command("frontier", *given, output / "frontier.png")["in all"]
    return found


def command(*arguments: object) -> Seconds:
    """Run a command of ours; return the seconds of its stages, and of all of it."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    took_s = time.perf_counter() - start
    events = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    stages = {one["stage"]: one["seconds"] for one in events if one["event"] == "stage"}
    return {**stages, "in all": took_s}


def written(output: Path) -> dict[str, int]:
    """Return the bytes of everything in the output of a run."""
    return {
        path.name: sum(file.stat().st_size for file in [path, *path.glob("*")] if file.is_file())
        for path in sorted(output.iterdir())
        if path.suffix != ".png"
    }


if __name__ == "__main__":
    main()

"""Linear model of the duration of each stage, fitted to two sizes and tested on a third.

A stage has a fixed duration and one per question, both from the two smaller sizes; the
prediction for the largest size is printed beside its duration. Stages after embedding run on
stored vectors; texts are embedded in sizes of their own.
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
    """Run all sizes and print the fitted model, and its prediction for the largest size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where questions are kept")
    folder = parser.parse_args().folder
    print(f"{'stage':<12}{'fixed s':>9}{'ms each':>9}{'rows':>9}{'predicted s':>12}{'took s':>9}")
    with tempfile.TemporaryDirectory() as name:
        work = folder or Path(name)
        embedding = [embedded(work, size) for size in TEXTS]
        show("embedding", TEXTS, [run["embedding"] for run in embedding])
        runs = [stored(work, size) for size in SIZES]
        for stage in STAGES:
            show(stage, SIZES, [run[stage] for run in runs])
        print("bytes per question on disk:")
        for file, n_bytes in written(work / f"out-{SIZES[-1]}").items():
            print(f"  {file:<18}{n_bytes / SIZES[-1]:>8,.0f}")


def show(stage: str, sizes: Sequence[int], took_s: Sequence[float]) -> None:
    """Print the model fitted to the first two sizes, and its prediction for the last."""
    each_s = (took_s[1] - took_s[0]) / (sizes[1] - sizes[0])
    fixed_s = took_s[0] - each_s * sizes[0]
    predicted_s = fixed_s + each_s * sizes[2]
    print(
        f"{stage:<12}{fixed_s:>9.1f}{1000 * each_s:>9.3f}{sizes[2]:>9,}"
        f"{predicted_s:>12.1f}{took_s[2]:>9.1f}",
        flush=True,
    )


def embedded(folder: Path, n_texts: int) -> Seconds:
    """Predict texts that are not cached."""
    path = folder / f"texts-{n_texts}.json"
    rows = [{"id": str(row), "prompt": text} for row, text in enumerate(texts(n_texts))]
    path.write_text(json.dumps(rows))
    flags = ("--query-file", path, "--no-cache", "--fresh")
    return command("predict", *flags, "--output", folder / f"out-texts-{n_texts}")


def stored(folder: Path, n_questions: int) -> Seconds:
    """Predict, route and sweep questions with stored vectors."""
    path, output = folder / f"questions-{n_questions}", folder / f"out-{n_questions}"
    pool = folder / "pool.txt"
    pool.write_text("\n".join(load_bank(EMBEDDED_BANK).model_ids[:N_MODELS]))
    if not path.exists():
        save_bank(questions(n_questions), path, created_at="2026-01-01", sources=())
    found = command("predict", "--query-file", path, "--pool", pool, "--output", output, "--fresh")
    common = ("--predictions", output, "--output")
    found["route"] = command("route", "--alpha", ALPHA, *common, output / "alpha.json")["total"]
    found["frontier"] = command("frontier", *common, output / "frontier.png")["total"]
    return found


def command(*arguments: object) -> Seconds:
    """Run a scope command; return the seconds of its stages and in total."""
    start = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    took_s = time.perf_counter() - start
    events = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    stages = {event["stage"]: event["seconds"] for event in events if event["event"] == "stage"}
    return {**stages, "total": took_s}


def written(output: Path) -> dict[str, int]:
    """Return the size of each file and folder in the output of a run, bytes."""
    return {
        path.name: sum(file.stat().st_size for file in [path, *path.glob("*")] if file.is_file())
        for path in sorted(output.iterdir())
        if path.suffix != ".png"
    }


if __name__ == "__main__":
    main()

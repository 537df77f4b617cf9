"""Predict, sweep and route 60,000 questions × 13 models from stored embeddings, against 6,000.

Memory is the peak of the process that drives the run, as the kernel counts it; it should not
grow with the questions. ``python -m benchmarks.scale FOLDER`` keeps what it predicts in FOLDER,
and measures only the rest if it is there already.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank, save_bank
from scope.bank.bank import Bank
from scope.outcomes import Outcomes

FEW, MANY, N_MODELS = 6_000, 60_000, 13
WANTED = 1.2
ALPHA = 0.6
BUDGET_USD = 0.00006
"""For a question; the cheapest models cost .00004, the likeliest .00015."""


def main() -> None:
    """Run both sizes and compare their peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where predictions are kept")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as name:
        few, many = (peaks(folder or Path(name), n_questions) for n_questions in (FEW, MANY))
    for what in [what for what in few if what in many]:
        ratio = many[what] / few[what]
        verdict = "met" if ratio <= WANTED else "NOT met"
        print(f"{what}: peak {ratio:.2f} × (wanted ≤ {WANTED}: {verdict})")


def peaks(folder: Path, n_questions: int) -> dict[str, float]:
    """Run every command on so many questions; return the peak of each, MiB."""
    output = folder / f"out-{n_questions}"
    found = {}
    for what, arguments in commands(folder, output, n_questions).items():
        seconds, found[what] = measured(*arguments)
        print(f"{n_questions:,} × {N_MODELS}: {what} {seconds:.0f} s, {found[what]:.0f} MiB")
    return found


def commands(folder: Path, output: Path, n_questions: int) -> dict[str, tuple[object, ...]]:
    """Return what is run, by name; predicting only if it was not done before."""
    given = ("--predictions", output, "--output")
    budget_usd = BUDGET_USD * n_questions
    found: dict[str, tuple[object, ...]] = {
        "frontier": ("frontier", *given, output / "frontier.png"),
        "route --alpha": ("route", "--alpha", ALPHA, *given, output / "alpha.json"),
        "route --budget": ("route", "--budget", budget_usd, *given, output / "budget.json"),
    }
    if (output / "predictions").is_dir():
        return found
    folder.mkdir(parents=True, exist_ok=True)
    pool = folder / "pool.txt"
    pool.write_text("\n".join(load_bank(EMBEDDED_BANK).model_ids[:N_MODELS]))
    path = folder / f"questions-{n_questions}"
    if not path.exists():
        save_bank(questions(n_questions), path, created_at="2026-01-01", sources=())
    predict = ("predict", "--query-file", path, "--pool", pool, "--output", output)
    return {"predict": predict, **found}


def questions(n_questions: int) -> Bank:
    """Return the embedded questions over and over, each a little turned, outcomes unknown."""
    given, rng = load_bank(EMBEDDED_QUESTIONS), np.random.default_rng(0)
    row = np.arange(n_questions) % len(given.ids)
    turned = given.embedding_ad[row] + 0.02 * rng.standard_normal(
        (n_questions, given.embedding_ad.shape[1]), dtype=np.float32
    )
    nothing = np.full((n_questions, 1), np.nan)
    return replace(
        given,
        ids=tuple(f"q{n:06d}" for n in range(n_questions)),
        categories=("",) * n_questions,
        gold_answers=(None,) * n_questions,
        embedding_ad=turned / np.linalg.norm(turned, axis=1, keepdims=True),
        features_af=given.features_af[row],
        models=given.models[:1],
        outcomes=Outcomes(given.model_ids[:1], nothing, nothing, nothing),
        reference=None,
    )


def measured(*arguments: object) -> tuple[float, float]:
    """Run a command of ours; return seconds and the peak memory of its process, MiB."""
    start, peak_kib = time.perf_counter(), 0
    run = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None:
        peak_kib = max(peak_kib, _peak_kib(run.pid))
        time.sleep(0.1)
    assert run.returncode == 0, arguments
    return time.perf_counter() - start, peak_kib / 1024


def _peak_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()

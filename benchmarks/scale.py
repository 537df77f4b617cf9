"""Predict, sweep and route 60,000 questions × 13 models from stored embeddings, against 6,000.

Memory is the peak of the process that drives the run, as the kernel counts it; it should not
grow with the questions. ``python -m benchmarks.scale FOLDER`` keeps the predictions in FOLDER,
and skips predicting if they exist.
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
TARGET = 1.2
ALPHA = 0.6
BUDGET_USD = 0.00006
"""For a question; the cheapest models cost .00004, those of the highest probability .00015."""


def main() -> None:
    """Run both sizes and compare their peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="where predictions are kept")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as name:
        few, many = (peaks(folder or Path(name), n_questions) for n_questions in (FEW, MANY))
    for command in [command for command in few if command in many]:
        ratio = many[command] / few[command]
        verdict = "met" if ratio <= TARGET else "NOT met"
        print(f"{command}: peak {ratio:.2f} × (target ≤ {TARGET}: {verdict})")


def peaks(folder: Path, n_questions: int) -> dict[str, float]:
    """Run every command on `n_questions` questions; return the peak memory of each, MiB."""
    output = folder / f"out-{n_questions}"
    found = {}
    for command, arguments in commands(folder, output, n_questions).items():
        seconds, found[command] = measured(*arguments)
        print(f"{n_questions:,} × {N_MODELS}: {command} {seconds:.0f} s, {found[command]:.0f} MiB")
    return found


def commands(folder: Path, output: Path, n_questions: int) -> dict[str, tuple[object, ...]]:
    """Return the arguments of each command; without predict if the predictions exist."""
    common = ("--predictions", output, "--output")
    budget_usd = BUDGET_USD * n_questions
    found: dict[str, tuple[object, ...]] = {
        "frontier": ("frontier", *common, output / "frontier.png"),
        "route --alpha": ("route", "--alpha", ALPHA, *common, output / "alpha.json"),
        "route --budget": ("route", "--budget", budget_usd, *common, output / "budget.json"),
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
    """Return the embedded questions repeated, with noise on the vectors and no outcomes."""
    embedded, rng = load_bank(EMBEDDED_QUESTIONS), np.random.default_rng(0)
    row = np.arange(n_questions) % len(embedded.ids)
    noisy = embedded.embedding_ad[row] + 0.02 * rng.standard_normal(
        (n_questions, embedded.embedding_ad.shape[1]), dtype=np.float32
    )
    unknown = np.full((n_questions, 1), np.nan)
    return replace(
        embedded,
        ids=tuple(f"q{n:06d}" for n in range(n_questions)),
        categories=("",) * n_questions,
        gold_answers=(None,) * n_questions,
        embedding_ad=noisy / np.linalg.norm(noisy, axis=1, keepdims=True),
        features_af=embedded.features_af[row],
        models=embedded.models[:1],
        outcomes=Outcomes(embedded.model_ids[:1], unknown, unknown, unknown),
        reference=None,
    )


def measured(*arguments: object) -> tuple[float, float]:
    """Run a scope command; return seconds and the peak memory of its process, MiB."""
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

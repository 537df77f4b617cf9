"""Predict and sweep 60,000 questions × 13 models from stored embeddings, against 6,000.

Memory is the peak of the process that drives the run, as the kernel counts it; it should not
grow with the questions.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank, save_bank
from scope.bank import Bank
from scope.outcomes import Outcomes

FEW, MANY, N_MODELS = 6_000, 60_000, 13
WANTED = 1.2


def main() -> None:
    """Run both sizes and compare their peaks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = folder / "pool.txt"
        pool.write_text("\n".join(load_bank(EMBEDDED_BANK).model_ids[:N_MODELS]))
        peaks = []
        for n_questions in (FEW, MANY):
            path = folder / f"questions-{n_questions}"
            save_bank(questions(n_questions), path, created_at="2026-01-01", sources=())
            output = folder / f"out-{n_questions}"
            predict_s, predict_mib = measured(
                "predict", "--query-file", path, "--pool", pool, "--output", output
            )
            frontier_s, frontier_mib = measured(
                "frontier", "--predictions", output, "--output", output / "frontier.png"
            )
            print(
                f"{n_questions:,} × {N_MODELS}: predict {predict_s:.0f} s, {predict_mib:.0f} MiB; "
                f"frontier {frontier_s:.0f} s, {frontier_mib:.0f} MiB"
            )
            peaks.append((predict_mib, frontier_mib))
    for what, few, many in zip(("predict", "frontier"), *peaks, strict=True):
        verdict = "met" if many <= WANTED * few else "NOT met"
        print(f"{what}: peak {many / few:.2f} × (wanted ≤ {WANTED}: {verdict})")


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
        golds=(None,) * n_questions,
        embedding_ad=turned / np.linalg.norm(turned, axis=1, keepdims=True),
        features_af=given.features_af[row],
        models=given.models[:1],
        outcomes=Outcomes(given.model_ids[:1], nothing, nothing, nothing),
        calibration=None,
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

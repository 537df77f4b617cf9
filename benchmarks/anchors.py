"""Time and memory of a fit and of a forecast against the number of anchors.

The anchors are those of the embedded bank, drawn with replacement and moved a little: only time
and memory mean something. Each size runs in its own process. ``python -m benchmarks.anchors 8 16``
measures 8,000 and 16,000.
"""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.clock import best, peak_gib, seconds
from pipelines.bank.files import save_bank_now
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorPredictor, load_bank
from scope.bank import Bank
from scope.outcomes import Outcomes
from scope.predictor import choose_forecast, fit_bank

THOUSANDS = (8, 16, 32, 64)
NOISE = 0.3
"""Length of the random vector that is added to an embedding: the cosine to the source is 0.96."""

N_QUESTIONS = 512


def main() -> None:
    """Print a row for each number of anchors, in thousands."""
    print("| anchors | fit, s | choice, s | peak, GiB | forecast, ms | memory of a replica, GiB |")
    print("|---|---|---|---|---|---|")
    for thousands in sys.argv[1:] or map(str, THOUSANDS):
        with tempfile.TemporaryDirectory() as folder:
            cells = [part(name, thousands, folder) for name in ("fit", "predict")]
        print(f"| {int(thousands) * 1_000:,} | {' | '.join(cells)} |", flush=True)


def part(name: str, thousands: str, folder: str) -> str:
    """Run one measurement in a process of its own and return its cells."""
    command = [sys.executable, "-m", "benchmarks.anchors", name, thousands, folder]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def fit(n_anchors: int, folder: Path) -> None:
    """Print seconds and peak memory of a fit; keep the bank."""
    bank = resampled(load_bank(EMBEDDED_BANK), n_anchors)
    fit_s, fitted = seconds(lambda: fit_bank(bank))
    choice_s, chosen = seconds(lambda: choose_forecast(fitted))
    save_bank_now(chosen, folder / "bank", ("resampled",), command="python")
    print(f"{fit_s:.0f} | {choice_s:.0f} | {peak_gib():.1f}")


def predict(folder: Path) -> None:
    """Print milliseconds a question, and the peak memory of a process that predicts."""
    questions = load_bank(EMBEDDED_QUESTIONS)
    predictor = AnchorPredictor(load_bank(folder / "bank"))
    embedding_qd, features_qf = (
        values[:N_QUESTIONS] for values in (questions.embedding_ad, questions.features_af)
    )
    took_s, _ = best(lambda: predictor.predict(embedding_qd, features_qf))
    print(f"{1_000 * took_s / N_QUESTIONS:.2f} | {peak_gib():.1f}")


def resampled(bank: Bank, n_anchors: int) -> Bank:
    """Return a bank of `n_anchors` questions like those of `bank`, not fitted."""
    rng = np.random.default_rng(0)
    row_a = rng.integers(len(bank.ids), size=n_anchors)
    n_dimensions = bank.embedding_ad.shape[1]
    moved_ad = bank.embedding_ad[row_a]
    moved_ad += NOISE * rng.standard_normal(moved_ad.shape, np.float32) / np.sqrt(n_dimensions)
    known = bank.outcomes
    return replace(
        bank,
        ids=tuple(f"{bank.ids[row]}/{a}" for a, row in enumerate(row_a)),
        categories=tuple(bank.categories[row] for row in row_a),
        gold_answers=tuple(bank.gold_answers[row] for row in row_a),
        embedding_ad=moved_ad / np.linalg.norm(moved_ad, axis=1, keepdims=True),
        features_af=bank.features_af[row_a],
        outcomes=Outcomes(
            known.models,
            known.correct_am[row_a],
            known.prompt_tokens_am[row_a],
            known.completion_tokens_am[row_a],
        ),
        forecaster=None,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["fit"]:
        fit(int(sys.argv[2]) * 1_000, Path(sys.argv[3]))
    elif sys.argv[1:2] == ["predict"]:
        predict(Path(sys.argv[3]))
    else:
        main()

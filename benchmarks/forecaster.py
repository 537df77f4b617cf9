"""Duration of the forecaster: fit of the embedded bank, and prediction compared with kNN."""

from benchmarks.clock import best, seconds
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorConfig, AnchorPredictor, load_bank
from scope.predictor.reference_population import fit_bank

TARGET_FIT_S, TARGET_MS = 300, 2


def main() -> None:
    """Print seconds to fit, and milliseconds per question with and without the forecaster."""
    bank, questions = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
    fit_s, _ = seconds(lambda: fit_bank(bank))
    ms = {}
    for use_forecaster in (True, False):
        predictor = AnchorPredictor(bank, AnchorConfig(use_forecaster=use_forecaster))
        took_s, _ = best(
            lambda p=predictor: p.predict(questions.embedding_ad, questions.features_af)
        )
        ms[use_forecaster] = 1_000 * took_s / len(questions.ids)
    print(f"forecaster, {len(bank.ids):,} anchors × {len(bank.models)} models")
    print(f"  fit: {fit_s:.0f} s (target < {TARGET_FIT_S})")
    print(f"  kNN, 100 neighbours: {ms[False]:.2f} ms a question\n  fitted: {ms[True]:.2f} ms")
    print(f"  adds {ms[True] - ms[False]:.2f} ms (target < {TARGET_MS})")


if __name__ == "__main__":
    main()

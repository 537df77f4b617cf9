"""What the learned forecast costs: fitting the embedded bank, and predicting beside its votes."""

from benchmarks.clock import best, seconds
from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, AnchorConfig, AnchorPredictor, load_bank
from scope.predictor.reference_population import fit_bank

WANTED_FIT_S, WANTED_MS = 300, 2


def main() -> None:
    """Print seconds to fit, and milliseconds a question with and without what was learned."""
    bank, asked = load_bank(EMBEDDED_BANK), load_bank(EMBEDDED_QUESTIONS)
    fit_s, _ = seconds(lambda: fit_bank(bank))
    ms = {}
    for learned in (True, False):
        predictor = AnchorPredictor(bank, AnchorConfig(use_forecaster=learned))
        took_s, _ = best(lambda p=predictor: p.predict(asked.embedding_ad, asked.features_af))
        ms[learned] = 1_000 * took_s / len(asked.ids)
    print(f"learned forecast, {len(bank.ids):,} anchors × {len(bank.models)} models")
    print(f"  fit: {fit_s:.0f} s (wanted < {WANTED_FIT_S})")
    print(f"  votes of 100 neighbours: {ms[False]:.2f} ms a question\n  learned: {ms[True]:.2f} ms")
    print(f"  adds {ms[True] - ms[False]:.2f} ms (wanted < {WANTED_MS})")


if __name__ == "__main__":
    main()

"""The test of drift: how soon it finds one, and how often it is wrong.

Prints, as Markdown, the scores until an alarm after a drop of the accuracy, in simulated streams
with predictions as those of a bank (Beta(4, 2): mean 0.67), and the alarms among the models of the
embedded bank on its held-out questions, whose forecasts are real.
"""

import numpy as np

from scope import EMBEDDED_BANK, EMBEDDED_QUESTIONS, load_bank
from scope.evaluation.test_set import EvaluationSet
from scope.report.evaluation import predict_test_set
from scope.traffic.drift import CalibrationTest, find_alarm, log_threshold

N_STREAMS, N_TESTED, MOST_SCORES = 1_000, 10, 20_000
DROPS = (0.1, 0.15, 0.2, 0.3, 0.5)


def main() -> None:
    """Print the table, the false alarms of the same streams, and those on real forecasts."""
    print(f"| drop | scores until an alarm, one of {N_TESTED} streams | after 1,000 good scores |")
    print("|---|---|---|")
    early = 0
    for drop in DROPS:
        cells = []
        for n_good in (0, 1_000):
            until_n = scores_until_alarm(drop, n_good)
            early += int((until_n <= 0).sum())
            median, most = np.quantile(until_n, [0.5, 0.9])
            cells.append(f"{median:,.0f} (9 of 10 within {most:,.0f})")
        print(f"| {100 * drop:.0f} points | {' | '.join(cells)} |")
    print(f"\nalarms before the drop: {early} of {N_STREAMS * len(DROPS):,}")
    print_real_forecasts()


def scores_until_alarm(drop: float, n_good: int, seed: int = 0) -> np.ndarray:
    """Return for each stream the scores from the drop to the alarm; infinite without one."""
    rng, test = np.random.default_rng(seed), CalibrationTest(N_STREAMS)
    until_n = np.full(N_STREAMS, np.inf)
    while np.isinf(until_n).mean() > 0.05 and test.n_scores < MOST_SCORES:
        fallen = drop if test.n_scores >= n_good else 0.0
        p_n = rng.beta(4, 2, N_STREAMS)
        test.add(p_n, (rng.random(N_STREAMS) < p_n - fallen).astype(float))
        new_n = np.isinf(until_n) & (test.log_evidence_n >= log_threshold(N_TESTED))
        until_n[new_n] = test.n_scores - n_good
    return until_n


def print_real_forecasts() -> None:
    """Print the alarms of the embedded bank's models on its held-out questions."""
    bank = load_bank(EMBEDDED_BANK)
    test_set = EvaluationSet.from_banks(bank, load_bank(EMBEDDED_QUESTIONS))
    p_qm = predict_test_set(bank, test_set).estimates.p_correct_qm
    correct_qm = test_set.truth.correct_qm
    order = np.random.default_rng(0).permutation(len(p_qm))  # by id they come by category
    alarms = []
    for m, model in enumerate(bank.models):
        known_q = order[np.isfinite(correct_qm[order, m])]
        p_q, correct_q = p_qm[known_q, m], correct_qm[known_q, m]
        alarm, _ = find_alarm(p_q, correct_q, log_threshold(len(bank.models)))
        if alarm:
            alarms.append(f"{model.id} {correct_q.mean() - p_q.mean():+.3f}")
    print(f"real forecasts: {len(alarms)} of {len(bank.models)} models raise an alarm: {alarms}")


if __name__ == "__main__":
    main()

"""kNN settings and the fitted forecaster, by leave-one-out on the anchors of the embedded bank.

Every anchor is predicted from the others. AUC is the mean over models, log loss over all
(question, model); ± is one bootstrap standard error over questions.
"""

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from scope import EMBEDDED_BANK, AnchorConfig, AnchorPredictor, load_bank
from scope.arrays import FloatArray, IntArray

N_BOOTSTRAPS, SEED = 20, 0
NO_SHRINKAGE = 1e-9
KNN = AnchorConfig(use_forecaster=False)
CONFIGS = {
    "as published: 6 neighbours, similarity²": KNN.model_copy(
        update={"n_neighbours": 6, "similarity_power": 2.0, "prior_strength": NO_SHRINKAGE}
    ),
    "6 neighbours, similarity², shrunk": KNN.model_copy(
        update={"n_neighbours": 6, "similarity_power": 2.0}
    ),
    "100 neighbours, similarity⁴": KNN.model_copy(update={"prior_strength": NO_SHRINKAGE}),
    "100 neighbours, similarity⁴, shrunk": KNN,
    "400 neighbours, similarity⁴, shrunk": KNN.model_copy(update={"n_neighbours": 400}),
    "fitted by `scope bank fit` (default)": AnchorConfig(),
}


def scores(p_qm: FloatArray, correct_qm: FloatArray, rows: IntArray) -> tuple[float, float]:
    """Return mean AUC per model and log loss on some questions."""
    p, correct = p_qm[rows], correct_qm[rows]
    auc = [roc_auc_score(correct[:, m], p[:, m]) for m in range(p.shape[1])]
    return float(np.mean(auc)), log_loss(correct.ravel(), p.ravel().clip(1e-3, 1 - 1e-3))


def main() -> None:
    """Print one row of a Markdown table for each configuration."""
    bank = load_bank(EMBEDDED_BANK)
    all_anchors = np.arange(len(bank.ids))
    rng = np.random.default_rng(SEED)
    samples = [rng.choice(all_anchors, len(all_anchors)) for _ in range(N_BOOTSTRAPS)]
    print("| weights | AUC | log loss |\n|---|---|---|")
    for name, config in CONFIGS.items():
        estimates, _ = AnchorPredictor(bank, config).predict(
            bank.embedding_ad, bank.features_af, all_anchors
        )
        p_qm, correct_qm = estimates.p_correct_qm, bank.outcomes.correct_am
        auc, loss = scores(p_qm, correct_qm, all_anchors)
        auc_se, loss_se = np.std([scores(p_qm, correct_qm, rows) for rows in samples], axis=0)
        print(f"| {name} | {auc:.3f} ± {auc_se:.3f} | {loss:.4f} ± {loss_se:.4f} |")


if __name__ == "__main__":
    main()

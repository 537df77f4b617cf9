"""What can still be learned of a model's own length, on the sets of $SCOPE_DATA.

``python -m benchmarks.own_lengths SET…``: R² of the log lengths without what models share on a
question and without each model's mean, on training questions with all lengths. The process is
predicted leave-one-out, ridge regressions in five folds: mixed with it, and on its residuals.
Banks are kept under results/banks.
"""

import sys

import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.banks import data_folder, fitted_bank
from scope.arrays import FloatArray

SETS = ("mmlupro", "zeroeval")
STRENGTHS = (10.0, 100.0, 1000.0)
N_FOLDS = 5
SHARE = 0.3
"""Share of the regression in the mix."""


def main() -> None:
    """Print a row for each set, kind of input and strength of the penalty."""
    data = data_folder()
    if data is None:
        return
    print("| set | input | penalty | alone | mixed with the process | on its residuals |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[1:] or SETS:
        bank = fitted_bank(data, name)
        forecaster = bank.forecaster
        assert forecaster is not None
        log_nm = np.log1p(bank.outcomes.completion_tokens_am[forecaster.anchor_index_n])
        known_n = ~np.isnan(log_nm).any(axis=1)
        own_nm, loo_nm = (own(x[known_n]) for x in (log_nm, forecaster.loo_log_length_nm))
        print(f"| {name} | the process alone | | {r_squared(own_nm, loo_nm):.4f} | | |")
        rows = forecaster.anchor_index_n[known_n]
        form_nf = forecaster.form.transform(bank.features_af[rows])
        posterior_nc = 3 * forecaster.posterior_nc[known_n]
        embedding_nd = bank.embedding_ad[rows] * np.sqrt(bank.embedding_ad.shape[1]) / 3
        inputs = {
            "text features": form_nf,
            "and their squares": np.hstack([form_nf, form_nf**2, np.abs(form_nf)]),
            "text features and category": np.hstack([form_nf, posterior_nc]),
            "and embedding": np.hstack([form_nf, posterior_nc, embedding_nd]),
        }
        for kind, input_ni in inputs.items():
            for strength in STRENGTHS:
                alone_nm = out_of_fold(input_ni, own_nm, strength)
                mixed_nm = SHARE * alone_nm + (1 - SHARE) * loo_nm
                more_nm = loo_nm + out_of_fold(input_ni, own_nm - loo_nm, strength)
                scores = [f"{r_squared(own_nm, p):.4f}" for p in (alone_nm, mixed_nm, more_nm)]
                print(f"| {name} | {kind} | {strength:g} | {' | '.join(scores)} |", flush=True)


def own(log_nm: FloatArray) -> FloatArray:
    """Return log lengths without the mean of each question, then of each model."""
    own_nm = log_nm - log_nm.mean(axis=1, keepdims=True)
    centred_nm: FloatArray = own_nm - own_nm.mean(axis=0)
    return centred_nm


def r_squared(true_nm: FloatArray, predicted_nm: FloatArray) -> float:
    """Return the explained share of variance."""
    return float(1 - np.square(true_nm - predicted_nm).sum() / np.square(true_nm).sum())


def out_of_fold(input_ni: FloatArray, target_nm: FloatArray, strength: float) -> FloatArray:
    """Return ridge predictions of each fold from the others."""
    fold_n = np.random.default_rng(0).integers(N_FOLDS, size=len(target_nm))
    predicted_nm = np.zeros_like(target_nm)
    for fold in range(N_FOLDS):
        train_n = fold_n != fold
        model = Ridge(alpha=strength).fit(input_ni[train_n], target_nm[train_n])
        predicted_nm[~train_n] = model.predict(input_ni[~train_n])
    return predicted_nm


if __name__ == "__main__":
    main()

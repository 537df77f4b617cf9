"""Whether cues of the prompt or a heavy tail tell more of own lengths, on the sets of $SCOPE_DATA.

``python -m benchmarks.own_length_text SET…``: R² of the residual own log lengths (as in
`benchmarks.own_lengths`) by ridge regressions with coefficients for each model; then the normal and
Student's t of residual log lengths beside today's. Penalties are chosen in ten refitted folds.
"""

import re
import sys
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold

from benchmarks.banks import NAMES, data_folder, fitted_bank, questions
from benchmarks.own_lengths import own
from scope.arrays import FloatArray, IntArray
from scope.bank import Bank
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.evaluation.model_differences import difference_r2
from scope.forecast import TOKEN_QUANTILES
from scope.pool import cost_usd
from scope.predictor.fit import fit_forecaster
from scope.questions import read_questions

SETS = (*NAMES, "alpaca", "bfcl", "swebench")
STRENGTHS, N_REFITTED = (10.0, 100.0, 1e3, 1e4, 1e5), 3_500
FOLDS, DRAWS = KFold(10, shuffle=True, random_state=0), (np.arange(400) + 0.5) / 400
LAWS = {
    "normal": lambda x: (1e6, x.mean(), x.std()),
    "Student": lambda x: stats.t.fit(x, 5, loc=x.mean(), scale=x.std()),
}
CUES = {
    "format": r"json  \blist  bullet  \btables?\b  (?:one|single)\s(?:word|letter)  \bonly\b  exact"
    r"  \b(?:brief|short|concise)  \d+[-\s]words?\b  nearest|\bround|decimal  \bformat",
    "chain of thought": r"step[-\s]by[-\s]step  \bexplain  \bwhy\b  \bdescri  \bdiscuss  \bshow\b"
    r"  \bhow\b  \breason  \bprove\b  \bcompar  \bcalculate|\bcompute  \bsolve|\bfind\b  \bdetail",
    "code": r"```  \bdef\s  \bclass\s  \bimport\s  \breturn\b  \bfor\s\w+\sin  \w\(  \bpython"
    r'  \bjava\b  javascript|sql|html|c\+\+  \bfunction  traceback  error  "name":  "type":  \\\w',
    "answer form": r"^[A-J][.):]\s  ^[A-J][.):]\s[-+$(]*\d  \b(?:true|false|yes|no)\b  \bwhich\b"
    r"  \bhow\s(?:many|much)  \bwrite  essay|poem|story  \bcreate  transl|summar  ^(?:is|are|do)\s",
    "counts": r"\?  [.!?](?=\s|$)  \d+(?:\.\d+)?  \w+  \n  [^\x00-\x7f]  [=+*/^<>]  \b\w{9,}\b",
}


class Part(NamedTuple):
    """Questions with all lengths, their logs less the forecast ones, and groups of cues."""

    bank: Bank
    residual_nm: FloatArray
    cues: dict[str, FloatArray]

    def select(self, rows: IntArray) -> "Part":
        """Return some of the questions."""
        cues = {group: cue_nf[rows] for group, cue_nf in self.cues.items()}
        return Part(self.bank.select_anchors(rows), self.residual_nm[rows], cues)


def main() -> None:
    """Print the explained variance of residual own lengths, and scores of the tails."""
    data = data_folder()
    for name in (sys.argv[1:] or SETS) if data else ():
        read = read_questions(data / f"{name}_questions.parquet")
        prompts = dict(zip(read.ids, read.prompts, strict=True))
        banks = fitted_bank(data, name), questions(data, name, "val")
        cues = (cue_features([prompts[i] for i in bank.ids]) for bank in banks)
        train, val = (predict(banks[0], bank, cue) for bank, cue in zip(banks, cues, strict=True))
        print(f"\n| {name} | penalty | train, R² | val, R² (95 %) |\n{'|---' * 4}|")
        print_explained(train, val)
        print(f"\n| tail | log score | covered, % | interval score | cost, % |\n{'|---' * 5}|")
        folds = [[train.select(n) for n in both] for both in FOLDS.split(train.residual_nm)]
        for kind in ("today", *LAWS):
            for where, pairs in (("train", folds), ("val", [(train, val)])):
                scores = [tail(kind, *pair).reshape(5, -1) for pair in pairs]
                score, covered, interval, plan, real = np.hstack(scores).mean(axis=1)
                cells = f"{score:.3f} | {covered:.1%} | {interval:.3f} | {plan / real - 1:+.1%}"
                print(f"| {kind}, {where} | {cells} |", flush=True)


def cue_features(texts: list[str]) -> dict[str, FloatArray]:
    """Return log counts and presence of the cues, two spaces apart, of each group and of all."""
    found = {}
    for group, patterns in CUES.items():
        cues = [re.compile(cue, re.IGNORECASE | re.MULTILINE) for cue in patterns.split("  ")]
        count_nf = np.array([[len(cue.findall(text)) for cue in cues] for text in texts])
        found[group] = np.hstack([np.log1p(count_nf), count_nf > 0])
    return {**found, "all": np.hstack(list(found.values()))}


def predict(fitted: Bank, bank: Bank, cues: dict[str, FloatArray]) -> Part:
    """Return the questions of a bank with all lengths; those of the fitted one leave-one-out."""
    self_n = np.arange(len(bank.ids)) if bank is fitted else np.full(len(bank.ids), -1)
    tokens_unm = fitted.forecaster.predict(bank.embedding_ad, bank.features_af, self_n).tokens_uqm
    log_nm = np.log(tokens_unm[0] / fitted.forecaster.smearing_um[0])
    part = Part(bank, np.log1p(bank.outcomes.completion_tokens_am) - log_nm, cues)
    return part.select(np.flatnonzero(~np.isnan(part.residual_nm).any(axis=1)))


def print_explained(train: Part, val: Part) -> None:
    """Print R² of each group of cues, in folds of training questions and on the others."""
    part = train.select(np.random.default_rng(1).permutation(len(train.residual_nm))[:N_REFITTED])
    out = {(g, s): np.zeros_like(part.residual_nm) for g in part.cues for s in STRENGTHS}
    for both in FOLDS.split(part.residual_nm):
        old, new = (part.select(rows) for rows in both)
        fitted = replace(old.bank, forecaster=fit_forecaster(old.bank))
        old, new = predict(fitted, fitted, old.cues), predict(fitted, new.bank, new.cues)
        part.residual_nm[both[1]] = new.residual_nm
        for (group, penalty), out_nm in out.items():
            out_nm[both[1]] = ridge(old, new, group, penalty)
    weights = [bootstrap_weights(len(x.residual_nm), seed=0) for x in (part, val)]
    for group in part.cues:
        r2 = {s: difference_r2(out[group, s], part.residual_nm, weights[0][:1]) for s in STRENGTHS}
        best = max(r2, key=r2.__getitem__)
        new_r = difference_r2(ridge(train, val, group, best), val.residual_nm, weights[1])
        print(f"| {group} | {best:g} | {r2[best][0]:.4f} | {Interval.from_replicates(new_r):.4f} |")


def ridge(old: Part, new: Part, group: str, penalty: float) -> FloatArray:
    """Return predicted residuals of new questions; rare cues are not scaled up."""
    mean_f, scale_f = old.cues[group].mean(axis=0), np.maximum(old.cues[group].std(axis=0), 0.1)
    old_nf, new_nf = ((part.cues[group] - mean_f) / scale_f for part in (old, new))
    model = Ridge(alpha=penalty, fit_intercept=False).fit(old_nf, own(old.residual_nm))
    return np.asarray(model.predict(new_nf))


def tail(kind: str, train: Part, val: Part) -> FloatArray:
    """Return log score, coverage, interval score of logs, planned and real cost of each cell."""
    old_nm, new_nm = (part.bank.outcomes.completion_tokens_am for part in (train, val))
    unit_nm = (1 + new_nm) / np.exp(val.residual_nm)
    low_m, high_m = np.quantile(train.residual_nm, TOKEN_QUANTILES, axis=0)
    smearing_m = old_nm.sum(axis=0) / ((1 + old_nm) / np.exp(train.residual_nm)).sum(axis=0)
    plan_nm, score_nm = unit_nm * smearing_m, np.full_like(new_nm, np.nan)
    if kind in LAWS:
        law = np.transpose([LAWS[kind](residual_n) for residual_n in train.residual_nm.T])
        low_m, high_m = (stats.t.ppf(level, *law) for level in TOKEN_QUANTILES)
        score_nm = stats.t.logpdf(val.residual_nm, *law) - np.log1p(new_nm)
        # The mean of an exponential of t is infinite: laws end at a model's longest answer.
        draws = (unit_nm * np.exp(stats.t.ppf(u, *law)) - 1 for u in DRAWS)
        plan_nm = sum(np.minimum(draw_nm, old_nm.max(axis=0)) for draw_nm in draws) / len(DRAWS)
    beyond_nm = np.maximum(0, np.maximum(low_m - val.residual_nm, val.residual_nm - high_m))
    models, prompt_nm = val.bank.models, val.bank.outcomes.prompt_tokens_am
    costs = (cost_usd(models, prompt_nm, tokens_nm) for tokens_nm in (plan_nm, new_nm))
    return np.array([score_nm, beyond_nm == 0, high_m - low_m + 10 * beyond_nm, *costs])


if __name__ == "__main__":
    main()

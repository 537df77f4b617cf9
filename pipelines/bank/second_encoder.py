"""Whether a bank's second encoder pays: its gain on the bank's own anchors, and its cost."""

import time
from dataclasses import replace

import numpy as np

from pipelines.bank.findings import with_findings
from pipelines.terminal import Stages
from scope.bank import Bank, SecondGain
from scope.embedding import EmbedderSpec, Encoder
from scope.errors import ConfigError
from scope.predictor import fit_second_encoder, log_loss_gain
from scope.sampling import hash_sample

N_TIMED = 20
"""Questions that the second encoder embeds to measure its time, each alone."""


def with_findings_of_both(fitted: Bank, stages: Stages, *, keep: bool = False) -> Bank:
    """Return a fitted bank with its findings, and with its second encoder where that pays.

    Parameters
    ----------
    fitted : Bank
        From `scope.predictor.fit_bank`.
    stages : Stages
        Receives the progress.
    keep : bool
        Use the second encoder in any case.
    """
    stages.begin("choosing")
    found = with_findings(fitted)
    if found.second is None:
        return found
    stages.begin("fitting the second encoder")
    return with_second_encoder(found, keep=keep)


def with_second_encoder(first: Bank, *, keep: bool) -> Bank:
    """Return the bank fitted with both encoders where the second is shown to pay.

    Parameters
    ----------
    first : Bank
        From `with_findings`, with the vectors of a second encoder.
    keep : bool
        Fit it with both in any case.

    Returns
    -------
    Bank
        `first` with the gain of the second encoder, and with a joint forecaster if it is used.
    """
    from scope.report import second_encoder_gain

    both, lengthscale = fit_second_encoder(first)
    both = with_findings(both)
    assert first.second is not None  # checked by `fit_second_encoder`
    log_loss, error = log_loss_gain(first, both)
    gain = SecondGain(
        over_first=second_encoder_gain(first, both),
        log_loss=log_loss,
        log_loss_error=error,
        lengthscale=lengthscale,
        ms_per_question=_ms_per_question(first.second.embedder, _sample_texts(first)),
        used=keep,
    )
    gain = gain.model_copy(update={"used": keep or gain.pays})
    return replace(both if gain.used else first, second_gain=gain)


def _sample_texts(bank: Bank) -> list[str]:
    """Return texts of some anchors, or texts of their length where the bank keeps none."""
    rows = hash_sample(bank.ids, N_TIMED)
    if bank.prompts is not None:
        return [bank.prompts[row] for row in rows]
    return ["what is " * (int(n_chars) // 8) for n_chars in bank.features_af[rows, 0]]


def _ms_per_question(spec: EmbedderSpec, texts: list[str]) -> float | None:
    """Return the mean time of one text; None where the encoder cannot be loaded here."""
    try:
        encoder = Encoder.from_spec(spec)
    except ConfigError:
        return None
    encoder.encode(texts[:1])
    began = time.perf_counter()
    for text in texts:
        encoder.encode([text])
    return float(np.round(1_000 * (time.perf_counter() - began) / len(texts), 1))

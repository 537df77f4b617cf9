"""A learned router: from a prompt's text alone to the match probability of every arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scope.arrays import BoolArray, FloatArray
from scope.bank import ReferencePopulation
from scope.config import AnchorConfig
from scope.learned.foreign_types import Module
from scope.learned.losses import margins, n_logits, probabilities
from scope.learned.network import (
    WEIGHTS,
    best_device,
    load_weights,
    make_network,
    network_from_config,
    run_rows,
    save_weights,
    source_tokenizer,
)
from scope.learned.spec import RouterSpec, Strategy
from scope.learned.store import ROUTER, read_spec, write_spec
from scope.learned.token_rows import TextTokenizer, TokenRow, load_tokenizer
from scope.pool import ModelSpec, cost_usd
from scope.predictions import Estimates, IntervalEstimate
from scope.storage import atomic_folder, sha256

REFERENCE = "reference.npz"


@dataclass(frozen=True, slots=True)
class RouterPrediction:
    """Estimates of texts, with what went wrong.

    Attributes
    ----------
    estimates : Estimates
        NaN for a text with an error.
    errors : list of str
        Why a text has no prediction; empty for the others.
    truncated_q : ndarray of shape (n_texts,)
        Texts longer than the encoder reads; their end was cut.
    """

    estimates: Estimates
    errors: list[str]
    truncated_q: BoolArray


class LearnedRouter:
    """A trained router, loaded once; `load` reads one.

    Its estimates are those of a predictor: `p_correct` is the probability that the arm's answer
    is at least as good as that of the reference, the last arm, which itself has 1; the costs
    use mean lengths of the training prompts. So the published rule is `MinQuality(threshold)`.
    An interval of the probability is unknown. A prediction does not depend on its batch.
    """

    def __init__(
        self,
        spec: RouterSpec,
        network: Module,
        tokenizer: TextTokenizer,
        reference: ReferencePopulation | None = None,
        version: str = "",
    ) -> None:
        self.spec = spec
        self.version = version
        """Digest of the manifest, which has the digests of all files."""
        self._network, self._tokenizer, self._reference = network, tokenizer, reference

    @classmethod
    def load(cls, folder: Path | str, device: str | None = None) -> "LearnedRouter":
        """Read a folder of ``scope train router``.

        Parameters
        ----------
        folder : Path
        device : str, optional
            Of torch; None takes a GPU if there is one.

        Raises
        ------
        ConfigError
            If it is no such folder, or a file was altered.
        """
        folder = Path(folder)
        spec = read_spec(folder, ROUTER, RouterSpec)
        encoder = network_from_config(folder)
        tokenizer = source_tokenizer(
            load_tokenizer(folder), encoder, spec.pooling, spec.encoder.max_tokens
        )
        network = make_network(
            encoder,
            spec.pooling,
            tokenizer.source_position,
            spec.loss,
            n_logits(spec.loss, len(spec.models)),
        )
        load_weights(network, folder / WEIGHTS)
        has_reference = REFERENCE in spec.files
        return cls(
            spec,
            network.to(device or best_device()),
            tokenizer,
            ReferencePopulation.load(folder / REFERENCE, AnchorConfig()) if has_reference else None,
            sha256(folder / ROUTER)[:16],
        )

    def save(self, folder: Path, *, replace: bool = False) -> None:
        """Write the folder that `load` reads, whole or not at all."""
        with atomic_folder(folder, replace=replace) as draft:
            save_weights(self._network, draft / WEIGHTS)
            self._network.encoder.config.save_pretrained(str(draft))
            self._tokenizer.tokenizer.save_pretrained(str(draft))
            if self._reference is not None:
                self._reference.save(draft / REFERENCE)
            write_spec(draft, ROUTER, self.spec)

    def with_spec(self, spec: RouterSpec, reference: ReferencePopulation) -> "LearnedRouter":
        """Return the same network with another specification and reference population."""
        return LearnedRouter(spec, self._network, self._tokenizer, reference)

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms, the reference last."""
        return self.spec.arms

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """The arms with their prices, in the same order."""
        return self.spec.models

    @property
    def strategy(self) -> Strategy:
        """``hybridllm`` for one arm and the reference, else ``bestroute``."""
        return self.spec.strategy

    @property
    def threshold(self) -> float:
        """Tau of the published rule, calibrated on validation for the target drop."""
        return self.spec.threshold

    def reference_population(self) -> ReferencePopulation | None:
        """Return the predictions of the validation prompts, to which the alpha scale is fitted."""
        return self._reference

    def predict(self, texts: Sequence[str]) -> Estimates:
        """Return the estimates of texts, NaN for a text that cannot be encoded."""
        return self.predict_with_errors(texts).estimates

    def predict_with_errors(self, texts: Sequence[str]) -> RouterPrediction:
        """Return the estimates of texts, the errors, and which texts were cut."""
        rows = self._tokenizer.rows(texts)
        margin_qm = self.margins(rows)
        p_qm = probabilities(self.spec.loss, margin_qm, self.spec.calibration)
        finite_q = np.isfinite(p_qm.sum(axis=1))
        errors = [
            row.error or ("" if finite else "the encoder gave no finite value")
            for row, finite in zip(rows, finite_q, strict=True)
        ]
        p_qm[[bool(error) for error in errors]] = np.nan
        return RouterPrediction(
            self.estimates(p_qm, np.array([float(row.n_tokens) for row in rows])),
            errors,
            np.array([row.truncated for row in rows], dtype=np.bool_),
        )

    def margins(self, rows: Sequence[TokenRow]) -> FloatArray:
        """Return the uncalibrated logits of rows, one for each output."""
        width = n_logits(self.spec.loss, len(self.models))
        logit_qn = run_rows(self._network, [row.ids for row in rows], self._tokenizer.pad_id, width)
        return margins(self.spec.loss, logit_qn)

    def estimates(self, p_qm: FloatArray, tokens_q: FloatArray) -> Estimates:
        """Return estimates from match probabilities and the encoder's token counts."""
        unknown_qm = np.where(np.isnan(p_qm), np.nan, 0.0)
        lengths = self.spec.lengths
        intercept_m = np.array([arm.prompt_intercept for arm in lengths])
        slope_m = np.array([arm.prompt_slope for arm in lengths])
        prompt_qm = np.maximum(intercept_m + slope_m * tokens_q[:, None], 1.0) + unknown_qm
        completion = IntervalEstimate(
            unknown_qm + np.array([arm.completion_mean for arm in lengths]),
            unknown_qm + np.array([arm.completion_low for arm in lengths]),
            unknown_qm + np.array([arm.completion_high for arm in lengths]),
        )
        nan_qm = np.full_like(p_qm, np.nan)
        costs = (cost_usd(self.models, prompt_qm, value_qm) for value_qm in completion)
        return Estimates(
            IntervalEstimate(p_qm, nan_qm, nan_qm),
            prompt_qm,
            completion,
            IntervalEstimate(*costs),
            nan_qm,
        )

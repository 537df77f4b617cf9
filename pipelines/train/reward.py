"""Train a reward model on pairs, cross-fitted, and score samples out of fold."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.cluster.session import ray_session
from pipelines.terminal import Stages
from pipelines.train.distributed import run_job
from pipelines.train.job import (
    BEST,
    JobFolder,
    Part,
    TrainJob,
    TrainSettings,
    check_output,
    digest_of,
    pair_rows,
    working_folder,
)
from pipelines.train.pairs import Pair, fold_of
from scope.arrays import BoolArray, FloatArray
from scope.embedding import resolve_model
from scope.errors import ConfigError
from scope.learned import (
    BaseEncoder,
    RewardModel,
    RewardSpec,
    RewardText,
    TextTokenizer,
    default_max_tokens,
    load_reward_network,
    load_tokenizer,
    load_weights,
    make_pair_network,
)
from scope.samples import Samples

MIN_FOLDS = 2


@dataclass(frozen=True, slots=True)
class RewardTraining:
    """How a reward model is trained."""

    encoder: str
    revision: str | None = None
    max_tokens: int | None = None
    """Tokens of a prompt with a response; None takes the encoder's limit, at most 512."""
    folds: int = 5
    """Parts of the training prompts, each scored by a model that never read it."""
    source: str = ""
    """Where the pairs came from, for the manifest."""
    settings: TrainSettings = field(default_factory=TrainSettings)


@dataclass(frozen=True, slots=True)
class RewardResult:
    """What a training leaves besides the folder of the model."""

    spec: RewardSpec
    n_truncated: int
    """Pairs of which a text was cut."""
    still_fell: bool
    """Whether the validation loss was lowest in the last epoch."""
    samples: Samples | None
    """The samples with the new scores; None if none were given."""


def train_reward(
    pairs: Sequence[Pair],
    training: RewardTraining,
    output: Path,
    *,
    samples: Samples | None = None,
    scorer: str = "proxy",
    fresh: bool = False,
    stages: Stages | None = None,
) -> RewardResult:
    """Train on all training pairs and write the model; score samples out of fold.

    With `samples`, one more model is trained for each fold of the training prompts, on the
    pairs of the other folds; it scores the responses to the prompts of its fold. Prompts without
    a training pair are scored by the model of all pairs. An interrupted run continues.

    Parameters
    ----------
    pairs : sequence of Pair
    training : RewardTraining
    output : Path
        Folder to write; must not exist unless `fresh`.
    samples : Samples, optional
        With their responses.
    scorer : str
        Name of the new scores.
    fresh : bool
        Replace a model that is there, and start over.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong, or training fails.
    """
    stages = stages or Stages()
    check_output(output, fresh=fresh)
    if samples is not None and samples.responses_qm is None:
        raise ConfigError("the samples hold no responses, which a reward model reads")
    if samples is not None and training.folds < MIN_FOLDS:
        raise ConfigError(f"folds is {training.folds}; out-of-fold scores need at least 2")
    run = _RewardRun(training, working_folder(output, fresh=fresh), stages)
    train = [pair for pair in pairs if pair.split == "train"]
    validation = [pair for pair in pairs if pair.split == "validation"]
    if not train or not validation:
        raise ConfigError(
            f"{training.source or 'the pairs'}: {len(train)} training and {len(validation)} "
            "validation pairs; at least one of each is needed"
        )
    scored = None
    with ray_session(stages):
        model, truncated, still_fell = run.fit("all", train, validation)
        if samples is not None:
            score_qmo = run.out_of_fold(samples, model, train, validation)
            scored = replace(samples, scores={**samples.scores, scorer: score_qmo})
    spec = RewardSpec(
        encoder=run.encoder,
        n_pairs=len(train),
        accuracy=pair_accuracy(model, validation),
        seed=training.settings.seed,
        data=training.source,
    )
    model.save(output, spec, replace=fresh)
    shutil.rmtree(run.folder, ignore_errors=True)
    return RewardResult(spec, truncated, still_fell, scored)


def pair_accuracy(model: RewardModel, pairs: Sequence[Pair]) -> float | None:
    """Return the share of pairs whose chosen response scores higher; None without any."""
    prompts = [pair.prompt for pair in pairs]
    gap_n = model.score(prompts, [pair.chosen for pair in pairs])
    gap_n = gap_n - model.score(prompts, [pair.rejected for pair in pairs])
    known_n = gap_n[~np.isnan(gap_n)]
    return float((known_n > 0).mean()) if known_n.size else None


class _RewardRun:
    """The trainings of one run: one on all training pairs, and one without each fold."""

    def __init__(self, training: RewardTraining, folder: Path, stages: Stages) -> None:
        self.folder = folder
        self._training, self._stages = training, stages
        source, revision = resolve_model(training.encoder, training.revision)
        raw = load_tokenizer(source, training.revision)
        config = self._network().config
        max_tokens = training.max_tokens or default_max_tokens(raw, config)
        self._text = RewardText(TextTokenizer(raw, max_tokens))
        self.encoder = BaseEncoder(name=training.encoder, revision=revision, max_tokens=max_tokens)

    def _network(self) -> Any:  # noqa: ANN401 (a torch module)
        return load_reward_network(self._training.encoder, self._training.revision)

    def fit(
        self, name: str, train: Sequence[Pair], validation: Sequence[Pair]
    ) -> tuple[RewardModel, int, bool]:
        """Return a model of `train`, the number of pairs cut, and if its loss still fell."""
        tables: dict[Part, pa.Table] = {}
        truncated = 0
        parts: tuple[tuple[Part, Sequence[Pair]], ...] = (
            ("train", train),
            ("validation", validation),
        )
        for part, pairs in parts:
            chosen = [self._text.row(pair.prompt, pair.chosen) for pair in pairs]
            rejected = [self._text.row(pair.prompt, pair.rejected) for pair in pairs]
            both = zip(chosen, rejected, strict=True)
            truncated += sum(a.truncated or b.truncated for a, b in both)
            tables[part] = pair_rows([row.ids for row in chosen], [row.ids for row in rejected])
        job = TrainJob(
            encoder=self.encoder.model_copy(update={"revision": self._training.revision}),
            settings=self._training.settings,
            loss="pairs",
            n_logits=1,
            pad_id=self._text.tokenizer.pad_id,
            source_position=0,
            digest=digest_of(tables),
        )
        files = JobFolder(self.folder / name)
        files.open(job, tables)
        result = run_job(files, self._stages)
        network = make_pair_network(self._network())
        load_weights(network, files.path / BEST)
        return RewardModel(network.scorer, self._text), truncated, result.still_fell

    def out_of_fold(
        self,
        samples: Samples,
        final: RewardModel,
        train: Sequence[Pair],
        validation: Sequence[Pair],
    ) -> FloatArray:
        """Return scores of all samples, shape (n_prompts, n_models, n_samples)."""
        n_folds = self._training.folds
        read = {pair.prompt for pair in train}  # whatever decided the split of the pairs
        fold_q = np.array(
            [fold_of(prompt, n_folds) if prompt in read else -1 for prompt in samples.prompts]
        )
        score_qmo = np.full(samples.completion_tokens_qmo.shape, np.nan)
        score_prompts(final, samples, fold_q < 0, score_qmo)
        for fold in range(n_folds):
            model, *_ = self.fit(f"fold-{fold}", without_fold(train, fold, n_folds), validation)
            score_prompts(model, samples, fold_q == fold, score_qmo)
        return score_qmo


def without_fold(train: Sequence[Pair], fold: int, n_folds: int) -> list[Pair]:
    """Return the training pairs of all other folds.

    Raises
    ------
    ConfigError
        If there are none.
    """
    others = [pair for pair in train if fold_of(pair.prompt, n_folds) != fold]
    if not others:
        raise ConfigError(f"no training pair is left without fold {fold} of {n_folds}")
    return others


def score_prompts(
    model: RewardModel, samples: Samples, wanted_q: BoolArray, score_qmo: FloatArray
) -> None:
    """Write the scores of the responses to some prompts into `score_qmo`."""
    assert samples.responses_qm is not None  # checked by `train_reward`
    cells = [
        (q, m, o)
        for q in np.flatnonzero(wanted_q).tolist()
        for m, responses in enumerate(samples.responses_qm[q])
        for o in range(len(responses))
    ]
    if cells:
        responses = [samples.responses_qm[q][m][o] for q, m, o in cells]
        scores = model.score([samples.prompts[q] for q, _, _ in cells], responses)
        score_qmo[tuple(np.array(cells).T)] = scores

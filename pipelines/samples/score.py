"""Score responses by a reward model on Ray Data, or by a grader against gold answers."""

import hashlib
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy

from pipelines.cluster.session import RESTART_OPTIONS, ray_session
from pipelines.terminal import Stages
from scope.arrays import AnyArray, FloatArray
from scope.embedding import resolve_model
from scope.errors import ConfigError, ScopeError, join_names
from scope.questions import REFUSE, Grader, grader_for, read_questions
from scope.samples import Samples
from scope.storage import ShardFolder, split_into_shards

if TYPE_CHECKING:
    from scope.learned import RewardModel, TextForm

CORRECT = "correct"
SCORE_CPUS = 1.0
SCORES = "scores"
"""Name of the table of a shard."""


@dataclass(frozen=True, slots=True)
class RewardSource:
    """A reward model, and how it is run."""

    name: str
    """Folder or Hugging Face name."""
    form: "TextForm" = "human_assistant"
    revision: str | None = None
    max_tokens: int | None = None
    trust_remote_code: bool = False

    def load(self) -> "RewardModel":
        """Return the model.

        Raises
        ------
        ConfigError
            If it cannot be loaded.
        """
        from scope.learned import RewardModel

        return RewardModel.load(
            self.name,
            form=self.form,
            revision=self.revision,
            max_tokens=self.max_tokens,
            trust_remote_code=self.trust_remote_code,
        )

    def settings(self) -> dict[str, Any]:
        """Return what a score depends on besides prompt and response."""
        return {**asdict(self), "weights": resolve_model(self.name, self.revision)[1]}


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Samples with new scores; responses without a score are counted."""

    samples: Samples
    n_scored: int
    n_unscored: int


def score_by_reward(
    samples: Samples,
    reward: RewardSource,
    scorer: str,
    unfinished: Path,
    *,
    replicas: int = 1,
    num_gpus: float = 0.0,
    fresh: bool = False,
    stages: Stages | None = None,
) -> ScoreResult:
    """Return the samples with the scores of a reward model.

    Parameters
    ----------
    samples : Samples
        With their responses.
    reward : RewardSource
    scorer : str
        Name of the new scores.
    unfinished : Path
        Folder that keeps finished shards until all are; an interrupted run continues there.
    replicas : int
        Most models at the same time.
    num_gpus : float
        GPUs of one model.
    fresh : bool
        Forget what an interrupted run has scored.
    stages : Stages, optional

    Raises
    ------
    ConfigError
        If there are no responses, or the model cannot be loaded.
    """
    stages = stages or Stages()
    check_scorer(samples, scorer)
    settings = {**reward.settings(), "samples": _digest(samples)}
    folder = ShardFolder.open(unfinished.resolve(), settings, fresh=fresh)
    shards = split_into_shards(samples.ids)
    missing = {s: rows for s, rows in enumerate(shards) if not folder.is_complete(s)}
    if missing:
        n_done = len(samples.ids) - sum(map(len, missing.values()))
        with ray_session(stages):
            stages.begin("scoring", len(samples.ids), done=n_done)
            blocks: list[Any] = [
                ray.put(_block(samples, rows, shard)) for shard, rows in missing.items()
            ]
            plan = ray.data.from_arrow_refs(blocks).map_batches(
                ScoreActor,
                fn_constructor_kwargs={"reward": reward, "folder": folder},
                compute=ActorPoolStrategy(min_size=1, max_size=replicas),
                batch_size=None,
                batch_format="pyarrow",
                num_cpus=SCORE_CPUS,
                num_gpus=num_gpus,
                **RESTART_OPTIONS,
            )
            for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
                stages.advance(int(batch["rows"].sum()))
    score_qmo = _collect(folder, len(shards), samples)
    return _result(samples, scorer, score_qmo)


class ScoreActor:
    """Holds one reward model; scores and writes whole shards."""

    def __init__(self, reward: RewardSource, folder: ShardFolder) -> None:
        self._folder = folder
        # Ray turns an error in a constructor into text and retries it: raise it with the block.
        self._model: RewardModel | ScopeError
        try:
            self._model = reward.load()
        except ScopeError as error:
            self._model = error

    def __call__(self, block: pa.Table) -> dict[str, AnyArray]:
        """Score the responses of one shard, write it, and return the number of its prompts."""
        if isinstance(self._model, ScopeError):
            raise self._model
        prompts, responses = block["prompt"].to_pylist(), block["responses"].to_pylist()
        pairs = [
            (prompt, text)
            for prompt, by_model in zip(prompts, responses, strict=True)
            for texts in by_model
            for text in texts
        ]
        scores = iter(self._model.score(*map(list, zip(*pairs, strict=True))) if pairs else ())
        nested = [[[float(next(scores)) for _ in texts] for texts in row] for row in responses]
        table = pa.table(
            {
                "question_id": block["question_id"],
                "score": pa.array(nested, pa.list_(pa.list_(pa.float64()))),
            }
        )
        self._folder.write(block["shard"][0].as_py(), {SCORES: table})
        return {"rows": np.array([len(prompts)])}


def _block(samples: Samples, rows: AnyArray, shard: int) -> pa.Table:
    assert samples.responses_qm is not None  # checked by `check_scorer`
    responses = [samples.responses_qm[q] for q in rows]
    return pa.table(
        {
            "shard": pa.array([shard] * len(rows)),
            "question_id": [samples.ids[q] for q in rows],
            "prompt": [samples.prompts[q] for q in rows],
            "responses": pa.array(responses, pa.list_(pa.list_(pa.string()))),
        }
    )


def _collect(folder: ShardFolder, n_shards: int, samples: Samples) -> FloatArray:
    """Return all scores of finished shards."""
    folder.finished_records(n_shards)
    place = {question_id: q for q, question_id in enumerate(samples.ids)}
    score_qmo = np.full(samples.completion_tokens_qmo.shape, np.nan)
    for shard in range(n_shards):
        table = pq.read_table(folder.table_path(shard, SCORES))
        rows = zip(table["question_id"].to_pylist(), table["score"].to_pylist(), strict=True)
        for question_id, by_model in rows:
            for m, scores in enumerate(by_model):
                score_qmo[place[question_id], m, : len(scores)] = scores
    return score_qmo


def score_by_grader(
    samples: Samples,
    questions: Path,
    grader: str,
    *,
    on_too_long: str = REFUSE,
    stages: Stages | None = None,
) -> ScoreResult:
    """Return the samples with the scores ``correct``: grades against gold answers.

    A response that cannot be graded has no score, which is not a 0.

    Parameters
    ----------
    samples : Samples
        With their responses.
    questions : Path
        Questions with gold answers, by the same ids and prompts.
    grader : str
        One of `scope.questions.GRADER_NAMES`; a question's own grader goes first.
    on_too_long : str
        What is done with longer prompts of `questions`, as when the samples were drawn.
    stages : Stages, optional

    Raises
    ------
    ConfigError
        If a prompt has no question, or another text there.
    QuestionError
        If the grader cannot use a gold answer.
    """
    stages = stages or Stages()
    check_scorer(samples, CORRECT)
    graders = _graders(samples, questions, grader, on_too_long)
    assert samples.responses_qm is not None  # checked by `check_scorer`
    score_qmo = np.full(samples.completion_tokens_qmo.shape, np.nan)
    stages.begin("grading", len(samples.ids))
    for q, (prompt, (gold, graded)) in enumerate(zip(samples.prompts, graders, strict=True)):
        for m, texts in enumerate(samples.responses_qm[q]):
            for o, text in enumerate(texts):
                grade = graded.grade(text, gold, prompt)
                score_qmo[q, m, o] = np.nan if grade is None else grade
        stages.advance()
    return _result(samples, CORRECT, score_qmo)


def _graders(
    samples: Samples, questions: Path, name: str, on_too_long: str
) -> list[tuple[str | None, Grader]]:
    asked = read_questions(questions, on_too_long=on_too_long)
    place = {question_id: n for n, question_id in enumerate(asked.ids)}
    if missing := [question_id for question_id in samples.ids if question_id not in place]:
        raise ConfigError(f"{questions} lacks {len(missing):,} prompts: {join_names(missing)}")
    graders = []
    for question_id, prompt in zip(samples.ids, samples.prompts, strict=True):
        n = place[question_id]
        where = f"{questions}: question {question_id}"
        if asked.prompts[n] != prompt:
            raise ConfigError(f"{where} has another prompt than the samples")
        gold = asked.gold_answers[n]
        graders.append((gold, grader_for(asked.graders[n] or name, gold, prompt, where)))
    return graders


def check_scorer(samples: Samples, scorer: str) -> None:
    """Raise `ConfigError` if there are no responses to score, or such scores already."""
    if samples.responses_qm is None:
        raise ConfigError("the samples hold no responses, which are to be scored")
    if scorer in samples.scores:
        raise ConfigError(f"the samples have scores {scorer!r} already; choose another --scorer")


def _result(samples: Samples, scorer: str, score_qmo: FloatArray) -> ScoreResult:
    n_scored = int((~np.isnan(score_qmo)).sum())
    scored = replace(samples, scores={**samples.scores, scorer: score_qmo})
    return ScoreResult(scored, n_scored, int(samples.known_qmo().sum()) - n_scored)


def _digest(samples: Samples) -> str:
    """Return a digest of ids, prompts and responses."""
    digest = hashlib.sha256()
    for question_id, prompt, texts in zip(
        samples.ids, samples.prompts, samples.responses_qm or (), strict=True
    ):
        digest.update(repr((question_id, prompt, texts)).encode())
    digest.update(repr(samples.models).encode())
    return digest.hexdigest()[:16]


def unfinished_folder(output: Path) -> Path:
    """Return the folder of finished shards beside an output file."""
    return output.with_name(f".{output.name}.unfinished")


def remove_unfinished(output: Path) -> None:
    """Remove the folder of shards once the output is written."""
    shutil.rmtree(unfinished_folder(output), ignore_errors=True)

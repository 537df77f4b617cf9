"""Ask the reasoner what the cache lacks; each answer is kept as it comes."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.cluster.capacity import check_engine_capacity, gpus_of
from pipelines.cluster.session import RESTART_OPTIONS, quiet_logging
from pipelines.embedding.cached import open_cache
from pipelines.reasoner.answer_writer import AnswerWriter
from pipelines.reasoner.prompt_actor import PromptActor, PromptTask
from pipelines.reasoner.request import QueryBatch, QueryResult, ReasonerRun, ReasonerUsage
from pipelines.terminal import Stages
from scope.arrays import AnyArray, IntArray
from scope.reasoner import (
    AnswerCache,
    CachedAnswer,
    PromptTokenizer,
    ReasonerFingerprint,
    ReasonerPredictions,
)

PROMPT_QUESTIONS = 128
"""Questions whose prompts are sorted together: what begins alike is read once."""

PROMPT_CPUS = 0.5
"""Reserved by one writer of prompts."""

NO_ANSWER = "no answer came back"


def query_reasoner(
    inquiry: QueryBatch, blocks: Dataset, stored: Path | None, reasoner: ReasonerRun, stages: Stages
) -> QueryResult:
    """Return all answers; what the cache lacks is asked, each thing once.

    To be called where Ray runs. What was once answered is never asked again: a run that is
    killed loses some seconds of work.

    Parameters
    ----------
    inquiry : QueryBatch
    blocks : Dataset
        The questions, as `QuestionSource.blocks` has them.
    stored : Path or None
        The bank that has their vectors, if they are labelled.
    reasoner : ReasonerRun
    stages : Stages
        Gets the stages ``starting the engine`` and ``asking``, if there is something to ask.

    Raises
    ------
    EngineError
        If no engine can be started, or one dies again and again.
    ClusterError
        If engines do not fit, or Ray is lost.
    ConfigError
        If answers cannot be kept.
    """
    cells = np.argwhere(inquiry.wanted_qm)
    asks = inquiry.keys(cells)
    fingerprint = ReasonerFingerprint(reasoner=reasoner.spec, evidence=inquiry.evidence)
    pinned = reasoner.spec.revision is not None
    with open_cache(AnswerCache, reasoner.cache, fingerprint, pinned=pinned) as cache:
        missing, keys = np.array(cache.missing(asks), dtype=np.int64), cache.keys(asks)
        tally = ReasonerUsage(len(asks), len(asks) - len(missing), gpus_of(reasoner.engine))
        key_of = {(int(q), int(m)): keys[n] for n in missing for q, m in [cells[n]]}
        with closing(AnswerWriter(cache, key_of, tally)) as keeper:
            if missing.size:
                wanted_qm = np.zeros_like(inquiry.wanted_qm)
                wanted_qm[tuple(cells[missing].T)] = True
                # What was learned from the anchors is no part of a prompt.
                bank = replace(inquiry.bank, forecaster=None, reference=None, reasoner=None)
                task = PromptTask(bank, reasoner.config, wanted_qm, stored)
                _execute(query_dataset(blocks, task, reasoner), keeper, tally, stages)
        return _collect(cache, keeper.failed, cells, keys, inquiry.wanted_qm.shape, tally)


def query_dataset(blocks: Dataset, task: PromptTask, reasoner: ReasonerRun) -> Dataset:
    """Return the plan from questions to answers."""
    config = reasoner.config
    check_engine_capacity(reasoner.engine, reasoner.n_engines)
    tokens = PromptTokenizer.load(config.checkpoint, config.revision, config.trust_remote_code)
    # An engine must not wait for another: answers are kept in the order they come.
    blocks.context.execution_options.preserve_order = False
    prompts = blocks.map_batches(
        PromptActor,
        fn_constructor_kwargs={"task": ray.put(task)},
        compute=ActorPoolStrategy(min_size=1, max_size=reasoner.n_engines),
        batch_size=PROMPT_QUESTIONS,
        batch_format="numpy",
        num_cpus=PROMPT_CPUS,
        **RESTART_OPTIONS,
    )
    with quiet_logging():
        from pipelines.reasoner.llm_stage import answer_dataset  # and with it vLLM

        return answer_dataset(prompts, config, reasoner.engine, tokens, reasoner.n_engines)


def _execute(plan: Dataset, keeper: AnswerWriter, tally: ReasonerUsage, stages: Stages) -> None:
    """Carry the plan out; asking begins where the first answers come."""
    stages.begin("starting the engine")
    for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
        if not tally.n_queried:
            stages.begin("asking", tally.n_wanted, done=tally.n_known)
        stages.advance(len(batch["row"]), errors=keeper.add(batch))


def _collect(
    cache: AnswerCache,
    failed: Mapping[bytes, str],
    cells: IntArray,
    keys: AnyArray,
    shape: tuple[int, ...],
    tally: ReasonerUsage,
) -> QueryResult:
    """Look up all answers, as they are on the disk, each in its cell."""
    found, answer_na = cache.lookup(keys)
    p_yes_qm, tokens_qm = np.full(shape, np.nan), np.full(shape, np.nan)
    if found.any():
        here = tuple(cells[found].T)
        p_yes_qm[here] = answer_na[found, CachedAnswer._fields.index("p_yes")]
        tokens_qm[here] = answer_na[found, CachedAnswer._fields.index("tokens")]
    lost = np.flatnonzero(~found)
    errors = {
        (int(q), int(m)): failed.get(key, NO_ANSWER)
        for (q, m), key in zip(cells[lost], keys[lost], strict=True)
    }
    return QueryResult(ReasonerPredictions(p_yes_qm, tokens_qm), errors, tally)

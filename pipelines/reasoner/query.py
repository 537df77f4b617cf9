"""Query the reasoner for the answers that the cache lacks; each is cached as it arrives."""

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
"""Questions whose prompts are sorted together, so that the prefix cache serves them."""

PROMPT_CPUS = 0.5
"""CPUs reserved by one prompt actor."""

NO_ANSWER = "no answer came back"


def query_reasoner(
    queries: QueryBatch, blocks: Dataset, stored: Path | None, reasoner: ReasonerRun, stages: Stages
) -> QueryResult:
    """Return all answers; query the engines for those that the cache lacks, each once.

    Needs a running Ray. Answers are cached as they arrive: a killed run loses seconds of work.

    Parameters
    ----------
    queries : QueryBatch
    blocks : Dataset
        The questions, as returned by `QuestionSource.blocks`.
    stored : Path or None
        The bank that holds their vectors, if they are labelled.
    reasoner : ReasonerRun
    stages : Stages
        Begins the stages ``starting the engine`` and ``querying`` if the cache lacks an answer.

    Raises
    ------
    EngineError
        If no engine can be started, or one dies again and again.
    ClusterError
        If the engines do not fit, or Ray is lost.
    ConfigError
        If answers cannot be cached.
    """
    cells = np.argwhere(queries.wanted_qm)
    answer_keys = queries.keys(cells)
    pool = queries.bank.model_ids if reasoner.config.form == "pool" else ()
    fingerprint = ReasonerFingerprint(reasoner=reasoner.spec, evidence=queries.evidence, pool=pool)
    pinned = reasoner.spec.revision is not None
    with open_cache(AnswerCache, reasoner.cache, fingerprint, pinned=pinned) as cache:
        missing = np.array(cache.missing(answer_keys), dtype=np.int64)
        keys = cache.keys(answer_keys)
        n_cached = len(answer_keys) - len(missing)
        usage = ReasonerUsage(len(answer_keys), n_cached, gpus_of(reasoner.engine))
        key_of = {(int(q), int(m)): keys[n] for n in missing for q, m in [cells[n]]}
        with closing(AnswerWriter(cache, key_of, usage)) as writer:
            if missing.size:
                missing_qm = np.zeros_like(queries.wanted_qm)
                missing_qm[tuple(cells[missing].T)] = True
                # Prompts need none of the fitted parts.
                bank = replace(queries.bank, forecaster=None, reference=None, reasoner=None)
                task = PromptTask(bank, reasoner.config, missing_qm, stored)
                _execute(query_dataset(blocks, task, reasoner), writer, usage, stages)
        return _collect(cache, writer.failed, cells, keys, queries.wanted_qm.shape, usage)


def query_dataset(blocks: Dataset, task: PromptTask, reasoner: ReasonerRun) -> Dataset:
    """Return the plan from questions to answers."""
    config = reasoner.config
    check_engine_capacity(reasoner.engine, reasoner.n_engines)
    tokens = PromptTokenizer.load(config.checkpoint, config.revision, config.trust_remote_code)
    # Answers are cached in the order of their arrival, so that no engine waits for another.
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
        from pipelines.reasoner.llm_stage import answer_dataset  # imports vLLM

        return answer_dataset(
            prompts,
            config,
            reasoner.engine,
            tokens,
            n_engines=reasoner.n_engines,
            n_models=len(task.bank.models),
        )


def _execute(plan: Dataset, writer: AnswerWriter, usage: ReasonerUsage, stages: Stages) -> None:
    """Run the plan; the stage ``querying`` begins with the first answers."""
    stages.begin("starting the engine")
    for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
        n_before = usage.n_queried
        if not n_before:
            stages.begin("querying", usage.n_requested, done=usage.n_cached)
        n_failed = writer.add(batch)
        stages.advance(usage.n_queried - n_before, errors=n_failed)


def _collect(
    cache: AnswerCache,
    failed: Mapping[bytes, str],
    cells: IntArray,
    keys: AnyArray,
    shape: tuple[int, ...],
    usage: ReasonerUsage,
) -> QueryResult:
    """Read all answers from the cache into matrices; a missing one has an error."""
    found, answer_na = cache.lookup(keys)
    p_yes_qm, tokens_qm = np.full(shape, np.nan), np.full(shape, np.nan)
    if found.any():
        index = tuple(cells[found].T)
        p_yes_qm[index] = answer_na[found, CachedAnswer._fields.index("p_yes")]
        tokens_qm[index] = answer_na[found, CachedAnswer._fields.index("tokens")]
    missing = np.flatnonzero(~found)
    errors = {
        (int(q), int(m)): failed.get(key, NO_ANSWER)
        for (q, m), key in zip(cells[missing], keys[missing], strict=True)
    }
    return QueryResult(ReasonerPredictions(p_yes_qm, tokens_qm), errors, usage)

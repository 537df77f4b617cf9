"""Ask the reasoner what the cache lacks; each answer is kept as it comes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import ray
from ray.data import ActorPoolStrategy, Dataset

from pipelines.answer_keeper import AnswerKeeper, unwritable
from pipelines.engines import check_engines, gpus_of
from pipelines.inquiry import Asked, Inquiry, Reasoner
from pipelines.prompt_actor import PromptActor, PromptTask
from pipelines.session import RESTARTS, quiet
from pipelines.stages import Stages
from pipelines.tally import Tally
from scope.answer_cache import AnswerCache, AnswerRecipe, AnswerRow
from scope.answers import Answers
from scope.arrays import Array, Ints
from scope.tokens import Tokens

PROMPT_QUESTIONS = 128
"""Questions whose prompts are sorted together: what begins alike is read once."""

PROMPT_CPUS = 0.5
"""Reserved by one writer of prompts."""

LOST = "no answer came back"


def ask(
    inquiry: Inquiry, blocks: Dataset, stored: Path | None, reasoner: Reasoner, stages: Stages
) -> Asked:
    """Return all answers; what the cache lacks is asked, each thing once.

    To be called where Ray runs. What was once answered is never asked again: a run that is
    killed loses some seconds of work.

    Parameters
    ----------
    inquiry : Inquiry
    blocks : Dataset
        The questions, as `QuestionSource.blocks` has them.
    stored : Path or None
        The bank that has their vectors, if they are labelled.
    reasoner : Reasoner
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
    asks = inquiry.asks(cells)
    with open_answers(reasoner, inquiry.evidence) as cache:
        missing, keys = np.array(cache.missing(asks), dtype=np.int64), cache.keys(asks)
        tally = Tally(len(asks), len(asks) - len(missing), gpus_of(reasoner.engine))
        key_of = {(int(q), int(m)): keys[n] for n in missing for q, m in [cells[n]]}
        with AnswerKeeper(cache, key_of, tally) as keeper:
            if missing.size:
                wanted_qm = np.zeros_like(inquiry.wanted_qm)
                wanted_qm[tuple(cells[missing].T)] = True
                # What was learned from the anchors is no part of a prompt.
                bank = replace(inquiry.bank, forecaster=None, calibration=None, reasoner=None)
                task = PromptTask(bank, reasoner.config, wanted_qm, stored)
                _take_all(plan_of(blocks, task, reasoner), keeper, tally, stages)
        return _gathered(cache, keeper.failed, cells, keys, inquiry.wanted_qm.shape, tally)


@contextmanager
def open_answers(reasoner: Reasoner, evidence: str) -> Iterator[AnswerCache]:
    """Yield the cache of a reasoner's answers, or one that is gone afterwards.

    That is so if nothing is to be kept, and if nobody knows which weights a name stands for.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    """
    recipe = AnswerRecipe(reasoner=reasoner.spec, evidence=evidence)
    if reasoner.cache is None or reasoner.spec.revision is None:
        with TemporaryDirectory(prefix="scope-answers-") as folder:
            yield AnswerCache(Path(folder), recipe)
        return
    try:
        cache = AnswerCache(reasoner.cache, recipe)
    except OSError as error:
        raise unwritable(str(reasoner.cache), error) from error
    yield cache


def plan_of(blocks: Dataset, task: PromptTask, reasoner: Reasoner) -> Dataset:
    """Return the plan from questions to answers."""
    config = reasoner.config
    check_engines(reasoner.engine, reasoner.n_engines)
    tokens = Tokens.load(config.checkpoint, config.revision, config.trust_remote_code)
    # An engine must not wait for another: answers are kept in the order they come.
    blocks.context.execution_options.preserve_order = False
    prompts = blocks.map_batches(
        PromptActor,
        fn_constructor_kwargs={"task": ray.put(task)},
        compute=ActorPoolStrategy(min_size=1, max_size=reasoner.n_engines),
        batch_size=PROMPT_QUESTIONS,
        batch_format="numpy",
        num_cpus=PROMPT_CPUS,
        **RESTARTS,
    )
    with quiet():
        from pipelines.llm_stage import answered  # and with it vLLM

        return answered(prompts, config, reasoner.engine, tokens, reasoner.n_engines)


def _take_all(plan: Dataset, keeper: AnswerKeeper, tally: Tally, stages: Stages) -> None:
    """Carry the plan out; asking begins where the first answers come."""
    stages.begin("starting the engine")
    for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
        if not tally.n_asked:
            stages.begin("asking", tally.n_wanted, done=tally.n_known)
        stages.advance(len(batch["row"]), errors=keeper.take(batch))


def _gathered(
    cache: AnswerCache,
    failed: Mapping[bytes, str],
    cells: Ints,
    keys: Array,
    shape: tuple[int, ...],
    tally: Tally,
) -> Asked:
    """Look up all answers, as they are on the disk, each in its cell."""
    found, answer_na = cache.find(keys)
    p_yes_qm, tokens_qm = np.full(shape, np.nan), np.full(shape, np.nan)
    if found.any():
        here = tuple(cells[found].T)
        p_yes_qm[here] = answer_na[found, AnswerRow._fields.index("p_yes")]
        tokens_qm[here] = answer_na[found, AnswerRow._fields.index("tokens")]
    lost = np.flatnonzero(~found)
    errors = {
        (int(q), int(m)): failed.get(key, LOST)
        for (q, m), key in zip(cells[lost], keys[lost], strict=True)
    }
    return Asked(Answers(p_yes_qm, tokens_qm), errors, tally)

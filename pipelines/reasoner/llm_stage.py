"""Engines under Ray Data: the plan that turns prompts into answers."""

from pathlib import Path
from typing import Any

from ray.data import Dataset
from ray.data.llm import Processor, build_processor, vLLMEngineProcessorConfig

from pipelines.cluster.session import RESTART_OPTIONS
from pipelines.reasoner.engine_worker import EngineWorker, ReplyParser
from scope.reasoner import (
    EngineConfig,
    PromptTokenizer,
    ReasonerConfig,
    is_local_path,
    sampling_params,
    vllm_engine_kwargs,
)

BATCH_ROWS = 32
"""Prompts of one batch: few enough that a batch need not wait long for its slowest."""

BATCHES_AT_ONCE = 8
"""Batches inside one engine: there is always a prompt for the next free place."""

STAGE = "vLLMEngineStage"


def answer_dataset(
    prompts: Dataset,
    config: ReasonerConfig,
    engine: EngineConfig,
    tokens: PromptTokenizer,
    n_engines: int,
) -> Dataset:
    """Return the plan: rows with a ``prompt`` get what was answered, as `ReplyParser.answer` says.

    Parameters
    ----------
    prompts : Dataset
    config : ReasonerConfig
    engine : EngineConfig
    tokens : PromptTokenizer
        Of the checkpoint.
    n_engines : int
        Engines that work at the same time.
    """
    reading = ReplyParser(config, _sampling(config, tokens), tokens.yes_id, tokens.no_id)
    # Blocks of a batch: Ray hands a block on only when the last of its batches is through.
    small = prompts.repartition(target_num_rows_per_block=BATCH_ROWS)
    return processor(config, engine, reading, n_engines)(small)


def processor(
    config: ReasonerConfig, engine: EngineConfig, reading: ReplyParser, n_engines: int
) -> Processor:
    """Return Ray's processor of prompts with our worker in it."""
    built = build_processor(
        vLLMEngineProcessorConfig(
            model_source=model_source(config),
            engine_kwargs=engine_arguments(config, engine),
            placement_group_config=engine.placement,
            batch_size=BATCH_ROWS,
            max_concurrent_batches=BATCHES_AT_ONCE,
            concurrency=(n_engines, n_engines),
            should_continue_on_error=True,
            log_engine_metrics=False,  # needs a port of Ray that a job does not open
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
        )
    )
    stage = built.get_stage_by_name(STAGE)
    # Not by assignment: Ray would work out the stage's resources again, from what is left.
    stage.__dict__["fn"] = EngineWorker
    stage.fn_constructor_kwargs["reading"] = reading
    stage.map_batches_kwargs.update(RESTART_OPTIONS)
    return built


def engine_arguments(config: ReasonerConfig, engine: EngineConfig) -> dict[str, Any]:
    """Return what vLLM is told; its statistics would go to a log of Ray's after each batch."""
    return {**vllm_engine_kwargs(config, engine), "disable_log_stats": True}


def model_source(config: ReasonerConfig) -> str:
    """Return what vLLM loads; workers stand elsewhere: a folder needs its whole name."""
    checkpoint = config.checkpoint
    return str(Path(checkpoint).resolve()) if is_local_path(checkpoint) else checkpoint


def _sampling(config: ReasonerConfig, tokens: PromptTokenizer) -> dict[str, Any]:
    """Return the sampling parameters of one prompt, all its samples together."""
    return {**sampling_params(config, tokens), "n": config.samples}

"""Engines under Ray Data: the plan that turns prompts into answers."""

from pathlib import Path
from typing import Any

from ray.data import Dataset
from ray.data.llm import Processor, build_processor, vLLMEngineProcessorConfig

from pipelines.reasoner.engine_worker import ReplyParser, use_engine_worker
from scope.reasoner import (
    EngineConfig,
    PromptTokenizer,
    ReasonerConfig,
    is_local_path,
    sampling_params,
    vllm_engine_kwargs,
)

BATCH_ROWS = 32
"""Prompts per batch: few, as a batch ends with its slowest prompt."""

MAX_CONCURRENT_BATCHES = 8
"""Batches in one engine at a time: enough that the engine always has a prompt waiting."""


def answer_dataset(
    prompts: Dataset,
    config: ReasonerConfig,
    engine: EngineConfig,
    tokens: PromptTokenizer,
    *,
    n_engines: int,
    n_models: int,
) -> Dataset:
    """Return the plan: rows with a ``prompt`` become answers (see `ReplyParser.answer`).

    Parameters
    ----------
    prompts : Dataset
    config : ReasonerConfig
    engine : EngineConfig
    tokens : PromptTokenizer
        Tokenizer of the checkpoint.
    n_engines, n_models : int
        Models that a prompt of form ``pool`` is about.
    """
    # All samples of a prompt are requested together.
    sampling = {**sampling_params(config, tokens, n_models), "n": config.samples}
    parser = ReplyParser(config, sampling, tokens.yes_id, tokens.no_id, n_models)
    # One batch per block: Ray passes a block on only when all of its batches are done.
    small = prompts.repartition(target_num_rows_per_block=BATCH_ROWS)
    processor = make_processor(config, engine, n_engines)
    use_engine_worker(processor, parser, on_cpu=engine.accelerator == "cpu")
    return processor(small)


def make_processor(config: ReasonerConfig, engine: EngineConfig, n_engines: int) -> Processor:
    """Return Ray's processor of prompts."""
    return build_processor(
        vLLMEngineProcessorConfig(
            model_source=model_source(config),
            engine_kwargs=engine_arguments(config, engine),
            placement_group_config=engine.placement,
            batch_size=BATCH_ROWS,
            max_concurrent_batches=MAX_CONCURRENT_BATCHES,
            concurrency=(n_engines, n_engines),
            should_continue_on_error=True,
            log_engine_metrics=False,  # needs a metrics port, which a job does not open
            chat_template_stage=False,
            tokenize_stage=False,
            detokenize_stage=False,
        )
    )


def engine_arguments(config: ReasonerConfig, engine: EngineConfig) -> dict[str, Any]:
    """Return the arguments of vLLM's engine; its statistics after each batch are not logged."""
    return {**vllm_engine_kwargs(config, engine), "disable_log_stats": True}


def model_source(config: ReasonerConfig) -> str:
    """Return the checkpoint; a path is absolute, as workers have another working directory."""
    checkpoint = config.checkpoint
    return str(Path(checkpoint).resolve()) if is_local_path(checkpoint) else checkpoint

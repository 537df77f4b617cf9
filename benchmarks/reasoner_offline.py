"""Query a reasoner through the pipeline, against a bare ``vllm.LLM``, with and without reasoning.

A tiny checkpoint with random weights runs on the CPU: the overhead around the network is
compared. Both get the same prompts and settings of vLLM, and both are warm: the bare engine has
answered some prompts before; the first answers of the pipeline are not counted, those in progress
at that time in part.
"""

import os
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from benchmarks.clock import seconds
from pipelines.cluster.session import ray_session
from pipelines.embedding.cached import to_fixed_size_list
from pipelines.reasoner.answer_writer import AnswerWriter
from pipelines.reasoner.prompt_actor import PromptActor, PromptTask
from pipelines.reasoner.query import query_dataset
from pipelines.reasoner.request import QueryBatch, ReasonerRun, ReasonerUsage
from scope.arrays import FloatArray
from scope.bank.bank import Bank
from scope.embedding.spec import EmbedderSpec
from scope.reasoner.answer_cache import AnswerCache, ReasonerFingerprint
from scope.reasoner.engine import EngineConfig
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of, unit
from tests.factories.checkpoints import tiny_checkpoint

N_ANCHORS, N_DIMENSIONS = 300, 64
N_PROMPTS = {"none": 900, "full": 66}
"""Prompts by mode of reasoning."""
N_WARM = {"none": 300, "full": 16}
"""Of these, not counted."""
TARGET_SHARE, TARGET_RATIO = 0.85, 10.0
CONTEXT = 4_096
BLOCK_QUESTIONS = 128
ENGINE = EngineConfig(
    accelerator="cpu", dtype="bfloat16", eager=True, cpus_per_worker=2.0, max_num_seqs=16
)


def bank() -> Bank:
    """Return anchors with texts of some hundred characters and random outcomes."""
    rng = np.random.default_rng(0)
    prompts = tuple(
        f"A train leaves town {n} at {n % 24} o'clock. " + "It stops on its way. " * (n % 9)
        for n in range(N_ANCHORS)
    )
    return replace(
        bank_of(
            rng.random((N_ANCHORS, 3)) < 0.6,
            models=(SMALL, MIDDLE, LARGE),
            embedding=unit(rng.standard_normal((N_ANCHORS, N_DIMENSIONS))),
            prompts=prompts,
            tokens=rng.integers(20, 900, (N_ANCHORS, 3)).astype(float),
        ),
        embedder=EmbedderSpec(name="random", revision="1", dimension=N_DIMENSIONS),
    )


def questions(n: int) -> pa.Table:
    """Return questions with random vectors, in the columns of the pipeline."""
    rng = np.random.default_rng(1)
    texts = [f"How far is it from {q} to {q + 7}? " + "Think. " * (q % 5) for q in range(n)]
    embedding = unit(rng.standard_normal((n, N_DIMENSIONS)))
    return pa.table(
        {"row": np.arange(n), "prompt": texts, "embedding": to_fixed_size_list(embedding)}
    )


def reasoner(checkpoint: Path, reasoning: str) -> ReasonerRun:
    """Return the settings of the reasoner."""
    config = ReasonerConfig.model_validate(
        {"checkpoint": str(checkpoint), "reasoning": reasoning, "max_context_tokens": CONTEXT}
    )
    return ReasonerRun(config, ReasonerSpec.from_config(config), ENGINE)


def pipeline(run: ReasonerRun, anchors: Bank) -> tuple[FloatArray, list[str]]:
    """Answer all questions through the pipeline.

    Returns
    -------
    rate : ndarray of shape (2,)
        Prompt and generated tokens per second, and predictions per second, when warm.
    prompts : list of str
        The prompts, in the order of the questions.
    """
    n, warm = N_PROMPTS[run.config.reasoning], N_WARM[run.config.reasoning]
    table, n_models = questions(n // 3), len(anchors.models)
    wanted_qm = np.ones((n // 3, n_models), dtype=np.bool_)
    task = PromptTask(anchors, run.config, wanted_qm, None)
    queries = QueryBatch(table["prompt"].to_pylist(), [None] * (n // 3), wanted_qm, anchors, "e")
    cells = np.argwhere(wanted_qm)
    parts = [table.slice(start, BLOCK_QUESTIONS) for start in range(0, n // 3, BLOCK_QUESTIONS)]
    batches: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        cache = AnswerCache(Path(folder), ReasonerFingerprint(reasoner=run.spec, evidence="e"))
        keys = cache.keys(queries.keys(cells))
        key_of = {(int(q), int(m)): key for (q, m), key in zip(cells, keys, strict=True)}
        blocks = ray.data.from_arrow_refs([ray.put(part) for part in parts])
        with closing(AnswerWriter(cache, key_of, ReasonerUsage(n))) as writer:
            plan = query_dataset(blocks, task, run)
            for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
                writer.add(batch)
                batches.append(batch)
    prompt_actor = PromptActor(ray.put(task))
    prompts = [p for part in parts for p in prompt_actor(_batch(part))["prompt"].tolist()]
    return warm_rate(batches, warm), prompts


def warm_rate(batches: list[dict[str, Any]], n_warm: int) -> FloatArray:
    """Return tokens and predictions per second after the end of the first `n_warm` answers."""
    columns = ("begun_s", "ended_s", "prompt_tokens", "generated_tokens")
    started_n, ended_n, prompt_n, generated_n = (
        np.concatenate([b[c] for b in batches]) for c in columns
    )
    start_s = np.sort(ended_n)[n_warm - 1]
    share_n = (ended_n - np.maximum(started_n, start_s)).clip(0) / (ended_n - started_n)
    counted = np.array([share_n @ (prompt_n + generated_n), share_n.sum()])
    rate: FloatArray = counted / (ended_n.max() - start_s)
    return rate


def bare(runs: dict[str, ReasonerRun], prompts: dict[str, list[str]]) -> dict[str, float]:
    """Return tokens per second of one ``vllm.LLM`` on the same prompts, by reasoning."""
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    from pipelines.reasoner.llm_stage import engine_arguments, model_source
    from scope.reasoner.answers import sampling_params
    from scope.reasoner.tokenizer import PromptTokenizer

    first = next(iter(runs.values())).config
    llm = LLM(model=model_source(first), **engine_arguments(first, ENGINE))
    rates = {}
    for reasoning, texts in prompts.items():
        config = runs[reasoning].config
        sampling = sampling_params(config, PromptTokenizer.load(config.checkpoint))
        grammar = StructuredOutputsParams(**sampling.pop("structured_outputs"))
        params = SamplingParams(**sampling, structured_outputs=grammar)
        warm = N_WARM[reasoning]
        llm.generate(texts[:warm], params, use_tqdm=False)

        def generate(
            texts: list[str] = texts[warm:],
            params: SamplingParams = params,
        ) -> list[Any]:
            return llm.generate(texts, params, use_tqdm=False)

        duration_s, outputs = seconds(generate)
        tokens = sum(len(o.prompt_token_ids) + len(o.outputs[0].token_ids) for o in outputs)
        rates[reasoning] = tokens / duration_s
    return rates


def _batch(part: pa.Table) -> dict[str, Any]:
    embedding = list(part["embedding"].to_numpy(zero_copy_only=False))
    return {
        "row": part["row"].to_numpy(),
        "prompt": part["prompt"].to_pylist(),
        "embedding": embedding,
    }


def main() -> None:
    """Run both and compare."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    anchors, modes = bank(), sys.argv[1:] or list(N_PROMPTS)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_checkpoint(Path(folder))
        runs = {reasoning: reasoner(checkpoint, reasoning) for reasoning in modes}
        with ray_session():
            found = {reasoning: pipeline(run, anchors) for reasoning, run in runs.items()}
        baseline = bare(runs, {reasoning: prompts for reasoning, (_, prompts) in found.items()})
    for reasoning, (rate, _) in found.items():
        share = rate[0] / baseline[reasoning]
        verdict = "met" if share >= TARGET_SHARE else "NOT met"
        print(
            f"reasoning {reasoning}, {N_PROMPTS[reasoning]:,} prompts, tiny checkpoint on the CPU"
        )
        print(f"  bare vllm.LLM: {baseline[reasoning]:,.0f} tokens/s, prompt and generated")
        print(f"  ours: {rate[0]:,.0f} tokens/s, {rate[1]:.1f} predictions/s")
        print(f"  share {share:.2f} (target ≥ {TARGET_SHARE:g}: {verdict})")
    if set(N_PROMPTS) <= set(found):
        ratio = found["none"][0][1] / found["full"][0][1]
        verdict = "met" if ratio >= TARGET_RATIO else "NOT met"
        print(
            f"predictions/s without reasoning over those with full reasoning: {ratio:.1f}", end=" "
        )
        print(f"(target ≥ {TARGET_RATIO:g}: {verdict})")


if __name__ == "__main__":
    main()

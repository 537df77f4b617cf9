"""Ask a reasoner through the pipeline, against a bare ``vllm.LLM``; answers at once, and reasoned.

A tiny checkpoint with random weights on the CPU: what is compared is all that is not the network.
Both get the same prompts with the same settings of vLLM, and both are warm: the bare engine has
answered some prompts before; of the pipeline's answers the first are not counted, and of those that
were under way then the share that was.
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
N_ASKED = {"none": 900, "full": 66}
"""Prompts by how long a reply may reason."""
N_WARM = {"none": 300, "full": 16}
"""Of these, left out."""
WANTED_SHARE, WANTED_RATIO = 0.85, 10.0
CONTEXT = 4_096
BLOCK_QUESTIONS = 128
ENGINE = EngineConfig(
    accelerator="cpu", dtype="bfloat16", eager=True, cpus_per_worker=2.0, max_num_seqs=16
)


def bank() -> Bank:
    """Return anchors with texts of some hundred characters, outcomes at random."""
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
    """Return questions of random vectors, as the pipeline has them."""
    rng = np.random.default_rng(1)
    texts = [f"How far is it from {q} to {q + 7}? " + "Think. " * (q % 5) for q in range(n)]
    embedding = unit(rng.standard_normal((n, N_DIMENSIONS)))
    return pa.table(
        {"row": np.arange(n), "prompt": texts, "embedding": to_fixed_size_list(embedding)}
    )


def reasoner(checkpoint: Path, reasoning: str) -> ReasonerRun:
    """Return who is asked."""
    config = ReasonerConfig.model_validate(
        {"checkpoint": str(checkpoint), "reasoning": reasoning, "max_context_tokens": CONTEXT}
    )
    return ReasonerRun(config, ReasonerSpec.from_config(config), ENGINE)


def pipeline(asked: ReasonerRun, anchors: Bank) -> tuple[FloatArray, list[str]]:
    """Answer all questions through the pipeline.

    Returns
    -------
    rate : ndarray of shape (2,)
        Tokens, read and written, and predictions a second, once it is warm.
    prompts : list of str
        What was asked, in that order.
    """
    n, warm = N_ASKED[asked.config.reasoning], N_WARM[asked.config.reasoning]
    table, n_models = questions(n // 3), len(anchors.models)
    wanted_qm = np.ones((n // 3, n_models), dtype=np.bool_)
    task = PromptTask(anchors, asked.config, wanted_qm, None)
    queries = QueryBatch(table["prompt"].to_pylist(), [None] * (n // 3), wanted_qm, anchors, "e")
    cells = np.argwhere(wanted_qm)
    parts = [table.slice(start, BLOCK_QUESTIONS) for start in range(0, n // 3, BLOCK_QUESTIONS)]
    batches: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        cache = AnswerCache(Path(folder), ReasonerFingerprint(reasoner=asked.spec, evidence="e"))
        keys = cache.keys(queries.keys(cells))
        key_of = {(int(q), int(m)): key for (q, m), key in zip(cells, keys, strict=True)}
        blocks = ray.data.from_arrow_refs([ray.put(part) for part in parts])
        with closing(AnswerWriter(cache, key_of, ReasonerUsage(n))) as writer:
            plan = query_dataset(blocks, task, asked)
            for batch in plan.iter_batches(batch_size=None, batch_format="numpy"):
                writer.add(batch)
                batches.append(batch)
    actor = PromptActor(ray.put(task))
    prompts = [p for part in parts for p in actor(_batch(part))["prompt"].tolist()]
    return warm_rate(batches, warm), prompts


def warm_rate(batches: list[dict[str, Any]], n_warm: int) -> FloatArray:
    """Return tokens and predictions a second from the end of the first `n_warm` answers on."""
    columns = ("begun_s", "ended_s", "prompt_tokens", "generated_tokens")
    begun_n, ended_n, read_n, wrote_n = (np.concatenate([b[c] for b in batches]) for c in columns)
    start_s = np.sort(ended_n)[n_warm - 1]
    share_n = (ended_n - np.maximum(begun_n, start_s)).clip(0) / (ended_n - begun_n)
    counted = np.array([share_n @ (read_n + wrote_n), share_n.sum()])
    rate: FloatArray = counted / (ended_n.max() - start_s)
    return rate


def bare(asked: dict[str, ReasonerRun], prompts: dict[str, list[str]]) -> dict[str, float]:
    """Return tokens a second of one ``vllm.LLM`` on the same prompts, by reasoning."""
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    from pipelines.reasoner.llm_stage import engine_arguments, model_source
    from scope.reasoner.answers import sampling_params
    from scope.reasoner.tokenizer import PromptTokenizer

    first = next(iter(asked.values())).config
    llm = LLM(model=model_source(first), **engine_arguments(first, ENGINE))
    rates = {}
    for reasoning, texts in prompts.items():
        config = asked[reasoning].config
        said = sampling_params(config, PromptTokenizer.load(config.checkpoint))
        grammar = StructuredOutputsParams(**said.pop("structured_outputs"))
        params = SamplingParams(**said, structured_outputs=grammar)
        warm = N_WARM[reasoning]
        llm.generate(texts[:warm], params, use_tqdm=False)

        def generate(
            texts: list[str] = texts[warm:],
            params: SamplingParams = params,
        ) -> list[Any]:
            return llm.generate(texts, params, use_tqdm=False)

        passed_s, outputs = seconds(generate)
        tokens = sum(len(o.prompt_token_ids) + len(o.outputs[0].token_ids) for o in outputs)
        rates[reasoning] = tokens / passed_s
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
    anchors, wanted = bank(), sys.argv[1:] or list(N_ASKED)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tiny_checkpoint(Path(folder))
        asked = {reasoning: reasoner(checkpoint, reasoning) for reasoning in wanted}
        with ray_session():
            found = {reasoning: pipeline(one, anchors) for reasoning, one in asked.items()}
        peers = bare(asked, {reasoning: prompts for reasoning, (_, prompts) in found.items()})
    for reasoning, (rate, _) in found.items():
        share = rate[0] / peers[reasoning]
        verdict = "met" if share >= WANTED_SHARE else "NOT met"
        print(f"reasoning {reasoning}, {N_ASKED[reasoning]:,} prompts, tiny checkpoint on the CPU")
        print(f"  bare vllm.LLM: {peers[reasoning]:,.0f} tokens/s, read and written")
        print(f"  ours: {rate[0]:,.0f} tokens/s, {rate[1]:.1f} predictions/s")
        print(f"  share {share:.2f} (wanted ≥ {WANTED_SHARE:g}: {verdict})")
    if set(N_ASKED) <= set(found):
        ratio = found["none"][0][1] / found["full"][0][1]
        verdict = "met" if ratio >= WANTED_RATIO else "NOT met"
        print(f"predictions/s at once over those after full reasoning: {ratio:.1f}", end=" ")
        print(f"(wanted ≥ {WANTED_RATIO:g}: {verdict})")


if __name__ == "__main__":
    main()

"""``scope bank fit`` and ``scope predict`` with ``--predictor scope``, on a real vLLM."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from scope import load_bank, save_bank
from scope.bank.store import content_digest
from scope.embedding.spec import EmbedderSpec, resolve_model
from scope.fusion.blend import Blend
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.reasoner.answer_cache import AnswerCache, AnswerKey, ReasonerFingerprint
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec
from scope.routing.prediction_store import StoredPredictions
from tests.factories.banks import two_kinds
from tests.factories.checkpoints import needs_vllm
from tests.pipelines.runs import (
    check_error,
    command,
    content,
    ended,
    printed_json,
    processes,
    running,
    wait_until,
)

pytestmark = [pytest.mark.vllm, needs_vllm]

N_ANCHORS, N_QUESTIONS = 40, 30
POISON = "¤"
BAD = f"What is {POISON}?"
SETTINGS = "engine: {accelerator: cpu, eager: true, dtype: bfloat16, cpus_per_worker: 0.5}\n"


def with_reasoner(bank, checkpoint, reasoning):
    """The bank with a blend, made up, that gives the answers of the checkpoint a weight."""
    config = ReasonerConfig(
        checkpoint=str(checkpoint), reasoning=reasoning, max_context_tokens=4096
    )
    centre_m = np.zeros(len(bank.models))
    blend = Blend(0.5, 1.0, centre_m, -4.0, 4.0, 0.5, centre_m, 0.5, 0.5)
    return replace(bank, reasoner=CalibratedReasoner(ReasonerSpec.from_config(config), blend))


def poisoned(checkpoint, folder):
    """A copy of the checkpoint in which one letter is NaN: prompts with it have no answer."""
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    shutil.copytree(checkpoint, folder)
    weights = load_file(folder / "model.safetensors")
    *_, letter = AutoTokenizer.from_pretrained(folder).encode(POISON, add_special_tokens=False)
    weights["model.embed_tokens.weight"][letter] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory, checkpoint):
    """A bank of maths and law with texts, questions, and banks fitted for the checkpoint."""
    from scope.embedding.encoder import MINILM, Encoder

    folder = tmp_path_factory.mktemp("files")
    bank = two_kinds(N_ANCHORS)
    texts = tuple(
        f"What is {n} + {n}?" if kind == "maths" else f"Who may inherit from {n} cousins?"
        for n, kind in enumerate(bank.categories)
    )
    vectors = Encoder().encode(list(texts)).astype(np.float16).astype(np.float32)
    spec = EmbedderSpec(name=MINILM, revision=resolve_model(MINILM)[1], dimension=vectors.shape[1])
    bank = replace(bank, prompts=texts, embedding_ad=vectors, embedder=spec)
    banks = {
        "bank": bank,
        "fast": with_reasoner(bank, poisoned(checkpoint, folder / "poisoned"), "none"),
        "slow": with_reasoner(bank, checkpoint, "short"),
    }
    for name, bank in banks.items():
        save_bank(bank, folder / name, created_at="2026-01-01", sources=())
    rows = [{"id": f"q{n:02}", "prompt": f"What is {n} * {n}?"} for n in range(N_QUESTIONS - 1)]
    rows.append({"id": "r", "prompt": BAD})
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "settings.yaml").write_text(SETTINGS)
    return folder


def inputs_of(files, bank, *flags):
    return [
        *("--bank", files / bank, "--query-file", files / "questions.jsonl"),
        *("--predictor", "scope", "--config", files / "settings.yaml", *flags),
    ]


def rows_of(output):
    """All predictions of a run as Python objects."""
    folder = StoredPredictions.open(output).path
    return pq.read_table(sorted(folder.glob("part-*.parquet"))).to_pylist()


@pytest.fixture
def memory_in_use():
    """A tenth of this machine's memory, held by another process: vLLM's default wants 92 % free."""
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10
    code = f"held = b'x' * {n_bytes}; print(flush=True); input()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield
        process.kill()


@pytest.mark.usefixtures("cluster", "memory_in_use")
def test_the_fit_finds_the_weight_of_the_answers(scope, files, checkpoint, tmp_path):
    """
    The fitted blend is in the bank; random weights get little or none. The engine starts although
    not all memory is free.
    """
    settings = tmp_path / "own.yaml"
    settings.write_text(
        f"reasoner: {{checkpoint: {checkpoint}, max_context_tokens: 4096}}\n{SETTINGS}"
    )
    flags = ["--predictor", "scope", "--config", settings, "--reasoner-anchors", 30, "--json"]

    code, out, err = scope(
        "bank", "fit", "--bank", files / "bank", "--output", tmp_path / "bank", *flags
    )

    assert code == 0, err
    report = printed_json(out)["reasoner"]
    assert report["n_anchors"] == 30
    assert (report["usage"]["n_queried"], report["usage"]["n_failed"]) == (60, 0)
    assert report["quality"]["predictions"] == 60
    fitted = load_bank(tmp_path / "bank")
    assert fitted.reasoner.blend.weight == report["weight"]
    assert fitted.reasoner.spec.reasoning == "none"
    assert fitted.forecaster is not None


@pytest.mark.usefixtures("cluster")
def test_predictions_are_blended_and_failures_queried_again(scope, files, tmp_path, monkeypatch):
    """
    One question has no answer: exit 1 with the reason, and the anchors alone predict it. Once
    the cache has its answers, the same command completes the run without a query.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    run, n_answers = ["predict", *inputs_of(files, "fast")], 2 * N_QUESTIONS
    bank = load_bank(files / "fast")

    code, out, err = scope(*run, "--output", tmp_path / "out")

    assert code == 1
    assert f"{n_answers} answers: 0 from the cache, {n_answers} queried, 2 of them failed" in out
    assert "hours on a CPU" in out
    assert "2 answers are missing, and the anchors alone predict there; the first 'r': no " in err
    *good, one, two = rows_of(tmp_path / "out")
    assert {(row["source"], row["error"]) for row in good} == {("scope", None)}
    assert {row["source"] for row in (one, two)} == {"anchors"}
    assert all("no answer about small" in row["error"] for row in (one, two))
    assert all(0 < row["p_correct"] < 1 for row in (one, two))
    manifest = StoredPredictions.open(tmp_path / "out").manifest
    assert manifest.reasoner == bank.reasoner.spec

    # The answers of another process.
    fingerprint = ReasonerFingerprint(
        reasoner=bank.reasoner.spec, evidence=content_digest(files / "fast")
    )
    cache = AnswerCache(tmp_path / "cache" / "answers", fingerprint)
    keys = [AnswerKey(model, None, BAD) for model in bank.model_ids]
    assert cache.missing(keys) == [0, 1]
    cache.add(cache.keys(keys), np.array([[0.9, 50.0, 600.0, 9.0, 0.0]] * 2, dtype=np.float32))
    code, out, err = scope(*run, "--output", tmp_path / "out", "--json")

    assert code == 0, err
    assert printed_json(out)["reasoner_usage"]["n_queried"] == 0
    assert {row["source"] for row in rows_of(tmp_path / "out")} == {"scope"}
    assert scope(*run, "--output", tmp_path / "again")[0] == 0
    assert content(tmp_path / "again") == content(tmp_path / "out")
    route = ["route", "--predictions", tmp_path / "out", "--min-quality", 0.5]
    assert scope(*route, "--output", tmp_path / "routing.json")[0] == 0

    # Without the reasoner the predictions of the same questions differ.
    plain = ["--bank", files / "fast", "--query-file", files / "questions.jsonl"]
    assert scope("predict", *plain, "--output", tmp_path / "anchors")[0] == 0
    alone = [row["p_correct"] for row in rows_of(tmp_path / "anchors")]
    assert alone[-2:] == [one["p_correct"], two["p_correct"]]
    assert alone[0] != good[0]["p_correct"]


@pytest.mark.usefixtures("cluster")
def test_a_reasoner_without_weight_is_queried_on_request(scope, files, tmp_path, monkeypatch):
    """
    Its answers are stored and change no prediction; without the request there is no query.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    bank = load_bank(files / "fast")
    blend = Blend.identity(len(bank.models))
    unweighted = replace(bank, reasoner=replace(bank.reasoner, blend=blend))
    save_bank(unweighted, tmp_path / "bank", created_at="2026-01-01", sources=())
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": "one", "prompt": "What is 1 * 1?"}\n')
    run = ["predict", "--predictor", "scope", "--config", files / "settings.yaml"]
    run += ["--bank", tmp_path / "bank", "--query-file", questions]

    code, out, err = scope(*run, "--output", tmp_path / "out")
    assert code == 0, err
    assert "the reasoner has weight 0 with this bank: it was not queried" in out
    assert {row["p_yes"] for row in rows_of(tmp_path / "out")} == {None}

    code, _, err = scope(*run, "--output", tmp_path / "out", "--query-all")
    assert code == 2
    check_error(err, "query_all")

    code, out, err = scope(*run, "--output", tmp_path / "all", "--query-all")
    assert code == 0, err
    assert "2 answers: 0 from the cache, 2 queried" in out
    assert all(0 <= row["p_yes"] <= 1 for row in rows_of(tmp_path / "all"))
    forecasts = [
        [row["p_correct"] for row in rows_of(tmp_path / output)] for output in ("out", "all")
    ]
    assert forecasts[0] == forecasts[1]


@pytest.mark.usefixtures("cluster")
def test_broken_weights_end_the_job_at_once(scope, files, checkpoint, tmp_path):
    """
    The error has the reason from the engine's process.
    """
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(checkpoint).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "model.safetensors").write_bytes(b"no weights at all")
    bank = load_bank(files / "bank")
    save_bank(
        with_reasoner(bank, broken, "none"), tmp_path / "bank", created_at="2026-01-01", sources=()
    )
    flags = inputs_of(files, "fast")
    flags[1] = tmp_path / "bank"

    code, _, err = scope("predict", *flags, "--output", tmp_path / "out")

    assert code == 2
    check_error(err, "no engine could be started for", "Safetensor")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("cluster")
def test_memory_that_is_not_free_ends_the_job_with_advice(scope, files, tmp_path):
    """
    In words of our settings: vLLM's own error advises a flag of its server.
    """
    settings = tmp_path / "own.yaml"
    settings.write_text(SETTINGS.replace("{", "{gpu_memory_utilization: 1.0, "))
    flags = ["--bank", files / "fast", "--query-file", files / "questions.jsonl"]
    flags += ["--predictor", "scope", "--config", settings]

    code, _, err = scope("predict", *flags, "--output", tmp_path / "out")

    assert code == 2
    check_error(err, "engine.gpu_memory_utilization is 1, which is", "set it to at most 0.")


@pytest.mark.usefixtures("cluster")
def test_one_prompt_asks_about_the_whole_pool(scope, files, checkpoint, tmp_path, monkeypatch):
    """
    The fit and the predictions take a prompt for each question, whose tokens count once; a second
    run takes all answers from the cache, which those of another order of the pool are not in.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path / "cache"))
    settings = tmp_path / "own.yaml"
    settings.write_text(
        f"reasoner: {{checkpoint: {checkpoint}, max_context_tokens: 4096, form: pool}}\n{SETTINGS}"
    )
    flags = ["--predictor", "scope", "--config", settings, "--json"]
    fit = ["bank", "fit", "--bank", files / "bank", "--reasoner-anchors", 30, *flags]

    code, out, err = scope(*fit, "--output", tmp_path / "fitted")

    assert code == 0, err
    usage = printed_json(out)["reasoner"]["usage"]
    assert [usage[f"n_{it}"] for it in ("queried", "failed", "prompts")] == [60, 0, 30]
    fitted = load_bank(tmp_path / "fitted")
    assert fitted.reasoner.spec.form == "pool"

    # Give the answers a weight, so that they are queried whatever the random weights say.
    blend = with_reasoner(fitted, checkpoint, "none").reasoner.blend
    fitted = replace(fitted, reasoner=CalibratedReasoner(fitted.reasoner.spec, blend))
    save_bank(fitted, tmp_path / "bank", created_at="2026-01-01", sources=())
    inputs = ["--bank", tmp_path / "bank", "--query-file", files / "questions.jsonl"]
    run = ["predict", *inputs, *flags]

    code, out, err = scope(*run, "--output", tmp_path / "out")

    assert code == 0, err
    usage = printed_json(out)["reasoner_usage"]
    assert [usage[f"n_{it}"] for it in ("queried", "prompts")] == [2 * N_QUESTIONS, N_QUESTIONS]
    assert {row["source"] for row in rows_of(tmp_path / "out")} == {"scope"}
    code, out, err = scope(*run, "--output", tmp_path / "again")
    assert code == 0, err
    assert printed_json(out)["reasoner_usage"]["n_queried"] == 0
    assert rows_of(tmp_path / "again") == rows_of(tmp_path / "out")
    fingerprint = {"reasoner": fitted.reasoner.spec, "evidence": content_digest(tmp_path / "bank")}
    keys = [AnswerKey(model, None, BAD) for model in fitted.model_ids]
    for pool, missing in ((fitted.model_ids, []), (fitted.model_ids[::-1], [0, 1])):
        cache = AnswerCache(
            tmp_path / "cache" / "answers", ReasonerFingerprint(**fingerprint, pool=pool)
        )
        assert cache.missing(keys) == missing


def engine_of(run):
    """Id of the engine process below a job; None while there is none."""
    found = [pid for pid, title in processes(run.pid).items() if "EngineCore" in title]
    return found[0] if found else None


def n_cached(cache):
    return len(list(cache.glob("answers/*/*.arrow")))


def next_engine(run, cache, killed=()):
    """Wait until an engine not yet killed has answered a prompt; None if the job ends."""

    def wait_for(condition):
        wait_until(lambda: run.poll() is not None or condition(), every_s=0.2)

    wait_for(lambda: engine_of(run) not in (None, *killed))
    n_before = n_cached(cache)
    wait_for(lambda: n_cached(cache) > n_before)
    return None if run.poll() is not None else engine_of(run)


@pytest.mark.slow
def test_a_job_restarts_engines_and_ends_with_an_error(files, tmp_path):
    """
    Each engine is killed once it has answered a prompt; another one continues, a few times. The
    next run queries only the missing answers.
    """
    n_questions, cache, killed = 300, tmp_path / "cache", []
    rows = [{"id": f"q{n:03}", "prompt": f"What is {n} * {n}?"} for n in range(n_questions)]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)))
    inputs = inputs_of(files, "slow")
    inputs[3] = tmp_path / "many.jsonl"
    arguments = command(inputs, tmp_path / "out")

    with running(arguments, SCOPE_CACHE=str(cache)) as run:
        while len(killed) < 10 and (engine := next_engine(run, cache, killed)):
            os.kill(engine, signal.SIGKILL)
            killed.append(engine)
        code, _, err = ended(run)
    with running([*arguments, "--json"], SCOPE_CACHE=str(cache)) as run:
        again, out, second_err = ended(run)

    assert code == 2
    check_error(err, "the engine has died 5 times", "killed")
    assert len(killed) == 5
    assert again == 0, second_err
    usage = printed_json(out)["reasoner_usage"]
    assert usage["n_cached"] >= 5 * 32
    assert usage["n_cached"] + usage["n_queried"] == 2 * n_questions
    assert {row["source"] for row in rows_of(tmp_path / "out")} == {"scope"}

"""The engine as its own deployment: a real vLLM behind a real Serve, on a tiny checkpoint."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from ray import serve

from deployments.replicas.engine import engine_call, engine_kwargs
from deployments.replicas.reasoner import Continuation, EngineRequest, ReasonerArgs
from scope.reasoner.answers import parse_prediction, sampling_params
from scope.reasoner.prompt import PromptBuilder
from scope.reasoner.template import Example, Template
from scope.reasoner.tokenizer import PromptTokenizer
from tests.deployments.reasoned import (
    STARTED_S,
    decide_as_offline,
    deploy_reasoned,
    predict_offline,
    route,
    save_reasoned_bank,
)
from tests.deployments.serving import figures
from tests.factories.checkpoints import needs_vllm
from tests.pipelines.runs import ROOT

pytestmark = [pytest.mark.vllm, needs_vllm]


@pytest.fixture(scope="session")
def run():
    """Run a coroutine in the loop in which this process calls the deployment.

    A handle knows one loop, which must never rest.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result()


@pytest.fixture(scope="module")
def args(checkpoint):
    """The reasoner on the CPU, in numbers that no batch rounds another way."""
    engine = {"accelerator": "cpu", "cpus_per_worker": 0.5, "dtype": "float32", "eager": True}
    fields = {"checkpoint": str(checkpoint), "max_context_tokens": 2048, "engine": engine}
    return ReasonerArgs.model_validate_json(json.dumps(fields))


@pytest.fixture(scope="module")
def bank(args, tmp_path_factory):
    """Folder of a bank that is fitted for it."""
    return save_reasoned_bank(args, tmp_path_factory.mktemp("reasoned") / "bank")


@pytest.fixture(scope="module")
def deploy(served, args, bank):
    """Deploy the application with an engine, under these settings of reasoning."""
    return partial(deploy_reasoned, served, args, bank)


@pytest.fixture(scope="module")
def reasoned(served, deploy):
    """The application with an engine."""
    began_at = time.monotonic()
    deploy()
    figures.info("with an engine it is up after %.0f s", time.monotonic() - began_at)
    return served


def complete(run, *wanted):
    """What the deployment replies to `EngineRequest` prompts, all at once."""

    async def replies():
        call = engine_call(serve.get_deployment_handle("ScopeEngine", "scope"))
        return await asyncio.gather(*map(call, wanted))

    return [reply for (reply,) in run(replies())]


def prompts_of(args, n):
    """Prompts of different questions and lengths."""
    tokens = PromptTokenizer.load(args.checkpoint)
    writer = PromptBuilder(
        Template.load(), tokens, max_tokens=args.max_prompt_tokens(), reasoning=args.reasoning
    )
    examples = [Example(f"What is {k} + {k}?", 10.0 * k, k % 2 == 0) for k in range(1, 4)]
    return [
        writer.build(f"model-{q % 3}", examples[: q % 4], "Why? " * q + f"Case {q}")
        for q in range(n)
    ]


def answers(args, replies):
    """What they say, as the Reasoner reads them."""
    tokens = PromptTokenizer.load(args.checkpoint)
    return [
        parse_prediction(
            *reply,
            tokens.yes_id,
            tokens.no_id,
            reasoning=args.reasoning,
            temperature=args.temperature,
        )
        for reply in replies
    ]


def processes(name):
    """Process ids whose command line begins so."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if words.startswith(name):
                found.append(int(entry.name))
    return found


def cpu_s(pid):
    """Processor time of a process so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_decision_rests_on_what_vllm_says(reasoned):
    """
    Under the name that operators know; nothing is degraded.
    """
    (decision,) = route(reasoned, "What is the law of case 1234?")

    assert "ScopeEngine" in serve.status().applications["scope"].deployments
    assert (decision["source"], decision["degraded"]) == ("scope", None)
    reasoning = decision["reasoning"]
    assert reasoning["n_queries"] >= 1
    assert reasoning["n_queries"] + reasoning["n_avoided"] == 3


def test_a_list_is_reasoned_about_whole(reasoned):
    """
    Forty prompts, four calls at once: every one is answered.
    """
    prompts = [f"What is the {'law' if n % 2 else 'maths'} of case {n}?" for n in range(40)]
    began_at = time.monotonic()
    got = route(reasoned, *prompts)

    n_asked = sum(one["reasoning"]["n_queries"] for one in got)
    figures.info("%d answers for 40 prompts in %.1f s", n_asked, time.monotonic() - began_at)
    assert {one["degraded"] for one in got} == {None}
    assert n_asked >= 40 / 2


def test_it_is_switched_off_and_on_without_a_restart(reasoned, deploy):
    """
    By settings of the Router, while the engine stays as it is.
    """
    cores = processes("VLLM::EngineCore")
    took = {}
    for mode in ("off", "exact"):
        deploy(mode=mode)
        took[mode] = []
        reasoned.until(
            lambda queries=mode != "off": ("reasoning" in route(reasoned, "well?")[0]) == queries,
            f"the mode is {mode}",
        )
        for n in range(20):
            began_at = time.monotonic()
            (decision,) = route(reasoned, f"What is the law of {mode} case {n}?")
            took[mode].append(time.monotonic() - began_at)
            assert ("reasoning" in decision) == (mode == "exact")
    text = ", ".join(f"{mode} {1e3 * np.median(one):.0f} ms" for mode, one in took.items())
    figures.info("a new prompt, one client, median: %s", text)

    assert processes("VLLM::EngineCore") == cores


def test_the_deployment_says_what_bare_vllm_says(reasoned, run, args, tmp_path):
    """
    The same parsed answers for the same prompts at temperature 0.
    """
    prompts = prompts_of(args, 24)
    how = sampling_params(args, PromptTokenizer.load(args.checkpoint))
    ours = answers(args, complete(run, *(EngineRequest(prompt, how) for prompt in prompts)))

    engine = {**engine_kwargs(args), "model": args.checkpoint}
    engine.pop("enable_log_requests")  # of servers only
    (tmp_path / "engine.json").write_text(json.dumps(engine))
    (tmp_path / "wanted.json").write_text(json.dumps([prompts, how]))
    files = [str(tmp_path / name) for name in ("engine.json", "wanted.json", "out.json")]
    # As a module: a script's folder comes first on the path, and `requests` here is a room.
    command = [sys.executable, "-m", "tests.deployments.bare_vllm", *files]
    environ = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1"}  # GiB; vLLM takes nearly all else
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=environ)
    fields = json.loads(Path(files[-1]).read_text())
    bare = [
        Continuation(
            one["text"],
            one["token_ids"],
            [{int(token): value for token, value in there.items()} for there in one["logprobs"]],
        )
        for one in fields
    ]

    for here, there in zip(ours, answers(args, bare), strict=True):
        assert here.tokens == there.tokens
        assert here.p_yes == pytest.approx(there.p_yes, abs=1e-3)


def test_it_decides_as_the_offline_job_does(reasoned, bank, args, tmp_path):
    """
    Offline queries every model, the endpoint only those that matter: the same choices.
    """
    prompts = [f"What is the {'law' if n % 2 else 'maths'} of parity {n}?" for n in range(24)]
    predicted = predict_offline(bank, args, prompts, tmp_path)

    n_answers = decide_as_offline(reasoned, predicted, prompts, (0.3, 0.7, 1.0))

    assert n_answers > len(prompts)


@pytest.mark.parametrize("reasoning", ["none", "short"])
def test_a_constrained_reply_always_parses(reasoned, run, args, reasoning):
    """
    Whatever random weights would rather say.
    """
    config = args.model_copy(update={"reasoning": reasoning})
    how = sampling_params(config, PromptTokenizer.load(config.checkpoint))
    replies = complete(run, *(EngineRequest(prompt, how) for prompt in prompts_of(config, 12)))

    for answer in answers(config, replies):
        assert 0 < answer.p_yes < 1
        assert answer.tokens >= 0


def test_a_cancelled_call_ends_in_vllm(reasoned, run, args):
    """
    Its process computes until then, and nothing after.
    """
    config = args.model_copy(update={"reasoning": "full"})
    how = sampling_params(config, PromptTokenizer.load(config.checkpoint))
    prompts = [f"{n} " * 20 for n in range(8)]
    workers = processes("VLLM::")

    async def hang_up():
        call = engine_call(serve.get_deployment_handle("ScopeEngine", "scope"))
        before = sum(map(cpu_s, workers))
        tasks = [asyncio.ensure_future(call(EngineRequest(one, how))) for one in prompts]
        while sum(map(cpu_s, workers)) - before < 1.0:
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, BaseException) for one in ended)

    run(hang_up())

    def idle():
        before = sum(map(cpu_s, workers))
        time.sleep(0.5)
        return sum(map(cpu_s, workers)) - before < 0.1

    reasoned.until(idle, "vLLM has stopped", timeout_s=5.0)


def test_an_engine_that_is_killed_costs_answers_only(reasoned):
    """
    Every request is answered and says what is missing, until another engine is there.
    """
    n, reasons = 0, []

    def asked_on():
        nonlocal n
        n += 1
        began_at = time.monotonic()
        (decision,) = route(reasoned, f"What is the law of killing number {n}?")
        assert decision["model"] is not None
        if decision["degraded"] is None:
            return True
        reasons.append((decision["degraded"], round(time.monotonic() - began_at, 2)))
        return False

    assert asked_on()
    (core,) = processes("VLLM::EngineCore")
    os.kill(core, signal.SIGKILL)
    killed_at = time.monotonic()
    reasoned.until(asked_on, "the engine is back", timeout_s=STARTED_S)

    figures.info("back after %.0f s; meanwhile %s", time.monotonic() - killed_at, reasons)
    assert reasons
    assert {reason for reason, _ in reasons} <= {"engine broken", "engine down", "engine late"}
    assert np.median([took for _, took in reasons]) < 1.0
    assert core not in processes("VLLM::")

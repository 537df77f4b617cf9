"""One prompt for the whole pool, answered by a real vLLM behind a real Serve."""

import json

import pytest

from deployments.replicas.reasoner import ReasonerArgs
from tests.deployments.reasoned import (
    decide_as_offline,
    deploy_reasoned,
    predict_offline,
    route,
    save_reasoned_bank,
)
from tests.factories.checkpoints import needs_vllm

pytestmark = [pytest.mark.vllm, needs_vllm]

PROMPTS = [f"What is the {'law' if n % 2 else 'maths'} of parity {n}?" for n in range(24)]
ALPHAS = (0.3, 0.7, 1.0)


@pytest.fixture(scope="module")
def args(checkpoint):
    """The reasoner on the CPU, in numbers that no batch rounds another way."""
    engine = {"accelerator": "cpu", "cpus_per_worker": 0.5, "dtype": "float32", "eager": True}
    fields = {"checkpoint": str(checkpoint), "max_context_tokens": 2048, "form": "pool"}
    return ReasonerArgs.model_validate_json(json.dumps({**fields, "engine": engine}))


@pytest.fixture(scope="module")
def bank(args, tmp_path_factory):
    """Folder of a bank that is fitted for it."""
    return save_reasoned_bank(args, tmp_path_factory.mktemp("pool") / "bank")


@pytest.fixture(scope="module")
def reasoned(served, args, bank):
    """The application with an engine."""
    deploy_reasoned(served, args, bank)
    return served


def test_it_decides_as_the_offline_job_does(reasoned, bank, args, tmp_path):
    """
    A query a prompt at most, for all objectives; where there was one, every model's estimate is the
    one that `scope predict` stores.
    """
    predicted = predict_offline(bank, args, PROMPTS, tmp_path)
    p_qm = predicted.predictions.estimates.p_correct_qm

    (first, *_) = decisions = route(reasoned, *PROMPTS, alpha=1.0)
    n_equal = decide_as_offline(reasoned, predicted, PROMPTS, ALPHAS)

    assert (first["source"], first["degraded"]) == ("scope", None)
    queried = [n for n, one in enumerate(decisions) if one["reasoning"]["n_queries"]]
    assert {one["reasoning"]["n_queries"] for one in decisions} <= {0, 1}
    assert len(queried) > len(PROMPTS) / 2
    for n in queried:
        here_m = [one["p_correct"] for one in decisions[n]["candidates"]]
        assert here_m == pytest.approx(p_qm[n].tolist(), abs=1e-3)
    assert n_equal >= 3 * len(queried)

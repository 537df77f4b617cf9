"""``scope eval --router``: a learned router beside every other one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from scope import AnchorConfig, save_bank
from scope.predictor.reference_population import predict_reference_population
from tests.factories.banks import LARGE, SMALL, labelled_pair
from tests.factories.encoders import tiny_encoder
from tests.factories.learned import data_of, easy_and_hard, frozen_router


@pytest.fixture(scope="module")
def router(tmp_path_factory):
    """A saved router that reads the first word of a prompt: easy or hard."""
    encoder = tiny_encoder(tmp_path_factory.mktemp("encoder"))
    folder = tmp_path_factory.mktemp("routers") / "two"
    frozen_router(encoder, data_of(loss="prob_2cls", models=(SMALL, LARGE))).save(folder)
    return folder


def saved(bank, path):
    """Save a bank, calibrated; returns its folder."""
    bank = replace(bank, reference=predict_reference_population(bank, AnchorConfig()))
    save_bank(bank, path, created_at="2026-01-01", sources=())
    return path


@pytest.fixture
def banks(tmp_path):
    """Flags of a bank and of questions whose first word tells their kind."""
    bank, questions = labelled_pair()
    hard, easy = easy_and_hard(2)
    prompts = np.where(questions.embedding_ad[:, 0] > 0, easy, hard)
    questions = replace(
        questions, prompts=tuple(f"{text} {n}" for n, text in enumerate(prompts.tolist()))
    )
    return [
        *("--bank", saved(bank, tmp_path / "bank")),
        *("--questions", saved(questions, tmp_path / "questions")),
    ]


def test_a_router_is_compared_with_its_own_reference(scope, banks, router, tmp_path):
    """
    By both rules; it recovers what the small model can do, as it reads the kind of question.
    """
    output = tmp_path / "eval"

    code, out, err = scope("eval", *banks, "--router", router, "--output", output)

    section = json.loads((output / "metrics.json").read_text())["against_reference"]
    rows = {row["name"]: row for row in section["sweeps"]}
    assert code == 0, err
    assert section["reference"] == "large"
    assert "hybridllm two" in out
    assert "hybridllm two, P − λ·cost" in rows
    at_40 = rows["hybridllm two, P ≥ τ"]["at_shares"][2]
    assert at_40["gain_over_random"]["value"] > 0.1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(["--reference", "small"], "is relative to 'large'", id="reference"),
        pytest.param(["--router", "nowhere"], "nowhere", id="no router"),
    ],
)
def test_a_router_that_does_not_fit_gets_one_sentence(
    scope, banks, router, tmp_path, flags, message
):
    """
    Before any work; nothing is written.
    """
    code, _, err = scope("eval", *banks, "--router", router, *flags, "--output", tmp_path / "eval")

    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "eval").exists()


def test_questions_without_texts_get_one_sentence(scope, router, tmp_path):
    """
    A learned router reads texts, not embeddings.
    """
    bank, questions = labelled_pair()
    flags = [
        *("--bank", saved(bank, tmp_path / "bank")),
        *("--questions", saved(questions, tmp_path / "questions")),
    ]

    code, _, err = scope("eval", *flags, "--router", router, "--output", tmp_path / "eval")

    assert code == 2
    assert "--questions has none" in err

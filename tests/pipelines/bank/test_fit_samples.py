"""``scope bank fit-samples`` on a bank of small sums and samples with a known spread."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines.bank.fit_samples import PRIOR, _one_sample_probability, fit_samples
from scope.bank import SecondEmbeddings, load_bank, save_bank
from scope.embedding import text_features
from scope.embedding.encoder import Encoder
from scope.errors import ConfigError
from scope.predictor import AnchorPredictor, fit_bank, fit_second_encoder
from scope.samples import Samples, write_samples
from tests.factories.banks import LARGE, MIDDLE, SMALL, bank_of

N_ANCHORS, N_PROMPTS, N_SAMPLES = 40, 120, 8
KAPPA = 2.0


@pytest.fixture(scope="module")
def bank():
    """Forty sums; small and large are right on half of them, whatever they ask."""
    texts = tuple(f"What is {i} plus {i + 3}?" for i in range(N_ANCHORS))
    encoder = Encoder()
    right = np.column_stack([np.arange(N_ANCHORS) % 2, 1 - np.arange(N_ANCHORS) % 2])
    made = bank_of(right, models=(SMALL, LARGE), embedding=encoder.encode(texts), prompts=texts)
    features = text_features(texts).astype(np.float64)
    return replace(made, features_af=features, embedder=encoder.spec)


def drawn(models=("small",), kappa=KAPPA, seed=0):
    """Samples whose success rate is Beta(kappa / 2, kappa / 2); each wrong answer is another."""
    rng = np.random.default_rng(seed)
    shape = (N_PROMPTS, len(models), N_SAMPLES)
    rate_qm1 = rng.beta(kappa / 2, kappa / 2, shape[:2])[:, :, None]
    right_qmo = rng.random(shape) < rate_qm1
    prompts = tuple(f"What is {i} plus {i + 7}?" for i in range(N_PROMPTS))
    responses = tuple(
        tuple(
            tuple(f"It is {2 * i + 7 if right else 1000 + o}." for o, right in enumerate(right_o))
            for right_o in right_mo
        )
        for i, right_mo in enumerate(right_qmo)
    )
    return Samples(
        ids=tuple(f"p{i}" for i in range(N_PROMPTS)),
        prompts=prompts,
        models=tuple(models),
        scores={"correct": right_qmo.astype(np.float64), "equal": np.zeros(shape)},
        prompt_tokens_qm=np.full(shape[:2], 10.0),
        completion_tokens_qmo=np.full(shape, 5.0),
        responses_qm=responses,
    )


def test_the_spread_of_the_samples_is_found(bank):
    """
    Kappa 2 is within its interval; the bank of the other model stays as it was.
    """
    fitted = fit_samples(bank, drawn(), "majority", assume=False)

    (one,) = fitted.fits
    small, large = fitted.bank.models
    assert one.concentration.low < KAPPA < one.concentration.high
    assert small.resampling == one.resampling
    assert (small.resampling.selector, small.resampling.source) == ("majority", "fitted")
    assert large.resampling is None
    assert fitted.unknown == ("large",)


def test_a_selector_that_draws_lots_has_odds_of_one(bank):
    """
    All scores are equal.
    """
    (one,) = fit_samples(bank, drawn(), "equal", assume=False).fits

    assert one.auc.value == 0.5
    assert one.odds.value == pytest.approx(1, abs=0.02)


def test_models_without_samples_may_be_given_the_prior(bank):
    """
    It is marked, and does not replace what was fitted.
    """
    fitted = fit_samples(bank, drawn(), "majority", assume=True)

    small, large = fitted.bank.models
    assert small.resampling.source == "fitted"
    assert large.resampling == PRIOR
    assert fitted.assumed == ("large",)


def test_a_second_fit_keeps_the_models_of_the_first(bank):
    """
    Samples of one model at a time.
    """
    first = fit_samples(bank, drawn(), "majority", assume=False).bank

    second = fit_samples(first, drawn(("large",)), "majority", assume=False).bank

    assert second.models[0].resampling == first.models[0].resampling
    assert second.models[1].resampling.source == "fitted"


def test_a_priced_selector_is_in_the_price_of_the_arm(bank):
    """
    Of every model that has samples.
    """
    fitted = fit_samples(bank, None, "proxy", assume=True, selector_usd_per_mtok=0.5)

    assert [m.resampling.selector_usd_per_mtok for m in fitted.bank.models] == [0.5, 0.5]
    assert {m.resampling.selector for m in fitted.bank.models} == {"proxy"}


@pytest.mark.parametrize(
    ("samples", "selector", "message"),
    [
        pytest.param(drawn(("other",)), "majority", "none of which is in the bank", id="models"),
        pytest.param(drawn(), "correct", "is the grade itself", id="the judge"),
        pytest.param(drawn(), "armoRM", "have no scores 'armoRM'", id="no such scorer"),
        pytest.param(
            replace(drawn(), responses_qm=None), "majority", "have no texts", id="no texts"
        ),
        pytest.param(
            replace(drawn(), scores={}), "majority", "have no scores 'correct'", id="ungraded"
        ),
    ],
)
def test_samples_that_cannot_tell_are_refused(bank, samples, selector, message):
    """
    One sentence.
    """
    with pytest.raises(ConfigError, match=message):
        fit_samples(bank, samples, selector, assume=False)


@pytest.fixture
def stored(tmp_path, bank):
    """The bank, and samples of its small model, as files."""
    save_bank(bank, tmp_path / "bank", created_at="2026-01-01T00:00:00+00:00", sources=())
    write_samples(tmp_path / "samples.parquet", drawn())
    return tmp_path


def test_the_command_writes_a_bank_whose_pool_may_name_samples(scope, stored):
    """
    It prints what it found and who has no samples.
    """
    flags = ("--bank", stored / "bank", "--samples", stored / "samples.parquet")

    code, out, err = scope("bank", "fit-samples", *flags, "--output", stored / "fitted")

    small, _ = load_bank(stored / "fitted").models
    assert code == 0
    assert "kappa" in out
    assert "small" in out
    assert "no samples of large" in err
    assert small.resampling.source == "fitted"


def test_the_command_prints_json(scope, stored):
    """
    The manifest, the fits with their intervals, and who is assumed or unknown.
    """
    flags = ("--bank", stored / "bank", "--samples", stored / "samples.parquet", "--assume")

    code, out, _ = scope("bank", "fit-samples", *flags, "--output", stored / "f", "--json")

    facts = json.loads(out)
    assert code == 0
    assert facts["fits"][0]["model"] == "small"
    assert facts["fits"][0]["resampling"]["source"] == "fitted"
    assert (facts["assumed"], facts["unknown"]) == (["large"], [])


def test_without_samples_or_a_prior_nothing_is_written(scope, stored):
    """
    One outcome of a question does not tell what a second sample is worth.
    """
    code, _, err = scope(
        "bank", "fit-samples", "--bank", stored / "bank", "--output", stored / "fitted"
    )

    assert code == 2
    assert "--samples is missing" in err
    assert not (stored / "fitted").exists()


def test_bank_info_shows_what_samples_are_worth(scope, stored):
    """
    And that it is assumed.
    """
    scope("bank", "fit-samples", "--bank", stored / "bank", "--assume", "--output", stored / "f")

    _, out, _ = scope("bank", "info", "--bank", stored / "f")

    assert "kappa 0.5, majority, assumed" in " ".join(out.split())


def test_a_bank_with_three_models_fits_those_it_has_samples_of():
    """
    Columns are found by name, not by position.
    """
    texts = tuple(f"What is {i} plus {i + 3}?" for i in range(N_ANCHORS))
    encoder = Encoder()
    right = np.column_stack([np.ones(N_ANCHORS), np.zeros(N_ANCHORS), np.arange(N_ANCHORS) % 2])
    made = bank_of(
        right, models=(LARGE, MIDDLE, SMALL), embedding=encoder.encode(texts), prompts=texts
    )
    features = text_features(texts).astype(np.float64)
    three = replace(made, features_af=features, embedder=encoder.spec)

    (one,) = fit_samples(three, drawn(), "majority", assume=False).fits

    assert one.model == "small"
    # At p = .5 the spread is that of the samples; at p = 0 or 1 no kappa could explain them.
    assert one.concentration.low < KAPPA < one.concentration.high


def test_another_fit_of_the_bank_drops_what_was_fitted_to_samples(bank):
    """
    Kappa belongs to the forecasts of the former fit; a prior stays.
    """
    fitted = fit_samples(bank, drawn(), "majority", assume=True).bank

    small, large = fit_bank(fitted).models

    assert small.resampling is None
    assert large.resampling == PRIOR


def test_both_encoders_predict_one_sample(bank, checkpoint):
    """
    Of a bank that predicts with both: kappa is that of its own predictions of the prompts.
    """
    encoder = Encoder(str(checkpoint), layer=1)
    vectors = encoder.encode(bank.prompts).astype(np.float16).astype(np.float32)
    first = fit_bank(replace(bank, second=SecondEmbeddings(encoder.spec, vectors)))
    both, _ = fit_second_encoder(first)
    samples = drawn()

    predicted = [_one_sample_probability(each, samples) for each in (first, both)]
    expected, _ = AnchorPredictor(both).predict(
        Encoder().encode(samples.prompts),
        text_features(samples.prompts),
        second_qy=encoder.encode(samples.prompts),
    )

    assert predicted[1] == pytest.approx(expected.p_correct_qm, abs=1e-6)
    assert not np.allclose(*predicted)

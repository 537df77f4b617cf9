import json

import numpy as np
import pytest

from scope.errors import ConfigError
from scope.learned import LearnedRouter
from scope.policy import MinQuality
from scope.pool import ModelSpec
from tests.factories.learned import MODELS, data_of, frozen_router

TEXTS = ["easy question two", "hard question", "name the capital of france " * 9, "", "a b [SEP] a"]


@pytest.fixture(scope="module")
def router(encoder_folder):
    return frozen_router(encoder_folder)


@pytest.fixture
def folder(router, tmp_path):
    router.save(tmp_path / "router")
    return tmp_path / "router"


def test_the_router_tells_easy_prompts_from_hard_ones(router):
    p_qm = router.predict(["easy question two plus", "hard question two plus"]).p_correct_qm

    assert p_qm[0, 0] > 0.7
    assert p_qm[1, 0] < 0.4
    assert p_qm[:, 2].tolist() == [1, 1]


def test_a_prediction_does_not_depend_on_its_batch(router):
    together = router.predict(TEXTS * 5).stack()
    alone = np.concatenate([router.predict([text]).stack() for text in TEXTS * 5], axis=1)

    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_folder_gives_the_same_predictions(router, folder):
    loaded = LearnedRouter.load(folder)

    np.testing.assert_array_equal(loaded.predict(TEXTS).stack(), router.predict(TEXTS).stack())
    assert loaded.arms == ("small", "small@2", "large")
    assert loaded.models == MODELS
    assert (loaded.threshold, loaded.strategy) == (router.threshold, "bestroute")
    assert len(loaded.version) == 16


def test_a_folder_holds_json_and_safetensors_and_no_pickle(folder):
    names = {path.name for path in folder.iterdir()}

    assert names == {
        "config.json",
        "model.safetensors",
        "reference.npz",
        "router.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert set(json.loads((folder / "router.json").read_text())["files"]) == names - {"router.json"}


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "reference.npz"])
def test_an_altered_file_is_refused(folder, file):
    path = folder / file
    path.write_bytes(path.read_bytes()[:-1] + b"x")

    with pytest.raises(ConfigError, match=f"{file} was altered"):
        LearnedRouter.load(folder)


def test_a_missing_file_is_refused(folder):
    (folder / "tokenizer.json").unlink()

    with pytest.raises(ConfigError, match=r"lacks tokenizer.json, which its manifest names"):
        LearnedRouter.load(folder)


def test_another_folder_is_no_router(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no router.json; expected a folder written by"):
        LearnedRouter.load(tmp_path)


def test_saving_over_a_router_needs_permission(router, folder):
    with pytest.raises(FileExistsError):
        router.save(folder)

    router.save(folder, replace=True)


def test_a_text_that_cannot_be_encoded_has_an_error_and_no_score(router):
    found = router.predict_with_errors(["\ud800", "easy question two"])

    assert found.errors[0].startswith("the text is not valid Unicode")
    assert found.errors[1] == ""
    assert np.isnan(found.estimates.stack()[:, 0]).all()
    assert not np.isnan(found.estimates.p_correct_qm[1]).any()


def test_a_text_without_a_finite_value_has_an_error(router, monkeypatch):
    weight = router._network.encoder.embeddings.word_embeddings.weight
    (row,) = router._tokenizer.rows(["three"])
    monkeypatch.setattr(weight, "data", weight.data.clone())
    weight.data[row.ids[1]] = np.nan

    found = router.predict_with_errors(["three", "two"])

    assert found.errors == ["the encoder gave no finite value", ""]
    assert np.isnan(found.estimates.p_correct_qm).all(axis=1).tolist() == [True, False]


def test_long_texts_are_named(router):
    found = router.predict_with_errors(["two", "two " * 50])

    assert found.truncated_q.tolist() == [False, True]


def test_no_text_gives_no_prediction(router):
    assert router.predict([]).p_correct_qm.shape == (0, 3)


def test_costs_use_mean_lengths_of_the_training_prompts(router):
    """
    Small: 10 + 100 tokens at 1 USD per million; two samples: twice; large: at 10 USD.
    """
    cost_qm = router.predict(["easy question two plus two plus"]).cost_usd_qm

    assert cost_qm[0] == pytest.approx([110e-6, 220e-6, 1100e-6], rel=1e-3)


def test_the_published_rule_is_the_policy_of_the_threshold(router):
    estimates = router.predict(["easy question two plus", "hard question two plus"])

    choices = MinQuality(router.threshold).choose(estimates.p_correct_qm, estimates.cost_usd_qm)

    assert [router.arms[m] for m in choices.model_q] == ["small", "large"]


def test_the_reference_population_is_the_validation(router):
    population = router.reference_population()

    assert population.p_correct_qm.shape == (40, 3)
    assert population.select_models([2]).p_correct_qm.tolist() == [[1.0]] * 40


def test_names_that_are_prefixes_of_each_other_keep_their_own_prices(encoder_folder):
    """
    The published code gives gpt-4o-mini the price of gpt-4o.
    """
    models = tuple(
        ModelSpec(id=name, usd_per_mtok_in=usd, usd_per_mtok_out=usd)
        for name, usd in (("gpt-4o", 5.0), ("gpt-4o-mini", 0.5), ("gpt-4", 30.0))
    )
    tokens_qm = np.full((120, 3), 10.0)
    data = data_of(models=models, prompt_tokens_qm=tokens_qm, completion_tokens_qm=tokens_qm)

    cost_qm = frozen_router(encoder_folder, data).predict(["two plus"]).cost_usd_qm

    assert cost_qm[0] / cost_qm[0, 1] == pytest.approx([10, 1, 60])


def test_truncated_training_prompts_are_counted(encoder_folder):
    assert frozen_router(encoder_folder).spec.n_truncated == 0
    assert frozen_router(encoder_folder, max_tokens=7).spec.n_truncated == 120

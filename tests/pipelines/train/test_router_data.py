from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from pipelines.train.router_data import (
    LabelChoice,
    PricedSamples,
    router_data,
    samples_of_files,
)
from scope.errors import ConfigError, UnknownModelError, UnknownPriceError
from scope.pool import ModelSpec
from scope.prices import load_prices
from scope.samples import Samples, split_of, write_samples

RNG = np.random.default_rng(0)


def priced(scores, models=("small", "large"), **other):
    """Samples of `models` with these scores, ten prompt tokens, and o * 100 tokens an answer."""
    scores = np.array(scores, dtype=float)
    n, _, n_samples = scores.shape
    tokens = np.broadcast_to(100.0 * np.arange(1, n_samples + 1), scores.shape)
    prompts = tuple(f"prompt {q}" for q in range(n))
    samples = Samples(
        prompts,
        prompts,
        models,
        {"correct": scores, **other},
        np.full(scores.shape[:2], 10.0),
        np.where(np.isnan(scores), np.nan, tokens),
    )
    specs = {name: ModelSpec(id=name, usd_per_mtok_in=1.0, usd_per_mtok_out=2.0) for name in models}
    return PricedSamples(samples, specs, "the samples")


def labels(source, **choice):
    return router_data(source, LabelChoice(reference="large", **choice)).label_qm


def test_a_soft_label_is_the_share_of_matching_pairs():
    """
    Small .2 .6 .9 against large .5 .7: of six pairs 0 + 1 + 2 match, and 0 + 2 + 2 with t = .1.
    """
    source = priced([[[0.2, 0.6, 0.9], [0.5, 0.7, np.nan]]])

    assert labels(source).tolist() == [[pytest.approx(3 / 6)]]
    assert labels(source, margin=0.1).tolist() == [[pytest.approx(4 / 6)]]


def test_a_tie_is_a_match():
    assert labels(priced([[[0.5], [0.5]]])).tolist() == [[1.0]]


def test_the_best_of_n_equals_the_mean_over_all_draws():
    """
    The selector picks its highest of three out of five; its favourite is not always the best.
    """
    scores, proxy = RNG.random((4, 2, 5)), RNG.random((4, 2, 5))
    expected = []
    for q in range(4):
        picks = [max(draw, key=lambda o: proxy[q, 0, o]) for draw in combinations(range(5), 3)]
        pairs = list(product(picks, range(5)))
        expected.append(np.mean([scores[q, 0, a] >= scores[q, 1, b] for a, b in pairs]))

    label_qm = labels(priced(scores, proxy=proxy), arms=("small@3",), selector="proxy")

    assert label_qm[:, 0] == pytest.approx(expected)


def test_hard_labels_read_the_first_sample_only():
    source = priced([[[0.4, 0.9], [0.5, 0.1]], [[0.5, 0.0], [0.5, 0.9]]])

    assert labels(source, loss="det_2cls").tolist() == [[0], [1]]
    assert labels(source, loss="det_2cls", margin=0.1).tolist() == [[1], [1]]
    assert labels(source, loss="det_nlabels").tolist() == [[0, 1], [1, 1]]
    assert labels(source, loss="det_ncls").tolist() == [[0, 1], [1, 0]]


def test_a_prompt_that_a_model_did_not_answer_has_no_label():
    source = priced([[[np.nan], [1.0]], [[1.0], [np.nan]], [[1.0], [1.0]]])

    for loss in ("prob_2cls", "det_2cls"):
        assert np.isnan(labels(source, loss=loss)[:, 0]).tolist() == [True, True, False]


def test_the_reference_comes_last_wherever_it_stands():
    source = priced(RNG.random((3, 3, 1)), models=("large", "small", "middle"))

    for arms in ((), ("large", "small", "middle"), ("small", "middle")):
        data = router_data(source, LabelChoice(reference="large", arms=arms))
        assert data.arms == ("small", "middle", "large")
        assert data.quality_qm[:, 2].tolist() == source.samples.scores["correct"][:, 0, 0].tolist()


def test_a_name_that_is_the_beginning_of_another_is_its_own_model():
    source = priced(RNG.random((3, 3, 1)), models=("gpt-4o", "gpt-4o-mini", "gpt-4"))

    data = router_data(source, LabelChoice(reference="gpt-4o", arms=("gpt-4",)))

    assert data.arms == ("gpt-4", "gpt-4o")
    assert data.quality_qm[:, 0].tolist() == source.samples.scores["correct"][:, 2, 0].tolist()


def test_a_measured_column_goes_before_a_number_of_samples():
    source = priced(RNG.random((3, 2, 1)), models=("small@3", "large"))

    assert router_data(source, LabelChoice(reference="large")).arms == ("small@3", "large")


def test_an_arm_pays_for_all_its_samples():
    """
    Three samples of 100, 200 and 300 tokens: on average 600 tokens, and the prompt three times.
    """
    source = priced(RNG.random((2, 2, 3)), proxy=RNG.random((2, 2, 3)))

    data = router_data(source, LabelChoice(reference="large", arms=("small@3",), selector="proxy"))

    assert data.completion_tokens_qm.tolist() == [[600, 200]] * 2
    assert data.prompt_tokens_qm.tolist() == [[30, 10]] * 2
    assert data.models[0].id == "small@3"


def test_more_samples_than_were_drawn_are_refused():
    """
    One sample of each model, as in every bank: best of two cannot be labelled.
    """
    scores = RNG.random((2, 2, 1))
    source = priced(scores, proxy=scores)

    with pytest.raises(ConfigError, match="arm small@2 draws 2 samples, and no prompt has more"):
        labels(source, arms=("small@2",), selector="proxy")
    with pytest.raises(ConfigError, match="arm small@2 needs a selector"):
        labels(source, arms=("small@2",))


def test_scores_are_chosen_by_name_among_several():
    """
    The published code stops at two metrics; here the label is of the one that is asked for.
    """
    source = priced([[[0.0], [1.0]]], rouge=np.array([[[1.0], [0.0]]]))

    assert labels(source).tolist() == [[0.0]]
    assert labels(source, scorer="rouge").tolist() == [[1.0]]
    with pytest.raises(ConfigError, match="no scores 'bleu'; they have correct, rouge"):
        labels(source, scorer="bleu")


def test_the_best_margin_spreads_the_labels():
    """
    Large is better by 0 on one half and by 1 on the other: only 0 <= t < 1 tells them apart.
    """
    source = priced([[[0.0], [float(q % 2)]] for q in range(40)])
    narrow = priced([[[0.0], [1.0 + q % 2]] for q in range(40)])

    assert router_data(source, LabelChoice(reference="large", margin=None)).margin == 0
    margin = router_data(narrow, LabelChoice(reference="large", margin=None)).margin
    assert 1 <= margin < 2


def test_unknown_models_and_prices_are_named():
    source = priced(RNG.random((2, 2, 1)))

    with pytest.raises(UnknownModelError, match="unknown model 'tiny'"):
        labels(source, arms=("tiny",))
    with pytest.raises(ConfigError, match="no arm besides the reference"):
        labels(source, arms=("large",))
    with pytest.raises(UnknownPriceError):
        labels(PricedSamples(source.samples, {}, "x"))


def test_a_split_depends_on_the_prompt_alone():
    splits = [split_of(f"prompt {n}") for n in range(2_000)]

    assert split_of("prompt 3") == splits[3]
    shares = [splits.count(name) / 2_000 for name in ("train", "validation", "test")]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def test_samples_come_from_a_file_or_from_a_folder_of_files(tmp_path):
    """
    Two files with one model each are joined by id.
    """
    whole = priced(RNG.random((5, 2, 3)).round(2)).samples
    (tmp_path / "prices.json").write_text(
        '{"small": {"input": 1, "output": 2}, "large": {"input": 1, "output": 2}}'
    )
    write_samples(tmp_path / "all.parquet", whole)
    (tmp_path / "parts").mkdir()
    for m, name in enumerate(whole.models):
        part = replace(
            whole,
            models=(name,),
            scores={"correct": whole.scores["correct"][:, [m]]},
            prompt_tokens_qm=whole.prompt_tokens_qm[:, [m]],
            completion_tokens_qmo=whole.completion_tokens_qmo[:, [m]],
        )
        write_samples(tmp_path / "parts" / f"{name}.parquet", part)

    expected = labels(PricedSamples(whole, load_prices(tmp_path / "prices.json"), "x"))
    for path in (tmp_path / "all.parquet", tmp_path / "parts"):
        found = samples_of_files(path, tmp_path / "prices.json")
        assert labels(found).tolist() == expected.tolist()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="empty holds no"):
        samples_of_files(tmp_path / "empty", tmp_path / "prices.json")

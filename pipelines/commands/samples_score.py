"""``scope samples score``: scores of responses, by a reward model or a grader."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.options import Json, OnTooLong
from pipelines.commands.samples_options import SampleFiles, SamplesOutput, read_sample_files
from pipelines.terminal import print_result, progress
from scope.errors import ConfigError
from scope.questions import GRADER_NAMES, REFUSE
from scope.samples import check_suffix, write_samples

if TYPE_CHECKING:
    from pipelines.samples.score import ScoreResult

Reward = Annotated[str | None, typer.Option(help="Reward model: a folder or a Hugging Face name.")]
Form = Annotated[
    Literal["human_assistant", "chat"],
    typer.Option(help="Text that the reward model reads; chat for ArmoRM."),
]
Revision = Annotated[str | None, typer.Option(help="Commit of a Hugging Face name.")]
MaxTokens = Annotated[
    int | None, typer.Option(min=4, help="Tokens that are read; else the model's, at most 512.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")
]
Grader = Annotated[str | None, typer.Option(help=f"Grade instead, as `correct`: {GRADER_NAMES}.")]
Questions = Annotated[Path | None, typer.Option(help="Gold answers of --grader, by the same ids.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget what an interrupted run has scored.")]


def score(
    samples: SampleFiles,
    output: SamplesOutput,
    reward: Reward = None,
    scorer: Annotated[str, typer.Option(help="Name of the reward model's scores.")] = "proxy",
    form: Form = "human_assistant",
    revision: Revision = None,
    max_tokens: MaxTokens = None,
    trust_remote_code: TrustRemoteCode = False,
    replicas: Annotated[int, typer.Option(min=1, help="Most reward models at a time.")] = 1,
    num_gpus: Annotated[float, typer.Option(min=0, help="GPUs of one reward model.")] = 0.0,
    grader: Grader = None,
    questions: Questions = None,
    on_too_long: OnTooLong = REFUSE,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Score responses by a reward model, or grade them against gold answers."""
    from pipelines.samples.score import (
        RewardSource,
        remove_unfinished,
        score_by_grader,
        score_by_reward,
        unfinished_folder,
    )

    check_suffix(output)
    _check_sources(reward, grader, questions)
    with progress(as_json=as_json) as stages:
        stages.begin("reading")
        read = read_sample_files(samples)
        if grader is not None and questions is not None:
            scorer = "correct"
            result = score_by_grader(
                read, questions, grader, on_too_long=on_too_long, stages=stages
            )
        else:
            result = score_by_reward(
                read,
                RewardSource(str(reward), form, revision, max_tokens, trust_remote_code),
                scorer,
                unfinished_folder(output),
                replicas=replicas,
                num_gpus=num_gpus,
                fresh=fresh,
                stages=stages,
            )
        stages.begin("writing")
        write_samples(output, result.samples)
        remove_unfinished(output)
    _report(result, scorer, output, as_json=as_json)


def _check_sources(reward: str | None, grader: str | None, questions: Path | None) -> None:
    if (reward is None) == (grader is None):
        raise ConfigError("pass one of --reward, and --grader with --questions")
    if (grader is None) != (questions is None):
        raise ConfigError("--grader and --questions belong together; pass both")


def _report(result: "ScoreResult", scorer: str, output: Path, *, as_json: bool) -> None:
    facts = {
        "scorer": scorer,
        "scored": result.n_scored,
        "unscored": result.n_unscored,
        "output": str(output),
    }
    without = f"; {result.n_unscored:,} responses have no score" if result.n_unscored else ""
    text = f"{result.n_scored:,} scores {scorer!r} in {output}{without}"
    print_result(facts, text, as_json=as_json)

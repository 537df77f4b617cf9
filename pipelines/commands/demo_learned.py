"""``scope demo --strategy bestroute``: a learned router from samples of two small LLMs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.commands.demo_comparison import RuleComparison
from pipelines.terminal import Stages, out, progress, table
from scope import EMBEDDED_SAMPLES
from scope.arms import Arm
from scope.arrays import BoolArray
from scope.evaluation import LambdaSweep, ResampledOutcomes, bootstrap_weights
from scope.pool import cost_usd
from scope.prices import load_prices
from scope.routing import GroundTruth, Objective, RoutingResult, load_predictions, route
from scope.samples import SHARES, Samples
from scope.saving import TRADE_OFF_RULE, compare_with_reference

if TYPE_CHECKING:
    from scope.learned import LearnedRouter, Loss, RouterData

SAMPLES, PRICES = EMBEDDED_SAMPLES / "samples_t1.parquet", EMBEDDED_SAMPLES / "prices.json"
REFERENCE, SMALL = "gemma-3-270m", "smollm2-135m"
SELECTOR = "shortest"
"""Of several samples the shortest is the answer: a selector that needs no model."""
RULE = "P ≥ τ"
TARGET_DROP = 0.01
"""Quality drop that tau allows on the validation questions."""
PER_ARM = 2
"""Example questions of each arm."""


@dataclass(frozen=True, slots=True)
class LearnedDemo:
    """A published strategy on the samples that come with the package."""

    title: str
    loss: "Loss"
    n_samples: tuple[int, ...]
    """Samples of the small model, one arm for each."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms besides the reference."""
        return tuple(str(Arm(SMALL, n_samples=n)) for n in self.n_samples)


LEARNED = {
    "bestroute": LearnedDemo("BEST-Route", "prob_nlabels", (1, 2, 3, 5)),
    "hybridllm": LearnedDemo("HybridLLM", "prob_2cls", (1,)),
}


def demo_learned(strategy: LearnedDemo, output: Path) -> None:
    """Label, train, calibrate, predict and route; print what that saves and loses."""
    with progress() as stages:
        run = _LearnedRun(strategy, output, stages)
        run.label()
        data, router = run.train()
        run.predict()
    predicted = load_predictions(output)
    routing = route(predicted, Objective(min_quality=router.threshold))
    truth = _truth(data, run.samples, routing)
    routing.summary(truth).write(output / "routing.json", routing.decisions(truth))
    _print_setting(strategy, run.samples, router)
    compared = _compare(strategy, routing, truth, _best_arm(data))
    out.print(compared.table())
    out.print()
    for sentence in compared.verdicts(TARGET_DROP):
        out.print(sentence, soft_wrap=True)
    _print_examples(run.samples, routing, truth)
    _print_commands(strategy, output, router)


class _LearnedRun:
    """The steps that write files, each by the code of the command that it stands for."""

    def __init__(self, strategy: LearnedDemo, output: Path, stages: Stages) -> None:
        from pipelines.train.router_data import samples_of_files

        self.strategy, self.output, self.stages = strategy, output, stages
        stages.begin("reading")
        self.priced = samples_of_files(SAMPLES, PRICES)

    @property
    def samples(self) -> Samples:
        """The samples that come with the package."""
        return self.priced.samples

    def label(self) -> None:
        """``scope samples labels`` and ``scope samples split``."""
        from pipelines.samples import LabelRequest, split_samples, write_labels

        self.stages.begin("labelling")
        request = LabelRequest(
            reference=REFERENCE,
            models=(SMALL,),
            ns=self.strategy.n_samples,
            form=self.strategy.loss,
            selector=SELECTOR,
        )
        write_labels(self.samples, request, self.output / "labels.parquet", load_prices(PRICES))
        split_samples(self.samples, self.output / "parts", ".jsonl", SHARES)

    def train(self) -> "tuple[RouterData, LearnedRouter]":
        """``scope train router --frozen``."""
        from pipelines.train.router import RouterTraining, train_router
        from pipelines.train.router_data import LabelChoice, router_data
        from scope.embedding import MINILM

        choice = LabelChoice(
            reference=REFERENCE,
            arms=self.strategy.arms,
            loss=self.strategy.loss,
            selector=SELECTOR,
        )
        data = router_data(self.priced, choice)
        router = train_router(
            data,
            RouterTraining(MINILM, frozen=True, target_drop=TARGET_DROP),
            self.output / "router",
            fresh=True,
            stages=self.stages,
        )
        return data, router

    def predict(self) -> None:
        """``scope predict --predictor router``."""
        from pipelines.predict.learned import RouterInputs, predict_by_router

        questions = RouterInputs(self.output / "router", self.output / "parts" / "test.jsonl")
        predict_by_router(questions, self.output, fresh=True, stages=self.stages)


def _truth(data: "RouterData", samples: Samples, routing: RoutingResult) -> GroundTruth:
    """Return expected quality and cost of every arm on the test questions, over their samples."""
    row_of = {question_id: row for row, question_id in enumerate(samples.ids)}
    rows = [row_of[question_id] for question_id in routing.predictions.question_ids]
    usd_qm = cost_usd(data.models, data.prompt_tokens_qm, data.completion_tokens_qm)
    return GroundTruth(data.quality_qm[rows], usd_qm[rows])


def _best_arm(data: "RouterData") -> str:
    """Return the arm with the highest mean quality on the training questions."""
    return data.arms[int(np.nanmean(data.quality_qm[data.is_train_q], axis=0).argmax())]


def _compare(
    strategy: LearnedDemo, routing: RoutingResult, truth: GroundTruth, best_arm: str
) -> RuleComparison:
    """Compare the rule with every arm, and with the other strategies at the cost of the rule."""
    known_q: BoolArray = ~np.any(np.isnan(truth.correct_qm + truth.cost_usd_qm), axis=1)
    outcomes = ResampledOutcomes.from_outcomes(
        truth.correct_qm[known_q],
        truth.cost_usd_qm[known_q],
        bootstrap_weights(int(known_q.sum()), 0),
    )
    estimates = routing.predictions.estimates.select_questions(known_q)
    sweep = LambdaSweep(estimates.p_correct_qm, estimates.cost_usd_qm)
    arms, rule_q = routing.predictions.models, routing.choices.model_q[known_q]
    reference = arms.index(REFERENCE)
    usd_q = outcomes.cost_usd_qm[np.arange(len(rule_q)), rule_q]
    saving = 1 - usd_q.sum() / outcomes.cost_usd_qm[:, reference].sum()
    section = compare_with_reference(
        outcomes,
        arms,
        REFERENCE,
        {TRADE_OFF_RULE: ("", sweep.choices()[:, ::-1])},
        {f"{strategy.title}, {RULE}": ("", rule_q)},
        savings=(float(saving),),
    )
    return RuleComparison(
        section,
        best_arm,
        float(outcomes.mean_usd_rm[0, reference]),
        float(outcomes.accuracy_rm[0, reference]),
    )


def _print_setting(strategy: LearnedDemo, samples: Samples, router: "LearnedRouter") -> None:
    spec = router.spec
    arms = ", ".join(strategy.arms)
    out.print(
        f"\n{len(samples.ids):,} easy questions × {len(samples.models)} small LLMs × "
        f"{samples.n_samples} samples, drawn for this project; prices are assumed.\n"
        f"{strategy.title} reads a question and predicts P, the probability that the answer of "
        f"an arm is\nat least as good as one of {REFERENCE}, the reference. Arms: {arms}\n"
        "(@n: of n samples the shortest is the answer). The rule takes the cheapest arm with "
        f"{RULE}, else the\nreference. It is trained on {spec.n_train:,} questions, "
        f"τ = {spec.threshold:.4f} is chosen on {spec.n_validation:,} others, and the rest are\n"
        "the test; they have the same templates, so expect less on other questions.\n",
        soft_wrap=True,
    )


def _print_examples(samples: Samples, routing: RoutingResult, truth: GroundTruth) -> None:
    prompt_of = dict(zip(samples.ids, samples.prompts, strict=True))
    predictions, chosen_q = routing.predictions, routing.choices.model_q
    estimates = predictions.estimates
    rows = [
        (
            prompt_of[predictions.question_ids[q]],
            predictions.models[chosen_q[q]],
            f"{estimates.p_correct_qm[q, chosen_q[q]]:.2f}",
            f"${1e6 * truth.cost_usd_qm[q, chosen_q[q]]:.2f}",
        )
        for q in _example_rows(chosen_q.tolist())
    ]
    n_by_arm = Counter(predictions.models[m] for m in chosen_q.tolist())
    found = ", ".join(f"{arm} {n:,}" for arm, n in n_by_arm.most_common())
    out.print(f"\nArms chosen: {found}\n", soft_wrap=True)
    title = "Some test questions; all samples of the arm are billed, USD per million such questions"
    out.print(table(title, ("question", "arm", "P", "USD"), rows))


def _example_rows(chosen: list[int]) -> list[int]:
    """Return the first questions of every arm, so that each one that is used is seen."""
    rows = [[q for q, m in enumerate(chosen) if m == arm] for arm in sorted(set(chosen))]
    return [q for rows_of_arm in rows for q in rows_of_arm[:PER_ARM]]


def _print_commands(strategy: LearnedDemo, output: Path, router: "LearnedRouter") -> None:
    samples, prices = _from_here(SAMPLES), _from_here(PRICES)
    data = f"--samples {samples} --prices {prices} --reference {REFERENCE} --selector {SELECTOR}"
    ns, loss = ",".join(map(str, strategy.n_samples)), strategy.loss
    commands = (
        f"scope samples labels {data} --models {SMALL} --ns {ns} --form {loss} "
        f"--output {output}/labels.parquet",
        f"scope samples split --samples {samples} --output {output}/parts",
        f"scope train router {data} --arms {','.join(strategy.arms)} --loss {loss} --frozen "
        f"--target-drop {TARGET_DROP:g} --output {output}/router --fresh",
        f"scope predict --predictor router --router {output}/router "
        f"--query-file {output}/parts/test.jsonl --output {output} --fresh",
        f"scope route --predictions {output} --min-quality {router.threshold!r} "
        f"--output {output}/routing.json",
    )
    out.print("\nThe same, step by step:\n")
    for command in commands:
        out.print(f"$ {command}", soft_wrap=True, markup=False)
    out.print(
        f"\nfiles in {output}: labels.parquet parts/ router/ predictions/ routing.json",
        soft_wrap=True,
    )


def _from_here(path: Path) -> Path:
    """Return the shorter path from the working directory, where the file is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

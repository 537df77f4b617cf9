"""HybridLLM as trained by ``scope train router`` on real outcomes: frozen and fine-tuned MiniLM.

The pairs of `benchmarks.learned_routers`, det labels, trained on the training split (a tenth of it
stops the training and calibrates), reported on the validation split. Routers are kept under
results/routers. Fine-tuning needs ``pip install 'scope-router[train]'`` and starts Ray.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.banks import data_folder
from benchmarks.learned_routers import (
    SplitData,
    Sweeps,
    choose_pairs,
    load_bank_data,
    pair_sweeps,
    print_pair,
)
from pipelines.train.job import TrainSettings
from pipelines.train.router import RouterTraining, train_router
from pipelines.train.router_data import LabelChoice, PricedSamples, router_data
from scope.arrays import IntArray
from scope.embedding.spec import MINILM
from scope.learned import LearnedRouter
from scope.questions.questions import read_questions
from scope.samples import Samples
from scope.saving.comparison import compare_with_reference
from scope.saving.match_forecast import match_forecast
from scope.saving.sweep import threshold_choices

ROUTERS = Path("results/routers")
EPOCHS, LEARNING_RATE, MAX_TOKENS = 3, 3e-5, 128


def main() -> None:
    """Print one table for each pair of the data sets named, with trained routers above."""
    data = data_folder()
    if data is None:
        return
    kinds = ["frozen", *(["fine-tuned"] if find_spec("accelerate") else [])]
    for name in sys.argv[1:] or ["zeroeval"]:
        loaded = load_bank_data(data, name)
        for size, pair, _ in choose_pairs(loaded):
            two = loaded.select_models(pair)
            sweeps: Sweeps = {}
            for kind in kinds:
                router = trained(data, name, two, size, frozen=kind == "frozen")
                choices_qg = choices_of(router, data, name, two)
                sweeps[f"HybridLLM det, scope train router, {kind}"] = "", choices_qg
            with threadpool_limits(1):
                sweeps |= pair_sweeps(two)
                section = compare_with_reference(two.outcomes(), pair, pair[1], sweeps, {})
            print(
                f"### {loaded.title}, {size} gap: {pair[0]} → {pair[1]}; "
                f"{section.n_questions:,} validation questions\n"
            )
            print_pair(section)


def trained(data: Path, name: str, two: SplitData, size: str, *, frozen: bool) -> LearnedRouter:
    """Return the router of a pair, trained unless it was before."""
    folder = ROUTERS / f"{name}-{size}-{'frozen' if frozen else 'fine-tuned'}"
    if folder.exists():
        return LearnedRouter.load(folder)
    outcomes = two.bank.outcomes
    samples = Samples(
        two.bank.ids,
        texts(data, name, "train", two.bank.ids),
        two.bank.model_ids,
        {"correct": outcomes.correct_am[:, :, None]},
        outcomes.prompt_tokens_am,
        outcomes.completion_tokens_am[:, :, None],
    )
    prices = {model.id: model for model in two.bank.models}
    choice = LabelChoice(reference=two.bank.model_ids[1], loss="det_2cls")
    folder.parent.mkdir(parents=True, exist_ok=True)
    return train_router(
        router_data(PricedSamples(samples, prices, name), choice),
        RouterTraining(
            encoder=MINILM,
            frozen=frozen,
            max_tokens=MAX_TOKENS,
            settings=TrainSettings(epochs=EPOCHS, learning_rate=LEARNING_RATE),
        ),
        folder,
    )


def choices_of(router: LearnedRouter, data: Path, name: str, two: SplitData) -> IntArray:
    """Return the choices of the published rule on the validation split, for falling tau."""
    ids = tuple(
        one for one, kept in zip(two.test_set.ids, two.test_set.complete_q, strict=True) if kept
    )
    estimates = router.predict(texts(data, name, "val", ids))
    forecast = match_forecast("router", router.arms, estimates, two.bank.model_ids, router.arms[-1])
    return threshold_choices(forecast.p_match_qm, forecast.cost_usd_qm, 1)


def texts(data: Path, name: str, split: str, ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the prompts of some questions, in their order."""
    read = read_questions(data / f"{name}_questions.parquet", split=split)
    prompt_of = dict(zip(read.ids, read.prompts, strict=True))
    return tuple(prompt_of[one] for one in ids)


if __name__ == "__main__":
    main()

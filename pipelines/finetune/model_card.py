"""The model card of a trained reasoner: ``README.md`` in its folder."""

from typing import Any

from scope.reasoner import TrainingRecord

TITLES = {
    "sft": "supervised fine-tuning (SFT)",
    "grpo": "group relative policy optimisation (GRPO)",
}


def model_card(record: TrainingRecord, log: list[dict[str, Any]]) -> str:
    """Return the text of the card: origin, data, every setting, and what was logged at the end.

    Parameters
    ----------
    record : TrainingRecord
    log : list of dict
        Entries of the Trainer, in the order of steps.
    """
    facts = {
        "base checkpoint": f"`{record.base_checkpoint}`, revision `{record.base_revision}`",
        "method": TITLES[record.method],
        "bank": f"`{record.bank}`",
        "models": ", ".join(f"`{model}`" for model in record.models),
        "prompts": f"{record.n_train:,} to train on, {record.n_validation:,} for validation",
        "questions seen": f"{len(record.trained_texts):,}",
        "form of a prompt": f"`{record.form}`, at most {record.n_examples} examples, "
        f"{record.max_context_tokens:,} tokens with the reply",
        "reasoning": f"`{record.reasoning}`",
        "data": f"`{record.data}`",
    }
    settings = {name: f"`{value}`" for name, value in record.settings.items()}
    parts = [
        f"---\nlibrary_name: transformers\nbase_model: {record.base_checkpoint}\n"
        "tags: [scope-router, reasoner]\n---\n",
        "# A reasoner of scope-router\n",
        "It reads how a model did on similar questions, and predicts whether the model will "
        "answer a new one correctly, and in how many tokens. It was trained on the outcomes of "
        "the models below; of others it knows less.\n",
        _table("", "", facts),
        "## Settings\n",
        _table("setting", "value", settings),
        "## At the end of the training\n",
        _table("", "last value", _last_values(log)),
        "![loss and reward by step](training.png)\n",
        "## Use\n",
        "```console\n$ scope bank fit --predictor scope --checkpoint THIS_FOLDER \\\n"
        "      --bank BANK --output FITTED\n```\n",
        "The fit leaves out every question of `training.json`, and gives the reasoner the weight "
        "0 if it does not improve the forecasts of the anchors on the others.\n",
    ]
    return "\n".join(parts)


def _last_values(log: list[dict[str, Any]]) -> dict[str, str]:
    """Return the last value of each logged series."""
    last: dict[str, str] = {}
    for entry in log:
        last |= {name: f"{value:.5g}" for name, value in entry.items() if name != "step"}
    return last


def _table(left: str, right: str, rows: dict[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join([*lines, ""])

"""What training a reasoner is worth: P(yes) of checkpoints on the hold-out of training data.

Without vLLM: forward passes of transformers on the CPU. As the grammar of an engine does, each
reply is held to ``LEN, correct:`` with the digits that the checkpoint finds most probable; P(yes)
is then read off the next token. The anchors' forecast of a question is made without itself, and
the blend is fitted by cross-validation. Differences between checkpoints are paired.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipelines.finetune.data import TEMPLATE, FinetuneData, FinetuneRow
from pipelines.finetune.rendering import RowRenderer
from pipelines.reasoner.held_out import check_held_out
from scope.arrays import FloatArray, IntArray
from scope.bank.bank import Bank
from scope.bank.store import load_bank
from scope.errors import ConfigError, ScopeError
from scope.evaluation.answer_quality import AnswerQuality, auc_replicates
from scope.evaluation.bootstrap import Interval, bootstrap_weights
from scope.predictor import AnchorPredictor
from scope.reasoner.answers import ReasonerPredictions
from scope.reasoner.spec import ReasonerConfig
from scope.reasoner.tokenizer import PromptTokenizer
from scope.reasoner.training_record import TrainingRecord
from scope.sampling import hash_sample

BATCH_TOKENS = 6_144
"""Most tokens of the prompts of one forward pass, padding included."""
MAX_DIGITS = 5
ENDING = ", correct:"


class Answer(NamedTuple):
    """Reply of a checkpoint about one row."""

    p_yes: float
    tokens: float


class AnswerReader:
    """Reads lengths and P(yes) off the network of a checkpoint.

    Parameters
    ----------
    checkpoint : str
        Folder or Hugging Face name.
    """

    def __init__(self, checkpoint: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = PromptTokenizer.load(checkpoint)
        network: Any = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
        self._network = network.eval()
        tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint)
        words = [tokenizer.decode([n]) for n in range(network.config.vocab_size)]
        self._words = words
        self._first = torch.tensor([bool(re.fullmatch(r" [0-9]*", word)) for word in words])
        self._digits = torch.tensor([bool(re.fullmatch(r"[0-9]+", word)) for word in words])
        self._comma, *_ = ending = tokenizer.encode(ENDING, add_special_tokens=False)
        self._ending = torch.tensor(ending)

    def read(self, prompts: Sequence[str]) -> list[Answer]:
        """Return the answers to prompts that end in the forced beginning of a reply."""
        ids = [self.tokenizer.encode(prompt) for prompt in prompts]
        answers: list[Answer] = [Answer(np.nan, np.nan)] * len(ids)
        for rows in batches([len(tokens) for tokens in ids]):
            for row, answer in zip(rows, self._read([ids[row] for row in rows]), strict=True):
                answers[row] = answer
        return answers

    def _read(self, ids: Sequence[Sequence[int]]) -> list[Answer]:
        import torch

        width = max(map(len, ids))
        tokens = torch.tensor([[0] * (width - len(row)) + list(row) for row in ids])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        texts, open_n, cache = [""] * len(ids), torch.ones(len(ids), dtype=torch.bool), None
        with torch.inference_mode():
            for _ in range(MAX_DIGITS + 1):
                logits, cache = self._forward(tokens, mask, cache)
                allowed = self._allowed(texts)
                chosen = logits.masked_fill(~allowed, -torch.inf).argmax(dim=-1)
                open_n = open_n & (chosen != self._comma)
                for n in torch.nonzero(open_n).flatten().tolist():
                    texts[n] += self._words[int(chosen[n])]
                if not open_n.any():
                    break
                tokens = chosen[:, None]
                mask = torch.cat([mask, open_n[:, None].long()], dim=1)
            tokens = self._ending.repeat(len(ids), 1)
            mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
            logits, _ = self._forward(tokens, mask, cache)
        odds = logits[:, self.tokenizer.yes_id] - logits[:, self.tokenizer.no_id]
        p_yes = torch.sigmoid(odds).tolist()
        return [Answer(p, float(text)) for p, text in zip(p_yes, texts, strict=True)]

    def _allowed(self, texts: Sequence[str]) -> Any:  # noqa: ANN401 (a tensor)
        """Return which tokens may follow each text: a space, digits, or the comma after them."""
        import torch

        rows = []
        for text in texts:
            digits = text.strip()
            full = len(digits) >= MAX_DIGITS or digits == "0"
            allowed = self._first if not text else self._digits & (not full)
            if digits:
                allowed = allowed.clone()
                allowed[self._comma] = True
            rows.append(allowed)
        return torch.stack(rows)

    def _forward(self, tokens: Any, mask: Any, cache: Any) -> tuple[Any, Any]:  # noqa: ANN401
        position = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        out = self._network(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float(), out.past_key_values


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield rows of similar length whose padded prompts have at most `BATCH_TOKENS` tokens."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def held_out_rows(data: FinetuneData, limit: int | None) -> list[FinetuneRow]:
    """Return the rows of the hold-out, of at most `limit` questions drawn by the hash of their id.

    Raises
    ------
    ConfigError
        If there is none, or one prompt asks about several models.
    """
    if data.spec.form != "model":
        raise ConfigError(f"the data have the form {data.spec.form!r}; expected model")
    rows = data.rows_of("test")
    if not rows:
        raise ConfigError("the data have no hold-out; make them with a share of test above 0")
    questions = sorted({row.question for row in rows})
    drawn = hash_sample([data.ids[q] for q in questions], limit or len(questions))
    wanted = {questions[n] for n in drawn}
    return [row for row in rows if row.question in wanted]


def answers_of(
    checkpoint: str, data: FinetuneData, folder: Path, rows: Sequence[FinetuneRow]
) -> list[Answer]:
    """Return the answers of a checkpoint, by the prompts that it was trained on.

    Raises
    ------
    ConfigError
        If it was trained on one of the questions, or to write an analysis first.
    """
    record = TrainingRecord.read(checkpoint)
    check_held_out([data.prompts[row.question] for row in rows], checkpoint, str(folder))
    if record is not None and record.reasoning != "none":
        raise ConfigError(
            f"{checkpoint} writes an analysis first; expected one trained with --reasoning none"
        )
    config = ReasonerConfig(
        checkpoint=checkpoint,
        template=folder / TEMPLATE,
        n_examples=data.spec.n_examples,
        max_context_tokens=record.max_context_tokens if record else 2_048,
    )
    reader = AnswerReader(checkpoint)
    renderer = RowRenderer(data, config, reader.tokenizer)
    return reader.read([renderer.render(row).prompt for row in rows])


def grid(
    answers: Sequence[Answer], rows: Sequence[FinetuneRow], questions: IntArray, n_models: int
) -> ReasonerPredictions:
    """Return the answers as one row for each question."""
    at = np.searchsorted(questions, [row.question for row in rows])
    column = [row.columns[0] for row in rows]
    p_yes_qm, tokens_qm = np.full((2, len(questions), n_models), np.nan)
    p_yes_qm[at, column] = [answer.p_yes for answer in answers]
    tokens_qm[at, column] = [answer.tokens for answer in answers]
    return ReasonerPredictions(p_yes_qm, tokens_qm)


def report(bank: Bank, questions: IntArray, found: dict[str, ReasonerPredictions]) -> None:
    """Print the quality of each checkpoint, and AUC minus that of the first."""
    estimates, _ = AnchorPredictor(bank).predict(
        bank.embedding_ad[questions], bank.features_af[questions], questions
    )
    truth = bank.outcomes.select_questions(questions)
    weight_rq = bootstrap_weights(len(questions), seed=0)
    first_r: tuple[FloatArray, FloatArray] | None = None
    for name, answers in found.items():
        quality = AnswerQuality.cross_validated(estimates, answers, truth, bank.models)
        within_r, pooled_r, _ = auc_replicates(answers.p_yes_qm, truth.correct_am, weight_rq)
        print(f"{name}: {quality.n_questions:,} questions, {quality.n_predictions:,} answers")
        print(f"  {quality}")
        for model, auc in quality.by_model.items():
            print(f"  AUC about {model}: {auc:.3f}")
        if first_r is None:
            first_r = within_r, pooled_r
            continue
        for what, auc_r, base_r in zip(
            ("within a model", "over all"), (within_r, pooled_r), first_r, strict=True
        ):
            gain = Interval.from_replicates(auc_r - base_r)
            print(f"  AUC {what} minus that of {next(iter(found))}: {gain:+.3f}")


def main() -> None:
    """Read the arguments, and compare the checkpoints on the same questions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="of scope train reasoner data")
    parser.add_argument("--bank", type=Path, required=True, help="that the data were made from")
    parser.add_argument("--checkpoint", action="append", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--limit", type=int, help="most questions of the hold-out")
    chosen = parser.parse_args()
    checkpoints = dict(text.split("=", 1) for text in chosen.checkpoint)
    try:
        data, bank = FinetuneData.load(chosen.data), load_bank(chosen.bank)
        bank = bank.select_models(data.spec.models)
        if bank.ids != data.ids:
            raise ConfigError(f"{chosen.data} was made from another bank than {chosen.bank}")
        rows = held_out_rows(data, chosen.limit)
        questions = np.unique([row.question for row in rows])
        found = {
            name: grid(answers_of(path, data, chosen.data, rows), rows, questions, len(bank.models))
            for name, path in checkpoints.items()
        }
    except ScopeError as error:
        parser.exit(2, f"{error}\n")
    report(bank, questions, found)


if __name__ == "__main__":
    main()

"""The formats of evaluation logs by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.imports.alpaca_eval import read_alpaca_eval
from pipelines.imports.by_id import QuestionsById, read_openai_batch, read_swe_bench
from pipelines.imports.inspect_logs import read_inspect
from pipelines.imports.lm_eval import read_lm_eval
from pipelines.imports.promptfoo import read_promptfoo
from pipelines.imports.record import Record
from pipelines.imports.router_tables import read_llmrouterbench, read_routerbench, read_table
from scope.errors import ConfigError

WITH_METRIC = {"lm-eval": read_lm_eval, "inspect": read_inspect, "promptfoo": read_promptfoo}
WITH_TEXTS = {
    "alpaca-eval": read_alpaca_eval,
    "csv": read_table,
    "llmrouterbench": read_llmrouterbench,
    "routerbench": read_routerbench,
}
BATCH, SWE_BENCH = "openai-batch", "swe-bench"
FORMATS = tuple(sorted((*WITH_METRIC, *WITH_TEXTS, BATCH, SWE_BENCH)))


@dataclass(frozen=True, slots=True)
class LogSource:
    """Logs as the user names them.

    Attributes
    ----------
    format : str
        One of `FORMATS`.
    paths : sequence of Path
    metric : str or None
        Which score, for the formats of `WITH_METRIC`.
    questions : Path or None
        Texts and gold answers, for the formats that have only ids.
    grader : str or None
        For answers without a score; None: ``auto``.
    """

    format: str
    paths: Sequence[Path]
    metric: str | None = None
    questions: Path | None = None
    grader: str | None = None

    def records(self) -> Iterator[Record]:
        """Yield the answers in the logs.

        Raises
        ------
        ScopeError
            If the format is unknown, an option is missing or not for it, or a log is damaged.
        """
        self._check()
        if self.format in WITH_METRIC:
            return WITH_METRIC[self.format](self.paths, self.metric)
        if self.format in WITH_TEXTS or self.questions is None:
            return WITH_TEXTS[self.format](self.paths)
        questions = QuestionsById.read(self.questions)
        if self.format == BATCH:
            return read_openai_batch(self.paths, questions, self.grader or "auto")
        return read_swe_bench(self.paths, questions)

    def _check(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"FORMAT is {self.format!r}; expected one of {', '.join(FORMATS)}")
        has_ids = self.format in (BATCH, SWE_BENCH)
        if has_ids and self.questions is None:
            raise ConfigError(f"{self.format} has no texts of questions; name them by --questions")
        wrong = {
            "--metric": self.metric is not None and self.format not in WITH_METRIC,
            "--questions": self.questions is not None and not has_ids,
            "--grader": self.grader is not None and self.format != BATCH,
        }
        if flag := next((flag for flag, is_wrong in wrong.items() if is_wrong), None):
            raise ConfigError(f"{flag} is not for {self.format}; its logs say it")

"""The body of ``/v1/feedback``: how good an answer was."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.protocol import RequestError, validate
from deployments.requests.parsing import parse_json_object

DECISION_HEADER = "x-scope-decision-id"
"""Names the decision of a response, and of a score whose body does not."""

MAX_COMMENT_CHARS = 2_000

Label = Literal["good", "bad", "correct", "incorrect", "thumbs_up", "thumbs_down"]

LABELS: Mapping[Label, float] = {
    "good": 1.0,
    "bad": 0.0,
    "correct": 1.0,
    "incorrect": 0.0,
    "thumbs_up": 1.0,
    "thumbs_down": 0.0,
}
"""Scores of the labels."""


class FeedbackBody(BaseModel):
    """The score of one decision, as a number or as a label."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"oneOf": [{"required": ["score"]}, {"required": ["label"]}]},
    )

    decision_id: Annotated[str, Field(pattern=r"^dec_[0-9a-f]{32}$")]
    """Header ``x-scope-decision-id`` of the response, or ``id`` of a decision."""
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """1 = the answer was right, 0 = it was wrong, or a grade between them."""
    label: Label | None = None
    """In place of a score."""
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARS)] | None = None
    """Logged where prompts are: it may be as private."""

    @model_validator(mode="after")
    def _score_or_label(self) -> Self:
        if (self.score is None) == (self.label is None):
            raise ValueError(
                f"expected exactly one of score (0 to 1) and label ({', '.join(LABELS)})"
            )
        return self

    @property
    def value(self) -> float:
        """The score, in [0, 1]."""
        if self.label is not None:
            return LABELS[self.label]
        assert self.score is not None  # validated
        return self.score

    @classmethod
    def parse(cls, body: bytes, headers: Mapping[str, str]) -> Self:
        """Read a body; the decision may be named by the header instead.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        data = parse_json_object(body)
        header, named = headers.get(DECISION_HEADER), data.get("decision_id")
        if named is not None and header and header != named:
            raise RequestError(
                f"decision_id: the body and the header {DECISION_HEADER} name two decisions; "
                "expected one",
                "decision_id",
            )
        if named is None and header:
            data = {**data, "decision_id": header}
        elif named is None:
            raise RequestError(
                f"decision_id: missing, and required in the body or the header {DECISION_HEADER}",
                "decision_id",
            )
        return validate(cls, data)

"""The body of ``/v1/feedback``: how good an answer was."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from deployments.protocol import validate
from deployments.requests.parsing import parse_json_object


class FeedbackBody(BaseModel):
    """The score of one decision."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    decision_id: Annotated[str, Field(pattern=r"^dec_[0-9a-f]{32}$")]
    """Header ``x-scope-decision-id`` of the response, or ``id`` of a decision."""
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    """1 = the answer was right, 0 = it was wrong, or a grade between them."""

    @classmethod
    def parse(cls, body: bytes) -> "FeedbackBody":
        """Read a body.

        Raises
        ------
        RequestError
            With the first mistake.
        """
        return validate(cls, parse_json_object(body))

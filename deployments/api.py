"""The HTTP surface: plain FastAPI over a function that decides. Knows nothing of Ray."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException

from scope.errors import ScopeError
from scope.questions import MAX_PROMPT_CHARS

Fraction = Annotated[float, Field(ge=0, le=1)]


class Wish(BaseModel):
    """What a request asks of its decision; at most one aim."""

    model_config = ConfigDict(extra="forbid")

    alpha: Fraction | None = None
    min_quality: Fraction | None = None
    max_cost_usd: Annotated[float, Field(ge=0)] | None = None
    allowed_models: tuple[str, ...] = ()
    denied_models: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_aim(self) -> "Wish":
        if len(self.aim()) > 1:
            raise ValueError(f"{' and '.join(self.aim())} exclude each other; give one of them")
        return self

    def aim(self) -> dict[str, float]:
        """Return the aim by name; empty if the request has none."""
        aims = {name: getattr(self, name) for name in ("alpha", "min_quality", "max_cost_usd")}
        return {name: value for name, value in aims.items() if value is not None}


class RouteRequest(BaseModel):
    """Body of ``POST /v1/route``."""

    model_config = ConfigDict(extra="forbid")

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARS)
    scope: Wish = Wish()


Decide = Callable[[str, Wish], Awaitable[dict[str, Any]]]


def make_api(decide: Decide) -> FastAPI:
    """Return the application; `decide` answers every request."""
    api = FastAPI(title="scope-router")

    @api.post("/v1/route")
    async def route(body: RouteRequest) -> dict[str, Any]:
        """Decide for one prompt, without calling the model chosen."""
        return await decide(body.prompt, body.scope)

    @api.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @api.exception_handler(ScopeError)
    async def refused(_: Request, error: ScopeError) -> JSONResponse:
        return failure(400, str(error), "invalid_request_error")

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        field = ".".join(part for part in first["loc"] if isinstance(part, str) and part != "body")
        return failure(400, f"{field or 'body'}: {first['msg']}", "invalid_request_error", field)

    @api.exception_handler(HTTPException)
    async def failed(_: Request, error: HTTPException) -> JSONResponse:
        return failure(error.status_code, str(error.detail), "invalid_request_error")

    return api


def failure(status: int, message: str, kind: str, param: str | None = None) -> JSONResponse:
    """Return an error of the shape OpenAI's clients expect."""
    error = {"message": message, "type": kind, "code": None, "param": param}
    return JSONResponse({"error": error}, status)

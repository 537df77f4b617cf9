"""Dockerfiles: base images, versions, secrets and the user."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.checks.findings import Finding
from deployments.checks.secrets import ASSIGNMENT, REMEDY
from deployments.checks.versions import image_mistake, version_mistake, versions_in
from scope.upstream import KEY_FORMATS

FROM = re.compile(r"(?i)^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?")
ARG = re.compile(r"(?i)^\s*ARG\s+(\w+)=(\S+)")
USER = re.compile(r"(?i)^\s*USER\s+(\S+)")
COPY_FROM = re.compile(r"--from=(\S+)")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(slots=True)
class BuildStage:
    """One stage of a build.

    Attributes
    ----------
    line : int
    parent : str
        The stage or image that it begins with.
    user : str
        Of the last ``USER``; the parent's if there is none.
    """

    line: int
    parent: str
    user: str


def dockerfile_findings(text: str, file: str) -> Iterator[Finding]:
    """Yield what is wrong with a Dockerfile."""
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith("#")
    ]
    defaults = {match[1]: (n, match[2]) for n, line in lines if (match := ARG.match(line))}
    stages = _stages(lines)
    for stage in stages.values():
        name = VARIABLE.fullmatch(stage.parent)
        place, image = defaults.get(name[1], (0, "")) if name else (stage.line, stage.parent)
        if image and image not in stages and image != "scratch":
            for mistake in image_mistake((), "the base image is", image):
                yield Finding(file, place, "error", "FROM", mistake.message, mistake.remedy)
    for number, line in lines:
        yield from _line(line, number, file)
    yield from _users(text, stages, file)


def _stages(lines: list[tuple[int, str]]) -> dict[str, BuildStage]:
    stages: dict[str, BuildStage] = {}
    current = ""
    for number, line in lines:
        if match := FROM.match(line):
            current = match[2] or str(len(stages))
            parent = stages.get(match[1])
            stages[current] = BuildStage(number, match[1], parent.user if parent else "")
        elif (match := USER.match(line)) and current in stages:
            stages[current].user = match[1]
    return stages


def _users(text: str, stages: dict[str, BuildStage], file: str) -> Iterator[Finding]:
    """Yield the stages that become an image and run as root."""
    used = {stage.parent for stage in stages.values()} | set(COPY_FROM.findall(text))
    for name, stage in stages.items():
        if name not in used and stage.user.partition(":")[0] in ("", "root", "0"):
            message = f"the container of stage {name} runs as root"
            remedy = "end the stage with USER and an id above 0"
            yield Finding(file, stage.line, "error", "USER", message, remedy)


def _line(line: str, number: int, file: str) -> Iterator[Finding]:
    for _, package, version in versions_in(line):
        for mistake in version_mistake((), "the image installs", package, version):
            yield Finding(file, number, "error", "RUN", mistake.message, mistake.remedy)
    assigned = ASSIGNMENT.search(line)
    if assigned or KEY_FORMATS.search(line):
        name = assigned[1] if assigned else "a key"
        yield Finding(file, number, "error", "ENV", f"{name} stands in clear", REMEDY)

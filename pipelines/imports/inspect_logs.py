"""Read the logs of Inspect AI: ``.json``, and ``.eval``, a zip archive of JSON files."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.imports.files import chat_text, log_files, read_json
from pipelines.imports.metric import chosen_metric
from pipelines.imports.record import (
    Record,
    field_of,
    list_of,
    optional_text,
    part_of,
    score_of,
    settings_text,
    text_of,
    tokens_of,
)
from scope.errors import FormatError
from scope.json_text import parse_json

GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""Letters of Inspect's scorers: correct, partially correct, incorrect, no answer."""

ZSTD = 93
"""Method of compression that Inspect uses and the standard library cannot read."""

UNREADABLE = (
    *(OSError, EOFError, RuntimeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, pa.ArrowInvalid),
)
"""What is raised for a file that is no archive, or a damaged one."""

LOCAL_HEADER = 30
"""Bytes of the header in front of a file in an archive, before its name."""


def read_inspect(paths: Sequence[Path], metric: str | None) -> Iterator[Record]:
    """Yield the scored answers of finished logs; samples that failed have none.

    Parameters
    ----------
    paths : sequence of Path
        ``.eval`` or ``.json``, or folders with such files.
    metric : str, optional
        Name of a scorer, or ``SCORER/KEY`` where its value has keys. Needed where a sample has
        several.

    Raises
    ------
    FormatError
        If a file is not a log of Inspect, its run did not finish, or it has no or several scores.
    """
    for path in log_files(paths, "*.eval", "*.json", "*.json.gz"):
        log, samples = _read(path)
        status = field_of(log, "status", str(path))
        if status != "success":
            raise FormatError(f"{path} has the status {status!r}; expected a run with 'success'")
        run = field_of(log, "eval", str(path))
        scored = [(place, s) for place, s in samples if isinstance(s.get("scores"), Mapping)]
        names = {name for place, sample in scored for name in _values(sample)}
        name = chosen_metric(names, metric, str(path))
        for place, sample in scored:
            if name in (values := _values(sample)):
                yield _record(run, log, sample, (name, values[name]), place)


def _record(
    run: Mapping[str, Any],
    log: Mapping[str, Any],
    sample: Mapping[str, Any],
    score: tuple[str, object],
    location: str,
) -> Record:
    model, task = text_of(run, "model", location), text_of(run, "task", location)
    name, value = score
    grade = GRADES.get(value, value) if isinstance(value, str) else value
    usage = part_of(sample, "model_usage", model)
    prompt_counts = [
        tokens_of(usage.get(field), field, location)
        for field in ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
    ]
    return Record(
        location=location,
        prompt=_prompt(sample, location),
        model=model,
        score=score_of(grade, name, location),
        answer=optional_text(part_of(sample, "output").get("completion")),
        prompt_tokens=None
        if prompt_counts[0] is None
        else sum(count or 0 for count in prompt_counts),
        completion_tokens=tokens_of(usage.get("output_tokens"), "output_tokens", location),
        gold=optional_text(sample.get("target")),
        category=task,
        source=task,
        settings=settings_text(
            {
                "generate": run.get("model_generate_config"),
                "plan": [(step.get("solver"), step.get("params")) for step in _steps(log)],
                "plan_config": part_of(log, "plan").get("config"),
                "task_args": run.get("task_args"),
            }
        ),
    )


def _steps(log: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = part_of(log, "plan").get("steps")
    return [s for s in steps if isinstance(s, Mapping)] if isinstance(steps, list) else []


def _values(sample: Mapping[str, Any]) -> dict[str, object]:
    """Return the scores of a sample by name; the keys of a score with several follow a slash."""
    values = dict[str, object]()
    for name, score in sample["scores"].items():
        value = score.get("value") if isinstance(score, Mapping) else score
        if isinstance(value, Mapping):
            values |= {f"{name}/{key}": part for key, part in value.items()}
        elif value is not None:
            values[name] = value
    return values


def _prompt(sample: Mapping[str, Any], location: str) -> str:
    """Return the text that was asked: the messages before the first answer, else the input."""
    asked = list[Any]()
    messages = sample.get("messages")
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping) and message.get("role") == "assistant":
            break
        asked.append(message)
    if asked:
        return chat_text(asked, location)
    value = field_of(sample, "input", location)
    return value if isinstance(value, str) else chat_text(value, location)


Samples = list[tuple[str, Mapping[str, Any]]]


def _read(path: Path) -> tuple[Mapping[str, Any], Samples]:
    """Return a log without its samples, and its samples with their locations."""
    if path.suffix == ".eval":
        return _read_archive(path)
    log = read_json(path)
    samples = list_of(log, "samples", str(path))
    if not all(isinstance(s, Mapping) for s in samples):
        raise FormatError(f"{path}: samples is {samples!r:.40}; expected a list of objects")
    return log, [(f"{path}: sample {n}", sample) for n, sample in enumerate(samples, start=1)]


def _read_archive(path: Path) -> tuple[Mapping[str, Any], Samples]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                raise FormatError(f"{path} has no header.json; its run was not finished")
            log = _member(path, archive, "header.json")
            samples = [
                (f"{path}: {name}", _member(path, archive, name))
                for name in names
                if name.startswith("samples/")
            ]
    except UNREADABLE as error:
        raise FormatError(f"{path} is no whole archive: {error}") from error
    return log, samples


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Mapping[str, Any]:
    """Return the object in a file of an archive."""
    info = archive.getinfo(name)
    data = _unpack_zstd(path, info) if info.compress_type == ZSTD else archive.read(name)
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise FormatError(f"{path}: {name} is damaged: its checksum is another one")
    try:
        value = parse_json(data.decode(), f"{path}: {name}", allow_nan=True)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: {name} is not text in UTF-8") from error
    if not isinstance(value, Mapping):
        raise FormatError(f"{path}: {name} is a {type(value).__name__}; expected an object")
    return value


def _unpack_zstd(path: Path, info: zipfile.ZipInfo) -> bytes:
    """Return the content of a file in an archive; Arrow reads what `zipfile` cannot."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER)
        n_name, n_extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        file.seek(info.header_offset + LOCAL_HEADER + n_name + n_extra)
        packed = file.read(info.compress_size)
    with pa.input_stream(pa.py_buffer(packed), compression="zstd") as stream:
        data: bytes = stream.read(info.file_size + 1)
    return data

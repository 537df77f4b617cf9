"""Compute the vectors of a sentence-transformers model on onnxruntime instead of torch."""

import fcntl
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from scope.arrays import Float32Array
from scope.errors import ConfigError, ScopeWarning, first_line
from scope.storage import atomic_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CACHE = "~/.cache/scope-router/encoders"
GRAPH = "model.onnx"
LOWEST_COSINE = 1 - 1e-6
"""Between the vectors of the two libraries; a graph with a lower one is refused."""
PROBES = (
    "What is 2 + 2?",
    "Name the capital of France.",
    "def f(x): return [y ** 2 for y in x if y > 0]  # Straße, 東京, déjà vu",
    "two plus two is the capital of a country with a long name and many rivers. " * 30,
)
"""Texts on which a graph is compared with torch: short, long, and of rare characters."""
VERSIONED = ("torch", "transformers", "sentence-transformers", "onnxscript")
"""Packages that decide what is exported."""


class UncachedGraphWarning(ScopeWarning):
    """The cache folder cannot be written, so that every process exports its own graph."""


class OnnxModel:
    """A sentence-transformers model as an ONNX graph, from the numbers of tokens to the vector.

    The graph is exported once, which takes seconds, and compared with torch on `PROBES`. It is
    kept in the folder ``encoders`` of ``SCOPE_CACHE``, else in `CACHE`; where this cannot be
    written, or the revision of the weights is not known, every process exports its own. The
    graph uses as many threads as torch would.

    Parameters
    ----------
    model : SentenceTransformer
        On the CPU. It keeps its tokenizer and loses its weights.
    name : str
    revision : str or None
        As in the `EmbedderSpec`.

    Raises
    ------
    ConfigError
        If a package is missing, the model cannot be exported, or its vectors differ.

    Warns
    -----
    UncachedGraphWarning
    """

    def __init__(self, model: "SentenceTransformer", name: str, revision: str | None) -> None:
        self._preprocess = model.preprocess
        with _exported(model.eval(), name, revision) as folder:
            self._session = _open_session(folder, name)
        model.to("meta")  # frees the weights

    def encode(self, texts: Sequence[str]) -> Float32Array:
        """Return unit vectors, (n_texts, n_dimensions), computed in one batch."""
        return _unit(_run(self._session, self._preprocess(list(texts))))


@contextmanager
def _exported(model: "SentenceTransformer", name: str, revision: str | None) -> Iterator[Path]:
    """Yield the folder of the graph, which is exported first if the cache lacks it."""
    folder = None
    if revision is not None:
        try:
            folder = _cached(model, name, revision)
        except (OSError, RuntimeError) as error:  # RuntimeError: there is no home folder
            text = f"the ONNX graph of embedder {name!r} is not kept: {first_line(error)}"
            warnings.warn(text, UncachedGraphWarning, stacklevel=2)
    if folder is not None:
        yield folder
        return
    with TemporaryDirectory(prefix="scope-encoder-") as temporary:
        _export(model, name, Path(temporary))
        yield Path(temporary)


def _cached(model: "SentenceTransformer", name: str, revision: str) -> Path:
    """Return the folder of the graph in the cache; processes that lack it wait for the first.

    Raises
    ------
    OSError
        If the cache cannot be written.
    """
    versions = [f"{package} {metadata.version(package)}" for package in VERSIONED]
    digest = hashlib.sha256("\n".join([name, revision, *versions]).encode()).hexdigest()[:16]
    cache = os.environ.get("SCOPE_CACHE")
    root = (Path(cache) / "encoders" if cache else Path(CACHE)).expanduser()
    folder = root / digest
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        with (root / f"{digest}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                with atomic_folder(folder) as draft:
                    _export(model, name, draft)
    return folder


def _export(model: "SentenceTransformer", name: str, folder: Path) -> None:
    """Write the graph and its weights to `folder`, if its vectors equal those of torch."""
    import torch

    class Whole(torch.nn.Module):  # torch is loaded here only
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
            vector: torch.Tensor = self.model(dict(features))["sentence_embedding"]
            return vector

    examples = _tensors(model.preprocess(list(PROBES[:2])))
    axes = {key: dict.fromkeys(range(2), torch.export.Dim.DYNAMIC) for key in examples}
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                Whole(),
                kwargs={"features": examples},
                dynamic_shapes={"features": axes},
                input_names=list(examples),
                output_names=["vector"],
                dynamo=True,
                verbose=False,
            )
            program.save(folder / GRAPH, external_data=True)
    except OSError:
        raise
    except ImportError as error:
        raise _missing(error) from error
    except Exception as error:
        reason = first_line(error.__cause__ or error)
        raise ConfigError(
            f"embedder {name!r} cannot be exported to ONNX; choose backend torch: {reason}"
        ) from error
    _check_equal(model, _open_session(folder, name), name)


def _check_equal(model: "SentenceTransformer", session: Any, name: str) -> None:  # noqa: ANN401 (onnxruntime has no types)
    """Raise `ConfigError` unless the graph returns the vectors of torch, alone and in a batch."""
    texts = list(PROBES)
    torch_nd = _unit(model.encode(texts, batch_size=len(texts), show_progress_bar=False))
    onnx_nd = [_run(session, model.preprocess([text])) for text in texts]
    for found_nd in (np.concatenate(onnx_nd), _run(session, model.preprocess(texts))):
        lowest = float(np.min(np.sum(torch_nd * _unit(found_nd), axis=1, dtype=np.float64)))
        if not lowest >= LOWEST_COSINE:
            raise ConfigError(
                f"embedder {name!r} has other vectors on onnxruntime, with a cosine of "
                f"{lowest:.6f} to those of torch; expected {LOWEST_COSINE}; choose backend torch"
            )


def _open_session(folder: Path, name: str) -> Any:  # noqa: ANN401
    """Load the graph, with the number of threads that torch has."""
    import torch

    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            folder / GRAPH, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ConfigError(
            f"embedder {name!r} cannot run on onnxruntime; choose backend torch: "
            f"{first_line(error)}"
        ) from error


def _run(session: Any, features: Mapping[str, Any]) -> Float32Array:  # noqa: ANN401
    names = [each.name for each in session.get_inputs()]
    vector_nd: Float32Array = session.run(None, {name: features[name].numpy() for name in names})[0]
    return vector_nd


def _tensors(features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in features.items() if hasattr(value, "shape")}


def _unit(vector_nd: Float32Array) -> Float32Array:
    """Return vectors of length 1; zeros stay zeros."""
    length_n1 = np.linalg.norm(vector_nd, axis=1, keepdims=True)
    unit_nd: Float32Array = vector_nd / np.maximum(length_n1, np.float32(1e-12))
    return unit_nd


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(
        f"backend onnx needs the package {error.name}, which is not installed; pip install "
        "onnxruntime onnx onnxscript, or choose backend torch"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter says about packages and features that are not used here."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)

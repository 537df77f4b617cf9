"""A bank on disk: plain files with their hashes in a manifest."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scope.arrays import FloatArray
from scope.bank.bank import Bank, BankManifest, SecondEmbeddings
from scope.bank.forecaster_store import load_forecaster, save_forecaster
from scope.bank.lineage import LineageStep
from scope.bank.reference_population import ReferencePopulation
from scope.config import AnchorConfig, parse
from scope.embedding import FEATURES
from scope.errors import BankError, BankIntegrityError, FormatError
from scope.forecast import Forecaster
from scope.fusion import CalibratedReasoner
from scope.outcomes import Outcomes, read_outcomes_table
from scope.pool import ModelSpec
from scope.storage import atomic_folder, read_json, sha256, write_json

MANIFEST = "manifest.json"
QUESTIONS = "questions.parquet"
EMBEDDINGS = "embeddings.npy"
FEATURES_FILE = "features.parquet"
OUTCOMES = "outcomes.parquet"
MODELS = "models.json"
REFERENCE_SETTINGS = "reference.json"
REFERENCE = "reference.npz"
FORECASTER = "forecaster.npz"
SECOND_EMBEDDINGS = "second_embeddings.npy"
JOINT_FORECASTER = "joint_forecaster.npz"
REASONER = "reasoner.json"


def save_bank(
    bank: Bank,
    path: Path,
    *,
    created_at: str,
    sources: tuple[str, ...],
    lineage: tuple[LineageStep, ...] = (),
) -> BankManifest:
    """Write `bank` as a new folder, atomically.

    Parameters
    ----------
    bank : Bank
    path : Path
        Must not exist.
    created_at : str
        ISO 8601 time for the manifest.
    sources : tuple of str
        Origins of the questions and outcomes.
    lineage : tuple of LineageStep
        The commands that made the bank, oldest first.

    Raises
    ------
    BankError
        If `path` exists.
    """
    try:
        with atomic_folder(path) as draft:
            n_outcomes = _write_files(bank, draft)
            manifest = BankManifest(
                n_questions=len(bank.ids),
                n_models=len(bank.models),
                n_outcomes=n_outcomes,
                embedder=bank.embedder,
                has_prompts=bank.prompts is not None,
                created_at=created_at,
                sources=sources,
                files={file.name: sha256(file) for file in sorted(draft.iterdir())},
                forecast_choice=bank.choice,
                routing_gain=bank.routing_gain,
                bill_ratio=None if bank.reference is None else bank.reference.bill_ratio,
                fact=bank.fact,
                second_embedder=None if bank.second is None else bank.second.embedder,
                second_gain=bank.second_gain,
                lineage=lineage,
            )
            write_json(draft / MANIFEST, manifest.model_dump(mode="json"))
    except FileExistsError as error:
        raise BankError(f"bank {error}") from error
    return manifest


def load_bank(path: Path) -> Bank:
    """Read and verify a bank; no content is unpickled or executed.

    Raises
    ------
    BankError
        If `path` is not a bank of this schema.
    BankIntegrityError
        If a file differs from its hash in the manifest.
    """
    manifest = verify_bank(path)
    try:
        bank = _read_files(path, manifest)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        if isinstance(error, BankError):
            raise
        raise BankError(f"bank {path} does not fit its manifest: {error}") from error
    if FORECASTER in manifest.files:
        forecaster = load_forecaster(
            path / FORECASTER, bank.embedding_ad, bank.features_af, len(bank.models)
        )
        bank = replace(bank, forecaster=forecaster)
    if JOINT_FORECASTER in manifest.files:
        bank = replace(bank, joint_forecaster=_load_joint_forecaster(path, bank))
    return replace(bank, version=bank_version(path))


def _load_joint_forecaster(path: Path, bank: Bank) -> Forecaster:
    if bank.second is None or bank.forecaster is None:
        raise BankError(
            f"bank {path} has {JOINT_FORECASTER} without {SECOND_EMBEDDINGS} and {FORECASTER}"
        )
    joint = load_forecaster(
        path / JOINT_FORECASTER,
        bank.embedding_ad,
        bank.features_af,
        len(bank.models),
        bank.second.vector_ay,
    )
    if not np.array_equal(joint.anchor_index_n, bank.forecaster.anchor_index_n):
        raise BankError(f"bank {path}: {JOINT_FORECASTER} and {FORECASTER} have other anchors")
    return joint


def verify_bank(path: Path) -> BankManifest:
    """Check every file of a bank against its manifest; return the manifest.

    Raises
    ------
    BankError
        If there is no valid manifest, or a file is missing.
    BankIntegrityError
        If a file differs from its hash in the manifest.
    """
    manifest = read_manifest(path)
    for name, expected in manifest.files.items():
        if Path(name).name != name or not (path / name).is_file():
            raise BankError(f"bank {path} lacks {name!r}, which its manifest names")
        if (found := sha256(path / name)) != expected:
            raise BankIntegrityError(str(path / name), expected, found)
    return manifest


def read_manifest(path: Path) -> BankManifest:
    """Read the manifest of a bank without checking the files.

    Raises
    ------
    BankError
        If there is no manifest, or it is not JSON.
    ConfigError
        If it is of another schema.
    """
    if not is_bank(path):
        raise BankError(f"{path} is not a bank: it has no {MANIFEST}")
    try:
        return parse(BankManifest, read_json(path / MANIFEST), str(path / MANIFEST))
    except FormatError as error:
        raise BankError(str(error)) from error


def is_bank(path: Path) -> bool:
    """Return whether `path` is a folder with a manifest."""
    return (path / MANIFEST).is_file()


def content_digest(path: Path) -> str:
    """Return 12 hex digits that depend on the questions, embeddings and outcomes of a bank.

    They do not depend on prices or on what is fitted.
    """
    files = read_manifest(path).files
    hashes = json.dumps([files.get(name) for name in (QUESTIONS, EMBEDDINGS, OUTCOMES)])
    return hashlib.sha256(hashes.encode()).hexdigest()[:12]


def bank_version(path: Path) -> str:
    """Return 12 hex digits that depend on all content of the bank."""
    return hashlib.sha256((path / MANIFEST).read_bytes()).hexdigest()[:12]


def _write_files(bank: Bank, folder: Path) -> int:
    """Write everything but the manifest; return the number of outcomes."""
    questions = pa.table(
        {
            "question_id": pa.array(bank.ids, pa.string()),
            "category": pa.array(bank.categories, pa.string()).dictionary_encode(),
            "prompt": pa.array(bank.prompts or [None] * len(bank.ids), pa.string()),
            "gold": pa.array(bank.gold_answers, pa.string()),
        }
    )
    features = pa.table(
        {name: bank.features_af[:, column] for column, name in enumerate(FEATURES)}
    ).cast(pa.schema([(name, pa.int32()) for name in FEATURES]))
    outcomes = bank.outcomes.to_table(bank.ids)
    for name, table in ((QUESTIONS, questions), (FEATURES_FILE, features), (OUTCOMES, outcomes)):
        pq.write_table(table, folder / name, compression="zstd", compression_level=9)
    np.save(folder / EMBEDDINGS, bank.embedding_ad.astype(np.float16), allow_pickle=False)
    if bank.second is not None:
        np.save(
            folder / SECOND_EMBEDDINGS,
            bank.second.vector_ay.astype(np.float16),
            allow_pickle=False,
        )
    write_json(folder / MODELS, [model.model_dump(mode="json") for model in bank.models])
    if bank.reference is not None:
        write_json(folder / REFERENCE_SETTINGS, bank.reference.config.model_dump(mode="json"))
        bank.reference.save(folder / REFERENCE)
    if bank.forecaster is not None:
        save_forecaster(bank.forecaster, folder / FORECASTER)
    if bank.joint_forecaster is not None:
        save_forecaster(bank.joint_forecaster, folder / JOINT_FORECASTER)
    if bank.reasoner is not None:
        bank.reasoner.save(folder / REASONER)
    return int(outcomes.num_rows)


def _read_files(path: Path, manifest: BankManifest) -> Bank:
    for name in (QUESTIONS, EMBEDDINGS, FEATURES_FILE, OUTCOMES, MODELS):
        if name not in manifest.files:
            raise BankError(f"bank {path} is incomplete: its manifest names no {name}")
    questions = pq.read_table(path / QUESTIONS)
    ids = tuple(questions["question_id"].to_pylist())
    models = tuple(
        parse(ModelSpec, model, str(path / MODELS)) for model in read_json(path / MODELS)
    )
    return Bank(
        ids=ids,
        categories=tuple(questions["category"].cast(pa.string()).to_pylist()),
        prompts=tuple(questions["prompt"].to_pylist()) if manifest.has_prompts else None,
        gold_answers=tuple(questions["gold"].to_pylist()),
        embedding_ad=np.load(path / EMBEDDINGS, allow_pickle=False).astype(np.float32),
        features_af=read_features(path / FEATURES_FILE),
        models=models,
        outcomes=Outcomes.from_table(
            read_outcomes_table(path / OUTCOMES),
            ids,
            tuple(model.id for model in models),
            str(path / OUTCOMES),
        ),
        embedder=manifest.embedder,
        fact=manifest.fact,
        reference=_read_reference(path, manifest),
        choice=manifest.forecast_choice,
        routing_gain=manifest.routing_gain,
        second=_read_second(path, manifest),
        second_gain=manifest.second_gain,
        reasoner=_read_reasoner(path, manifest, len(models)),
    )


def read_features(path: Path) -> FloatArray:
    """Return the text features of all questions, (n_questions, n_features)."""
    table = pq.read_table(path, columns=list(FEATURES))
    features_af: FloatArray = np.column_stack([table[name].to_numpy() for name in FEATURES]).astype(
        np.float64
    )
    return features_af


def _read_reference(path: Path, manifest: BankManifest) -> ReferencePopulation | None:
    if REFERENCE not in manifest.files or REFERENCE_SETTINGS not in manifest.files:
        return None
    config = parse(
        AnchorConfig,
        read_json(path / REFERENCE_SETTINGS),
        str(path / REFERENCE_SETTINGS),
    )
    return ReferencePopulation.load(path / REFERENCE, config, manifest.bill_ratio)


def _read_second(path: Path, manifest: BankManifest) -> SecondEmbeddings | None:
    if manifest.second_embedder is None:
        return None
    if SECOND_EMBEDDINGS not in manifest.files:
        raise BankError(f"bank {path} is incomplete: its manifest names no {SECOND_EMBEDDINGS}")
    vector_ay = np.load(path / SECOND_EMBEDDINGS, allow_pickle=False).astype(np.float32)
    return SecondEmbeddings(manifest.second_embedder, vector_ay)


def _read_reasoner(path: Path, manifest: BankManifest, n_models: int) -> CalibratedReasoner | None:
    return (
        CalibratedReasoner.load(path / REASONER, n_models) if REASONER in manifest.files else None
    )

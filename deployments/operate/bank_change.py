"""What a new bank would change for an application that runs, checked before anything moves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.operate.service_state import ServiceState
from deployments.settings import ActiveSettings
from scope.bank import Bank, is_bank, load_bank
from scope.errors import ConfigError, join_names


@dataclass(frozen=True, slots=True)
class BankChange:
    """A bank to be put in force in the place of another.

    Attributes
    ----------
    old, new : Bank
    old_folder, new_folder : str
    notes : tuple of str
        What an operator should know, one sentence each.
    """

    old: Bank
    new: Bank
    old_folder: str
    new_folder: str
    notes: tuple[str, ...]

    @classmethod
    def plan(
        cls, folder: Path, service: ServiceState, check: Callable[[Mapping[str, Any]], object]
    ) -> "BankChange":
        """Verify a bank, and check the configuration that would be deployed.

        Parameters
        ----------
        folder : Path
            The new bank; the nodes must see it at the same path.
        service : ServiceState
        check : callable
            Raises `ScopeError` about the first mistake of a Serve configuration.

        Raises
        ------
        ScopeError
            If the bank is damaged or already in force, the one in force is not here, or the
            configuration would be wrong.
        """
        if service.state != "RUNNING":
            raise ConfigError(
                f"application {service.name} is {service.state}, expected RUNNING; "
                "a rollout starts from a state that it can go back to"
            )
        new_folder = str(folder.resolve())
        new = load_bank(folder)
        if not is_bank(Path(service.bank)):
            raise ConfigError(
                f"the bank in force, {service.bank}, is not on this machine; "
                "run this where the nodes' shared folder is mounted"
            )
        old = load_bank(Path(service.bank))
        if new.version == old.version:
            raise ConfigError(f"bank {new.version} is in force already, from {service.bank}")
        check(service.with_bank(new_folder))
        return cls(old, new, service.bank, new_folder, tuple(_notes(old, new, service)))


def _notes(old: Bank, new: Bank, service: ServiceState) -> list[str]:
    notes = [
        f"{len(new.ids):,} anchors and {len(new.models)} models, "
        f"before {len(old.ids):,} and {len(old.models)}"
    ]
    if not new.embedder.is_compatible_with(old.embedder):
        notes.append(
            f"the embedder changes from {old.embedder} to {new.embedder}: the Embedders load it "
            "while they start, and cached vectors of the old one are of no use"
        )
    before, after = (
        bank.second_in_use.embedder if bank.second_in_use else "none" for bank in (old, new)
    )
    if before != after:
        notes.append(
            f"the second embedder changes from {before} to {after}: its deployment starts, ends or "
            "loads the other one, and the first alone predicts meanwhile"
        )
    settings = ActiveSettings.from_user_config(service.user_config, new.models)
    gone = [name for name in old.model_ids if name not in new.model_ids]
    more = [name for name in new.model_ids if name not in old.model_ids]
    if gone:
        notes.append(f"no longer predicted: {join_names(gone)}")
    if more:
        notes.append(f"newly predicted: {join_names(more)}")
    if settings.settings.pool is not None:
        unused = [name for name in more if name not in settings.settings.pool]
        if unused:
            notes.append(f"not in the pool, and so never chosen: {join_names(unused)}")
    if settings.settings.upstreams:
        called = {model.id for model in settings.with_upstream(settings.models)}
        missing = [model.id for model in settings.models if model.id not in called]
        if missing:
            notes.append(f"without an upstream, and so not called: {join_names(missing)}")
    return notes

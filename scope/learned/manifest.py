"""A learned router without its network: what a process needs that does not predict with it."""

from dataclasses import dataclass
from pathlib import Path

from scope.bank import ReferencePopulation
from scope.config import AnchorConfig
from scope.learned.router import REFERENCE
from scope.learned.spec import RouterSpec
from scope.learned.store import ROUTER, read_spec
from scope.storage import sha256


@dataclass(frozen=True, slots=True)
class RouterManifest:
    """The arms, threshold and reference population of a learned router; loads no torch.

    Attributes
    ----------
    spec : RouterSpec
    reference : ReferencePopulation or None
        Predictions of the validation prompts, to which the alpha scale is fitted.
    version : str
        As `LearnedRouter.version`.
    """

    spec: RouterSpec
    reference: ReferencePopulation | None
    version: str

    @classmethod
    def load(cls, folder: Path | str) -> "RouterManifest":
        """Read the manifest in a folder of ``scope train router``.

        Raises
        ------
        ConfigError
            If it is no such folder, or a file was altered.
        """
        folder = Path(folder)
        spec = read_spec(folder, ROUTER, RouterSpec)
        has_reference = REFERENCE in spec.files
        return cls(
            spec,
            ReferencePopulation.load(folder / REFERENCE, AnchorConfig()) if has_reference else None,
            sha256(folder / ROUTER)[:16],
        )

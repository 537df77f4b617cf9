"""Whether the parts of our application agree: bank, settings, reasoner, routers, selector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployments.checks.application import PLACEMENT_KEYS, ServedApplication, is_here
from deployments.checks.findings import Keys, Mistake, as_list, as_mapping, get_in, rejected
from deployments.protocol import predicted_arms
from deployments.replicas.app_config import AppConfig
from deployments.replicas.engine import DEPLOYMENT_NAME
from deployments.replicas.learned_router import check_routers
from deployments.replicas.reasoner import ReasonerArgs, check_reasoner
from deployments.replicas.selector import SelectorArgs
from deployments.settings import PREHOC, ActiveSettings, RouterSettings, check_bind
from deployments.settings.access import Keyring
from scope.arms import resampled_arms
from scope.bank import Bank, is_bank, load_bank
from scope.errors import join_names
from scope.learned import RouterManifest
from scope.pool import ModelSpec
from scope.reasoner import check_capacity

BANK_REMEDY = "set args.bank to the folder of a bank; `scope bank build` makes one"


@dataclass(slots=True)
class Agreement:
    """What loading the files of one application shows.

    Attributes
    ----------
    mistakes : list of Mistake
    models : tuple of ModelSpec
        The pool at current prices; empty if it is not known.
    n_upstreams : int
        Models of the pool that are called through an upstream.
    notes : list of str
        What the application does beyond routing, and what could not be checked.
    """

    mistakes: list[Mistake] = field(default_factory=list)
    models: tuple[ModelSpec, ...] = ()
    n_upstreams: int = 0
    notes: list[str] = field(default_factory=list)

    def reject(self, path: Keys, remedy: str, check: Callable[[], object]) -> None:
        """Note the error that a check raises."""
        self.mistakes += rejected(path, remedy, check)

    def skip(self, what: str) -> None:
        """Note a file that lies on another machine."""
        self.notes.append(f"{what} is not on this machine and was not checked")


def check_agreement(app: ServedApplication, *, here: bool) -> Agreement:
    """Load the files that the arguments name, and compare them with the settings.

    Parameters
    ----------
    app : ServedApplication
    here : bool
        The application will run on this machine, so that a missing file is a mistake. Otherwise
        it is noted.
    """
    found = Agreement()
    args, settings = app.args, app.settings
    if settings is not None:
        host: Keys = ("http_options", "host")
        if "host" not in as_mapping(app.config.get("http_options")):
            host = app.field("Router", "user_config", "access")
        found.reject(host, "set keys or key_file", lambda: check_bind(app.host, settings.access))
    if args is None:
        return found
    routers = _check_routers(app, args, found, here=here)
    if settings is not None:
        _check_settings(app, args, settings, routers, found, here=here)
    _check_selector(app, args, found, here=here)
    if args.reasoner is not None:
        _check_engines(app, args.reasoner, found)
    return found


def _check_routers(
    app: ServedApplication, args: AppConfig, found: Agreement, *, here: bool
) -> dict[str, RouterManifest]:
    """Return the manifests of the learned routers that are on this machine."""
    routers: dict[str, RouterManifest] = {}
    for strategy, folder in args.routers.items():
        if not here and not is_here(folder):
            found.skip(f"router {folder}")
            continue
        path, remedy = (*app.path, "args", "routers", strategy), "name a folder of `scope train`"
        found.reject(path, remedy, lambda: routers.update(check_routers({strategy: folder})))  # noqa: B023 - called at once
    if args.routers:
        found.notes.append(f"learned routers: {', '.join(args.routers)}")
    return routers


def _check_settings(
    app: ServedApplication,
    args: AppConfig,
    settings: RouterSettings,
    routers: dict[str, RouterManifest],
    found: Agreement,
    *,
    here: bool,
) -> None:
    user_config = app.field("Router", "user_config")
    keyring = _keyring(settings, (*user_config, "access"), found, here=here)
    bank = _load_bank(app, args, settings, found, here=here)
    models = settings.models if bank is None else bank.models
    learned = tuple(model for router in routers.values() for model in router.spec.models)

    def activate() -> None:
        current = ActiveSettings(settings, settings.pool_of(models, learned), keyring)
        found.models = current.models
        found.n_upstreams = len(current.with_upstream(current.models))

    if models:
        wrong = list(rejected(user_config, "name models of the bank", activate))
        found.mistakes += [_at_name(app, mistake) for mistake in wrong]
    if models and len(routers) == len(args.routers):
        _check_strategy(user_config, settings, routers, bank, found)
    mode, has_engine = (*user_config, "reasoning", "mode"), args.reasoner is not None
    found.reject(mode, "set it to off", lambda: settings.reasoning.check(engine=has_engine))


def _check_strategy(
    user_config: Keys,
    settings: RouterSettings,
    routers: Mapping[str, RouterManifest],
    bank: Bank | None,
    found: Agreement,
) -> None:
    """Check that something predicts every arm of the pool."""
    arms = {name: router.spec.arms for name, router in routers.items()}
    pool = settings.pool or ()
    predicted = pool if bank is None else predicted_arms(bank, pool)
    field = "pool" if settings.strategy in (PREHOC, *arms) else "strategy"
    found.reject(
        (*user_config, field),
        "add the strategy to args.routers",
        lambda: settings.check_strategy(arms, predicted),
    )


def _at_name(app: ServedApplication, mistake: Mistake) -> Mistake:
    """Return a mistake of `pool_of` at the field, and if possible the entry, that it names."""
    field, _, _ = mistake.message.replace(":", " ").partition(" ")
    named, _, _ = mistake.message.partition(" not in ")
    path = (*mistake.path, field)
    value = get_in(app.config, path)
    entries = value.items() if isinstance(value, Mapping) else enumerate(as_list(value))
    for place, entry in entries:
        name = place if isinstance(value, Mapping) else as_mapping(entry).get("id", entry)
        if str(name) in named.removeprefix(field):
            return mistake._replace(path=(*path, place))
    return mistake._replace(path=path)


def _keyring(settings: RouterSettings, path: Keys, found: Agreement, *, here: bool) -> Keyring:
    key_file = settings.access.key_file
    if key_file is not None and not here and not is_here(key_file):
        found.skip(f"key file {key_file}")
    else:
        remedy = "write lines of digest and name, as sha256sum prints them"
        found.reject((*path, "key_file"), remedy, lambda: Keyring.from_access(settings.access))
    return Keyring(settings.access.keys)


def _load_bank(
    app: ServedApplication,
    args: AppConfig,
    settings: RouterSettings,
    found: Agreement,
    *,
    here: bool,
) -> Bank | None:
    """Return the bank, if it is on this machine."""
    folder = Path(args.bank)
    if not is_bank(folder) and (settings.models or (not here and not folder.exists())):
        found.skip(f"bank {folder}")
        return None
    banks: list[Bank] = []
    path = (*app.path, "args", "bank")
    found.reject(path, BANK_REMEDY, lambda: banks.append(load_bank(folder)))
    if banks and (reasoner := args.reasoner) is not None:
        remedy = "build a bank with question texts and fit it to this reasoner"
        path = (*app.path, "args", "reasoner")
        found.reject(path, remedy, lambda: check_reasoner(reasoner, banks[0]))
    return banks[0] if banks else None


def _check_selector(
    app: ServedApplication, args: AppConfig, found: Agreement, *, here: bool
) -> None:
    if note := _selector_note(found.models, args.selector):
        found.notes.append(note)
    selector = args.selector
    if not isinstance(selector, SelectorArgs):
        return
    if not here and selector.model.startswith("/") and not is_here(selector.model):
        found.skip(f"reward model {selector.model}")
    else:
        path = (*app.path, "args", "selector", "model")
        found.reject(path, "name a folder of `scope train reward`", selector.check)
    found.notes.append(f"samples are chosen by {selector.model}")


def _selector_note(models: tuple[ModelSpec, ...], selector: object) -> str:
    """Return a note if several samples are chosen by another selector than they were fitted for."""
    by_majority = not isinstance(selector, SelectorArgs)
    other = [
        f"{name} ({known.selector})"
        for name, known in resampled_arms(models)
        if (known.selector == "majority") != by_majority
    ]
    if not other:
        return ""
    here = "the majority" if by_majority else "the Selector"
    return f"note: {here} chooses here, and the bank knows another selector of {join_names(other)}"


def _check_engines(app: ServedApplication, reasoner: ReasonerArgs, found: Agreement) -> None:
    """Check that nothing overrides what an engine derives from its arguments."""
    block, engine = app.block(DEPLOYMENT_NAME), reasoner.engine
    for key in PLACEMENT_KEYS:
        if key in block:
            message = (
                f"{DEPLOYMENT_NAME}.{key} would override args.reasoner.engine, "
                "which defines what an engine runs on"
            )
            path = app.field(DEPLOYMENT_NAME, key)
            found.mistakes.append(Mistake(path, message, "set it there"))
    if engine.gpus_per_node is not None:
        path = (*app.path, "args", "reasoner", "engine", "tensor_parallel")
        found.reject(path, "set a smaller one", lambda: check_capacity(engine, ()))
    found.notes.append(_engine_note(reasoner, block))


def _engine_note(reasoner: ReasonerArgs, block: Any) -> str:  # noqa: ANN401 - a block
    scaling = as_mapping(block.get("autoscaling_config"))
    n_engines = scaling.get("max_replicas", block.get("num_replicas", 1))
    if reasoner.engine.accelerator == "cpu":
        return f"at most {n_engines} engines on CPUs"
    n_gpus = reasoner.engine.tensor_parallel
    gpus = "1 GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    total = n_engines * n_gpus if isinstance(n_engines, int) else "?"
    return f"at most {n_engines} engines of {gpus} take {total}"


def summary_line(app: ServedApplication, found: Agreement) -> str:
    """Return one line about a valid application."""
    n_models = len(found.models) or "unknown"
    parts = [f"{n_models} models, {found.n_upstreams} with an upstream, on {app.host}"]
    return f"valid: {'; '.join([*parts, *sorted(found.notes, key=_is_unchecked)])}"


def _is_unchecked(note: str) -> bool:
    return note.endswith("was not checked")

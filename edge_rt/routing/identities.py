"""What the answers of each model depend on beside the request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution

from edge_rt import __version__
from edge_rt.config.schema import Config
from edge_rt.core.cached import digest
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.plugins import BUILDS
from edge_rt.core.requests import Identity
from edge_rt.core.routing import LoadConfig
from edge_rt.models.directory import ModelDirectory, card_of
from edge_rt.models.loading import load_configs
from edge_rt.models.record import ModelRecord

# Weights with one kernel for every batch size, kept like this: see backends/llama/backend.py.
_ONE_KERNEL, _EXACT = {"Q4_1"}, LoadConfig(0, "q8_0/f16")
_MANY = 64  # names that were asked for


class Identities:
    """The models that may answer for a name, looked up again only when the store has changed."""

    def __init__(self, config: Config, models: ModelDirectory) -> None:
        self._engine, self._models = config.engine, models
        self._settings = config.engine, config.router
        self._builds: dict[str, str] = {}  # by backend
        self._stamp: object = None
        self._known: dict[tuple[str, str | None], tuple[Identity, ...]] = {}

    def of(self, model: str, partner: str | None) -> tuple[Identity, ...]:
        """Return the models that may answer for a name, perhaps with that partner.

        Raises ModelNotFound or RequestError where there is none.
        """
        stamp, asked = self._models.stamp(), (self._models.resolve(model), partner)
        if stamp != self._stamp or len(self._known) >= _MANY:
            self._stamp, self._known = stamp, {}
        if asked not in self._known:
            entries = self._models.candidates(model)
            self._known[asked] = tuple(self._identity(entry, partner) for entry in entries)
        return self._known[asked]

    def _identity(self, entry: ModelRecord, partner: str | None) -> Identity:
        pairs = [*self._models.pairs(entry.id), *self._models.unlisted(entry.id)]
        others = {pair.small: self._found(pair.small) for pair in pairs}
        if partner is not None:
            others[partner] = self._found(partner)
        beside = [None if other is None else self._made_of(other) for other in others.values()]
        everybody = [entry, *(other for other in others.values() if other is not None)]
        return Identity(
            card=card_of(entry, self._engine),
            digest=digest(*self._settings, self._made_of(entry), list(pairs), beside),
            repeats=all(self._repeats(one) for one in everybody),
            timed=tuple(
                one.id for one in everybody if "strftime_now" in (one.summary.chat_template or "")
            ),
        )

    def _found(self, model: str) -> ModelRecord | None:
        try:
            return self._models.writer(model)
        except (ModelNotFound, RequestError):
            return None

    def _made_of(self, entry: ModelRecord) -> tuple[object, ...]:
        """Files, and what is read of them; the library, and our own program."""
        backend = entry.backend
        if backend not in self._builds:
            self._builds[backend] = _build((*BUILDS.get(backend, ()), "llguidance"))
        files = entry.id, entry.sha256, backend, entry.providers
        return (*files, entry.summary, self._builds[backend], __version__)

    def _repeats(self, entry: ModelRecord) -> bool:
        exact, summary = set(load_configs(entry, self._engine)) == {_EXACT}, entry.summary
        plain = not (summary.window or summary.state_bytes)
        return exact and plain and summary.quantisation in _ONE_KERNEL


def _build(names: Iterable[str]) -> str:
    """Return what identifies a build of an installed library: the hash of its files' hashes."""
    found = hashlib.sha256()
    for package in names:
        with suppress(PackageNotFoundError):
            found.update((distribution(package).read_text("RECORD") or "").encode())
    return found.hexdigest()

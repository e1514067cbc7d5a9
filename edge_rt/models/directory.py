"""Which models a name means: an id, an alias, "default", "auto", or one of these with a pin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from edge_rt.config.schema import Engine, Models
from edge_rt.core.decoding import Sampling
from edge_rt.core.errors import ModelNotFound, RequestError
from edge_rt.core.requests import LATEST, Kind, ModelCard
from edge_rt.models.loading import context_of
from edge_rt.models.naming import is_hub_name
from edge_rt.models.pair import Pair
from edge_rt.models.record import ModelRecord, of_kind, only, writer, writers
from edge_rt.models.store.store import Store

_VOCABULARY = attrgetter(
    "architecture", "vocab", "longest_token", "bos_token", "eos_token", "control_tokens"
)
COSTLIER = 3.0  # times the small model's cost a token, from which on two models are a pair
AUTO = "auto"  # any model that writes text
DEFAULT = "default"


class ModelDirectory:
    """Finds the models of the store by the names that the configuration and clients use."""

    def __init__(
        self,
        store: Store,
        models: Models,
        token_cost: Callable[[ModelRecord], float] = lambda entry: entry.size,
    ) -> None:
        """`models` has the aliases and names the default.

        `token_cost` is what a token costs; by itself it is as many bytes as are read for that.
        """
        self._store, self._models, self._token_cost = store, models, token_cost

    def entries(self) -> list[ModelRecord]:
        """Return all models, sorted by id."""
        return self._store.entries()

    def stamp(self) -> object:
        """Return a value that differs once the store has changed."""
        return self._store.stamp()

    def pairs(self, large: str) -> list[Pair]:
        """Return the catalogue's pairs in which that model is the large one, the first to take."""
        return self._store.catalogue.pairs_of(large)

    def unlisted(self, large: str) -> list[Pair]:
        """Return the pair that no catalogue has to name, if there is one.

        Its small model is the largest one here that has the same vocabulary and costs at most a
        third as much a token.
        """
        own = self.writer(large)
        alikes = [one for one in writers(self.entries()) if one.id != large and alike(own, one)]
        most = self._token_cost(own) / COSTLIER if alikes else 0.0
        cheap = [one for one in alikes if self._token_cost(one) <= most]
        small = max(cheap, key=lambda one: one.size, default=None)
        return [] if small is None else [Pair(large=large, small=small.id)]

    def resolve(self, name: str) -> str:
        """Return what an alias stands for, and other names without Ollama's usual tag.

        A model that was fetched by a name of the hub has an id of its own.
        """
        aliases, bare = self._models.aliases, name.removesuffix(LATEST)
        found = aliases.get(name) or aliases.get(bare, bare)
        return (is_hub_name(found) and self._store.fetched_as(found)) or found

    def find(self, name: str) -> ModelRecord:
        """Return the model that a client names; raises ModelNotFound."""
        return self.get(self.resolve(name))

    def get(self, id: str) -> ModelRecord:
        """Return the model of an id, or "default", perhaps with adapters; raises ModelNotFound."""
        model, plus, adapters = id.partition("+")
        if plus and model in (DEFAULT, *self._models.aliases):
            return self._store.get(f"{self.find(model).id}+{adapters}")
        if id != DEFAULT:
            return self._store.get(id)
        named = self._models.default
        entry = self._store.default(None) if named is None else self._store.get(named)
        if entry is None:
            raise ModelNotFound("no text model is installed: run edge-rt models pull")
        return entry

    def writer(self, id: str) -> ModelRecord:
        """Return the model as `get` does; raises RequestError for one that writes no text."""
        return writer(self.get(id))

    def able(self, name: str, kind: Kind) -> ModelRecord:
        """Return one model of that kind; "default" is the one that came first.

        Raises ModelNotFound, or RequestError for a model of another kind.
        """
        id = self.resolve(name)
        return only(self.entries(), kind) if id == DEFAULT else of_kind(self._store.get(id), kind)

    def candidates(self, name: str) -> list[ModelRecord]:
        """Return the models that may answer for a name; the one with that id comes first.

        "auto" are all that write, "default" is just that one, an id is every model with the same
        weights. Behind an "@" may stand a backend, or also a quantisation: "smollm2@onnx-int4" is
        the model of that kind with the same origin. Raises ModelNotFound, or RequestError where no
        model is left.
        """
        model, at, pin = self.resolve(name).partition("@")
        if model == AUTO:
            found = writers(self.entries()) or [self.writer(DEFAULT)]
        else:
            found = self._variants(self.writer(model), pinned=bool(at), alone=model == DEFAULT)
        if not at:
            return found
        admitted = [one for one in found if pin.lower() in (one.label, one.backend.lower())]
        if not admitted:
            labels = ", ".join(sorted({one.label for one in found}))
            message = f"{model!r:.120} has no variant {pin!r:.120}; there are: {labels}"
            raise RequestError(message, param="model", code="variant_not_found")
        return admitted

    def _variants(self, asked: ModelRecord, *, pinned: bool, alone: bool) -> list[ModelRecord]:
        """Return `asked` and others with its weights, or `pinned` with its origin."""
        if alone and not pinned:
            return [asked]
        entries = writers(self.entries())
        kin = families(entries) if pinned else [weights(entry) for entry in entries]
        own = next((k for k, entry in zip(kin, entries, strict=True) if entry.id == asked.id), None)
        others = [entry for k, entry in zip(kin, entries, strict=True) if k == own]
        return [asked, *(one for one in others if one.sha256 != asked.sha256)]  # no mere copies


def card_of(entry: ModelRecord, engine: Engine, *, loaded: bool = False) -> ModelCard:
    """Return the model as clients see it."""
    summary = entry.summary
    return ModelCard(
        id=entry.id,
        created=entry.created,
        owned_by=entry.owner,
        context=context_of(entry, engine),
        loaded=loaded,
        size_bytes=entry.size,
        sha256=entry.sha256,
        backend=entry.backend,
        sampling=Sampling(**entry.sampling.given()),
        has_template=summary.chat_template is not None,
        kind=entry.kind,
        variant=entry.label if entry.kind == "language" else None,
        architecture=summary.architecture,
        parameters=summary.parameters,
        quantisation=summary.quantisation,
        licence=entry.licence,
        template=summary.chat_template,
        sees=entry.projector is not None,
    )


def alike(one: ModelRecord, two: ModelRecord) -> bool:
    """Return whether the second reads all that the first does: the vocabulary seems the same.

    The engine, which compares all tokens, knows that for sure.
    """
    ours, its = one.summary, two.summary
    same = one.backend == two.backend and _VOCABULARY(ours) == _VOCABULARY(its)
    return same and its.context_train >= ours.context_train


def weights(entry: ModelRecord) -> str:
    """Return what those have in common that hold the same weights.

    Conversion to ONNX loses next to nothing; a new quantisation is a model of its own.
    """
    converted = entry.source_sha256 if entry.backend == "onnx" else None
    return converted or entry.sha256


def families(entries: Sequence[ModelRecord]) -> list[str]:
    """Return for each of `entries` the model that it was first made from, if that is known."""
    sources = {entry.sha256: entry.source_sha256 for entry in entries}
    found = list(sources)
    for _ in sources:  # not for ever, should they go round in a ring
        found = [sources.get(sha256) or sha256 for sha256 in found]
    firsts = dict(zip(sources, found, strict=True))
    return [firsts[entry.sha256] for entry in entries]

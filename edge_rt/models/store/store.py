"""The model store: a directory of verified model files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from edge_rt.core.errors import ModelFileError, ModelNotFound, RequestError, StoreError
from edge_rt.core.system.cgroup import ControlGroup, memory_bytes
from edge_rt.models.catalogue import Catalogue, CatalogueEntry
from edge_rt.models.formats.card import Description
from edge_rt.models.formats.gguf import refuse_twins
from edge_rt.models.formats.summary import READ, Summary
from edge_rt.models.naming import HubName, check_id, derive_id, split_adapters
from edge_rt.models.record import ModelRecord, adapted, best, better, entry_of, starter, stored
from edge_rt.models.store.digest import Progress, Proof, unseen
from edge_rt.models.store.disk import NoSpace, delete, store_errors
from edge_rt.models.store.incoming import Incoming, Offer, describe, look, reading
from edge_rt.models.store.manifest import Manifest, ManifestRecord, StoredFile


@dataclass(frozen=True)
class Default:
    """The default model, None where there is none, and why it is that one."""

    entry: ModelRecord | None
    why: str


class Store:
    """The models below `root`, which is made when the first one comes.

    Several processes may use one store: changes are serialised by a lock, and each call sees
    what others have changed. Every method raises StoreError when the directory cannot be read
    or written.
    """

    def __init__(
        self,
        root: Path,
        catalogue: Catalogue,
        *,
        clock: Callable[[], float] = time.time,
        memory: Callable[[], int] = lambda: memory_bytes(ControlGroup()),
    ) -> None:
        """`memory` gives the bytes of memory that this machine has in all."""
        self.root = root
        self.catalogue = catalogue
        self._clock = clock
        self._memory = cache(memory)
        self._manifest = Manifest(root)
        self._proof = Proof(root, self._manifest)
        self._again: dict[tuple[StoredFile, ...], Summary] = {}  # by the files of the model

    def entries(self) -> list[ModelRecord]:
        """Every model, sorted by id."""
        return [self._entry(record) for _, record in sorted(self._manifest.read().items())]

    def stamp(self) -> object:
        """Return a value that changes when models change; takes one call of stat."""
        with store_errors("cannot read the model store"):
            return self._manifest.stamp()

    def find(self, id: str) -> ModelRecord | None:
        """Return the model of that id, if any."""
        record = self._manifest.read().get(id)
        return None if record is None else self._entry(record)

    def get(self, id: str) -> ModelRecord:
        """Return the model of that id; raises ModelNotFound, which says what there is.

        "BASE+ADAPTER=SCALE", with any number of adapters, is a model with adapters; raises
        RequestError where they do not fit.
        """
        base, scales = split_adapters(id)
        records = self._manifest.read()
        entry = self._entry(self._record(base, records))
        known = sorted(name for name, one in records.items() if one.summary.adapter)

        def adapter(name: str) -> ModelRecord:
            by_number = name not in records and name.isdecimal() and int(name) < len(known)
            return self._entry(self._record(known[int(name)] if by_number else name, records))

        return adapted(entry, [(adapter(name), scale) for name, scale in scales])

    def fetched_as(self, name: str) -> str | None:
        """Return the id of the newest model of this name of the hub; None: there is none."""
        try:
            wanted = HubName.parse(name)
        except RequestError:
            return None
        found = [one for one in self._manifest.read().values() if wanted.means(one.hub)]
        return max(found, key=lambda one: one.created).id if found else None

    def default(self, named: str | None) -> ModelRecord | None:
        """Return the model that "default" means, if there is one; see `explain_default`."""
        return self.explain_default(named).entry

    def explain_default(self, named: str | None) -> Default:
        """Return the model that "default" means, and why it does.

        That is the one `named` in the configuration, else the one set by `set_default`, else the
        best one that fits this machine's memory. Only models that write text count.
        """
        able = {entry.id: entry for entry in self.entries() if entry.kind == "language"}
        if named is not None:
            return Default(able.get(named), "the configuration names it")
        kept = self._manifest.default()
        if kept in able:
            return Default(able[kept], "`edge-rt models default` has set it")
        chosen = best(stored(able.values()), self._memory())
        why = "it answers best of the installed models that fit this machine's memory"
        return Default(None if chosen is None else able[chosen.id], why)

    def set_default(self, id: str) -> None:
        """Make `id` the default model; raises ModelNotFound, RequestError for one of no text."""
        with self._manifest.changing() as records:
            record = self._record(id, records)
            if record.summary.kind != "language":
                raise RequestError(f"{id} writes no text, so it cannot be the default model")
            self._manifest.write(records, default=id)

    def starter(self) -> CatalogueEntry | None:
        """Return the model of the catalogue to begin with on this machine, if any."""
        return starter(self.catalogue, self._memory())

    def better(self, id: str) -> CatalogueEntry | None:
        """Return a model of the catalogue that answers better than `id` on this machine, if any."""
        return better(self.catalogue, id, self._memory())

    def free_id(self, id: str) -> str:
        """`id` if a model can get it; raises RequestError or StoreError as `add` would."""
        _refuse_taken(check_id(id), self._manifest.read())
        return id

    def check(self, id: str) -> Path:
        """Return the main file of a model to load, whose files are as they were hashed.

        Costs one stat a file and a look at a header, unless one was touched: then it is hashed
        again, which takes long. Raises ModelNotFound, DamagedFile when one is missing or its
        content changed, or ModelFileError for a header that no library should see.
        """
        names = [id] if "+" not in id else self.get(id).made_of
        records = [self._record(name, self._manifest.read()) for name in names]
        for record in records:
            self._proof.quick(record)
            describe(record.paths(self.root))  # an earlier version may have let it in
        return records[0].path(self.root)

    def harm(self, id: str) -> str | None:
        """Return what is wrong with a file of that model, if anything; see `check`."""
        try:
            self.check(id)
        except ModelFileError as error:
            return str(error).partition(";")[0]  # the rest is advice
        return None

    def verify(self, id: str, progress: Progress = unseen) -> ModelRecord:
        """Hash all files; raises ModelNotFound, or DamagedFile as `check` does."""
        record = self._record(id, self._manifest.read())
        self._proof.full(record, progress)
        return self._entry(record)

    def add(
        self,
        place: Path,
        id: str | None = None,
        *,
        move: bool = False,
        projector: Path | None = None,
        said: Description | None = None,
        source_sha256: str | None = None,
        known: CatalogueEntry | None = None,
        progress: Progress = unseen,
    ) -> ModelRecord:
        """Take the model at `place` in, by copy or by `move`; see `look` for what can be there.

        It sees images with the `projector`, which is one of its files then.

        Without `id` the catalogue's is taken for content that it knows, else one is made from the
        name. `source_sha256` is the content of the model that this one was made from, unless its
        files say it. `known` tells the licence and the publisher where the files do not. A failure
        leaves the store as it was and the files where they are.

        Raises ModelFileError for what is no model or not the one of that id, RequestError for an
        id or a description that cannot be used, StoreError when the id is taken.
        """
        with reading(place, self.root):
            offer = look(place, said, projector)  # before gigabytes are copied
        with self._manifest.changing() as records, store_errors(f"cannot add {place}"):
            if id is not None:
                _refuse_taken(check_id(id), records)
            with Incoming(self.root, offer, move, progress).taken() as incoming:
                record = self._recorded(incoming, offer, id, source_sha256, known)
                _refuse_taken(record.id, records)
                incoming.place(record.directory(self.root))
                self._manifest.write(records | {record.id: record})
        return self._entry(record)

    def mend(
        self,
        place: Path,
        id: str,
        *,
        move: bool = False,
        projector: Path | None = None,
        progress: Progress = unseen,
    ) -> ModelRecord:
        """Take what is at `place` in for the model `id`, of which a file is damaged or gone.

        A failure leaves the files where they are. Raises ModelNotFound, and ModelFileError for
        other content than the model's.
        """
        with reading(place, self.root):
            offer = look(place, projector=projector)
        with self._manifest.changing() as records, store_errors(f"cannot mend {id}"):
            record = self._record(id, records)
            with Incoming(self.root, offer, move, progress).taken() as incoming:
                if incoming.sha256 != record.sha256:
                    message = f"{place}: its sha256 is {incoming.sha256}, that of {id} is"
                    raise ModelFileError(f"{message} {record.sha256}")
                incoming.place(record.directory(self.root))
                record = msgspec.structs.replace(record, files=incoming.files)
                self._manifest.write(records | {id: record})
        return self._entry(record)

    def remove(self, id: str) -> None:
        """Forget the model and delete its files; raises ModelNotFound."""
        with self._manifest.changing() as records, store_errors(f"cannot remove {id}"):
            record = self._record(id, records, wanted=False)
            del records[id]
            directory = record.directory(self.root)
            try:
                self._manifest.write(records)  # first, so that nobody finds half a model
            except NoSpace:
                delete(directory)  # which makes the room that the manifest needs
                self._manifest.write(records)
            delete(directory)

    def _recorded(
        self,
        incoming: Incoming,
        offer: Offer,
        id: str | None,
        source_sha256: str | None,
        known: CatalogueEntry | None,
    ) -> ManifestRecord:
        backend, summary = describe(incoming.paths)
        if backend == "llama.cpp" and not summary.adapter:
            refuse_twins(next(iter(incoming.paths.values())))
        if known is not None:
            licence = summary.licence or known.licence
            owner = summary.organisation or known.publisher
            summary = msgspec.structs.replace(summary, licence=licence, organisation=owner)
        if source_sha256 is not None and summary.source_sha256 is None:
            summary = msgspec.structs.replace(summary, source_sha256=source_sha256)
        same = self.catalogue.of_content(incoming.sha256)
        name = id or (same.id if same else derive_id(offer.place, summary.name))
        listed = self.catalogue.find(name)
        if listed and listed.sha256 != incoming.sha256:
            message = f"{offer.place}: its sha256 is {incoming.sha256}, that of {name} is"
            advice = "choose another --id for another model"
            raise ModelFileError(f"{message} {listed.sha256}; {advice}")
        return ManifestRecord(
            id=name,
            files=incoming.files,
            created=int(self._clock()),
            backend=backend,
            summary=summary,
            hub="" if known is None else known.hub,
        )

    def _record(
        self, id: str, records: Mapping[str, ManifestRecord], *, wanted: bool = True
    ) -> ManifestRecord:
        if id in records:
            return records[id]
        there = f"it has {', '.join(sorted(records))}" if records else "it is empty"
        advice = ""
        if wanted and self.catalogue.find(id) is not None:
            advice = f"; to get it: edge-rt models pull {id}"
        elif wanted:
            advice = "; edge-rt models list shows what can be pulled, models add FILE takes a file"
        raise ModelNotFound(f"no model {id!r:.120} in the store, {there}{advice}")

    def _entry(self, record: ManifestRecord) -> ModelRecord:
        summary, headed = record.summary, record.backend == "llama.cpp"
        if summary.control_tokens is None or (headed and summary.read < READ):
            record = msgspec.structs.replace(record, summary=self._read_again(record))
        return entry_of(record, self.root, self.catalogue)

    def _read_again(self, record: ManifestRecord) -> Summary:
        """Return the summary of a record that an earlier version of edge_rt has written.

        The record gets it, so that the next start need not read the header.
        """
        kept = record.summary
        if record.files in self._again:
            return self._again[record.files]
        try:
            _, found = describe(record.paths(self.root))
        except (ModelFileError, OSError, KeyError):  # nor can it be loaded
            found = kept
        whole = self._again[record.files] = msgspec.structs.replace(
            found,
            licence=found.licence or kept.licence,
            organisation=found.organisation or kept.organisation,
            source_sha256=found.source_sha256 or kept.source_sha256,
        )
        mended = msgspec.structs.replace(record, summary=whole)
        self._manifest.amend(record.id, lambda now: mended if now == record else now)
        return whole


def _refuse_taken(id: str, records: Mapping[str, ManifestRecord]) -> None:
    if id in records:
        advice = f"remove it first (edge-rt models remove {id}) or choose another --id"
        raise StoreError(f"the store already has a model {id}; {advice}")

"""The model store: a directory of verified model files."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edge_rt.errors import ModelFileError, ModelNotFound, StoreError
from edge_rt.models.catalogue import Catalogue
from edge_rt.models.digest import Progress
from edge_rt.models.disk import store_errors
from edge_rt.models.entry import Entry, entry_of
from edge_rt.models.incoming import Incoming
from edge_rt.models.manifest import Manifest, Record
from edge_rt.models.naming import check_id, derive_id, stored_name
from edge_rt.models.proof import Proof
from edge_rt.models.summary import Summary, read_summary

BACKEND = "llama.cpp"  # what runs GGUF files


class Store:
    """The models below `root`, which is made when the first one comes.

    Several processes may use one store: changes are serialised by a lock, and each call sees
    what others have changed. Every method raises StoreError when the directory cannot be read
    or written.
    """

    def __init__(
        self, root: Path, catalogue: Catalogue, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.root = root
        self.catalogue = catalogue
        self._clock = clock
        self._manifest = Manifest(root)
        self._proof = Proof(root, self._manifest)

    def entries(self) -> list[Entry]:
        """Every model, sorted by id."""
        return [self._entry(record) for _, record in sorted(self._manifest.read().items())]

    def find(self, id: str) -> Entry | None:
        """The model of that id, if any."""
        record = self._manifest.read().get(id)
        return None if record is None else self._entry(record)

    def get(self, id: str) -> Entry:
        """The model of that id; raises ModelNotFound, which says what there is."""
        return self._entry(self._record(id, self._manifest.read()))

    def default(self, named: str | None) -> Entry | None:
        """The model that "default" means: the one `named`, else the one added first, if any."""
        if named is not None:
            return self.find(named)
        return min(self.entries(), key=lambda entry: entry.created, default=None)

    def check(self, id: str) -> Path:
        """The file of a model that is about to be loaded, unchanged since it was last hashed.

        Costs one stat, unless the file was touched: then it is hashed again, which takes long.
        Raises ModelNotFound, or ModelFileError when it is missing or its content changed.
        """
        record = self._record(id, self._manifest.read())
        self._proof.quick(record)
        return record.path(self.root)

    def verify(self, id: str, progress: Progress | None = None) -> Entry:
        """Hash the whole file; raises ModelNotFound, or ModelFileError as `check` does."""
        record = self._record(id, self._manifest.read())
        self._proof.full(record, progress)
        return self._entry(record)

    def add(
        self,
        file: Path,
        id: str | None = None,
        *,
        move: bool = False,
        progress: Progress | None = None,
    ) -> Entry:
        """Take `file` in, by copy or by `move`.

        Without `id` the catalogue's is taken for a file that it knows, else one is made from the
        name. A failure leaves the store as it was and `file` where it is. Raises ModelFileError
        for a file that is no model or not the one of that id, RequestError for an id that cannot
        be used, StoreError when the id is taken.
        """
        read_summary(file)  # before gigabytes are copied
        with self._manifest.changing() as records, store_errors(f"cannot add {file}"):
            if id is not None:
                _refuse_taken(check_id(id), records)
            with Incoming(self.root, file, move, progress) as incoming:
                record = self._recorded(incoming, file, id)
                _refuse_taken(record.id, records)
                incoming.place(record.path(self.root))
                self._manifest.write(records | {record.id: record})
        return self._entry(record)

    def mend(
        self, file: Path, id: str, *, move: bool = False, progress: Progress | None = None
    ) -> Entry:
        """Take `file` in for the model `id`, whose own file is damaged or gone.

        A failure leaves `file` where it is. Raises ModelNotFound, and ModelFileError for a file
        with other content than the model's.
        """
        with self._manifest.changing() as records, store_errors(f"cannot mend {id}"):
            record = self._record(id, records)
            with Incoming(self.root, file, move, progress) as incoming:
                if incoming.sha256 != record.sha256:
                    message = f"{file}: its sha256 is {incoming.sha256}, that of {id} is"
                    raise ModelFileError(f"{message} {record.sha256}")
                incoming.place(record.path(self.root))
                record = msgspec.structs.replace(record, stamp=incoming.stamp)
                self._manifest.write(records | {id: record})
        return self._entry(record)

    def remove(self, id: str) -> None:
        """Forget the model and delete its file; raises ModelNotFound."""
        with self._manifest.changing() as records, store_errors(f"cannot remove {id}"):
            record = self._record(id, records, wanted=False)
            del records[id]
            self._manifest.write(records)  # first, so that nobody finds half a model
            directory = record.path(self.root).parent
            if directory.exists():
                shutil.rmtree(directory)

    def _recorded(self, incoming: Incoming, file: Path, id: str | None) -> Record:
        summary = read_summary(incoming.path)
        name = id or self._id_of(file, incoming.sha256, summary)
        known = self.catalogue.find(name)
        if known and known.file.sha256 != incoming.sha256:
            message = f"{file}: its sha256 is {incoming.sha256}, that of {name} is"
            advice = "choose another --id for another model"
            raise ModelFileError(f"{message} {known.file.sha256}; {advice}")
        return Record(
            id=name,
            file=stored_name(file, name),
            sha256=incoming.sha256,
            stamp=incoming.stamp,
            created=int(self._clock()),
            backend=BACKEND,
            summary=summary,
        )

    def _id_of(self, file: Path, sha256: str, summary: Summary) -> str:
        known = self.catalogue.of_content(sha256)
        return known.id if known else derive_id(file, summary.name)

    def _record(self, id: str, records: Mapping[str, Record], *, wanted: bool = True) -> Record:
        if id in records:
            return records[id]
        there = f"it has {', '.join(sorted(records))}" if records else "it is empty"
        advice = ""
        if wanted and self.catalogue.find(id) is not None:
            advice = f"; to get it: edge-rt models pull {id}"
        elif wanted:
            advice = "; edge-rt models list shows what can be pulled, models add FILE takes a file"
        raise ModelNotFound(f"no model {id!r:.120} in the store, {there}{advice}")

    def _entry(self, record: Record) -> Entry:
        return entry_of(record, self.root, self.catalogue)


def _refuse_taken(id: str, records: Mapping[str, Record]) -> None:
    if id in records:
        advice = f"remove it first (edge-rt models remove {id}) or choose another --id"
        raise StoreError(f"the store already has a model {id}; {advice}")

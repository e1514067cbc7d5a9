"""Models in the engine's memory, for as long as somebody uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

from edge_rt.config.schema import Engine
from edge_rt.core.routing import LoadConfig
from edge_rt.engine.model_pool import LoadRequest, ModelPool, Resident
from edge_rt.models.record import ModelRecord
from edge_rt.models.store.store import Store
from edge_rt.routing.loading.forms import form_of
from edge_rt.routing.loading.load_request import resident_name, wanted
from edge_rt.routing.loading.room import Room


class ModelManager:
    """Has models loaded, in the form that is asked for."""

    def __init__(self, engine: Engine, store: Store, residency: ModelPool, room: Room) -> None:
        self._engine, self._store = engine, store
        self._residency, self._room = residency, room

    @property
    def residents(self) -> list[Resident]:
        """The models in the engine's memory."""
        return self._residency.residents()

    @property
    def loaded(self) -> set[str]:
        """The engine's names of the models in its memory."""
        return {resident.wanted.model for resident in self.residents}

    def loads(
        self, entry: ModelRecord, partner: ModelRecord | None = None, form: LoadConfig | None = None
    ) -> bool:
        """Whether a model would have to be loaded beside others for `entry` and its partner.

        The only one does not count: a board that stays warm by itself would never serve.
        """
        loaded = self.loaded
        if self._changes(entry, partner, form):
            loaded.discard(resident_name(entry))
        wanted = [entry] if partner is None else [entry, partner]
        return bool(loaded) and any(resident_name(one) not in loaded for one in wanted)

    @asynccontextmanager
    async def resident(
        self, entry: ModelRecord, partner: ModelRecord | None = None, form: LoadConfig | None = None
    ) -> AsyncGenerator[Resident]:
        """`entry` in the engine's memory, and its partner, for as long as they are used.

        What is loaded in another form than `form` is loaded anew, unless it is at work or that
        cannot be had; None: what is loaded is fine. What is not loaded gets what else there is.
        """
        if self._changes(entry, partner, form):
            await self._residency.unload(resident_name(entry))
        wanted = {resident_name(entry): partial(self._wanted, entry, partner, form)}
        if partner is not None:
            wanted[resident_name(partner)] = partial(self._wanted, partner, entry, None)
        async with self._residency.use_all(wanted) as residents:
            yield residents[resident_name(entry)]

    def _changes(
        self, entry: ModelRecord, beside: ModelRecord | None, form: LoadConfig | None
    ) -> bool:
        """Whether `entry` is loaded in another form, not at work, and can have that one."""
        resident = self._residency.get(resident_name(entry))
        if form is None or resident is None or resident.users:
            return False
        if form_of(resident.wanted.spec) == form:
            return False
        return self._room.form(entry, beside, form) == form

    async def _wanted(
        self, entry: ModelRecord, beside: ModelRecord | None, form: LoadConfig | None
    ) -> LoadRequest:
        path = await asyncio.to_thread(self._store.check, entry.id)
        return wanted(entry, path, self._engine, self._room.form(entry, beside, form))

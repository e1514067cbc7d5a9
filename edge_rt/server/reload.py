"""Reloading the configuration while answers go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import msgspec

from edge_rt.config.schema import Config, Section
from edge_rt.core.errors import EdgeError
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop
from edge_rt.governor.status import budget_of

log = logging.getLogger(__name__)

RESTART = "systemctl restart edge-rt"
NOBODYS = "-" * 64  # the hash of no key: while it is all there is, no key opens TCP

_KEYS = frozenset({"tcp.api_key_sha256", "tcp.admin_key_sha256"})
_LIVE = frozenset({"log.level", "knobs.cpufreq", "knobs.gpufreq"})


class Reload:
    """Puts in force what can be while the daemon runs, and tells what takes a restart.

    At once count the budget, the log's level, which clocks are governed, and the keys of TCP.
    Whether any keys are needed decides where TCP may be listened on, so that takes a restart: with
    the last key gone TCP is closed until then, or until another one comes.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        governing: GovernorLoop,
        knobs: BoardKnobs,
        api_keys: list[str],
        admin_keys: list[str],
    ) -> None:
        """`read` gives what the configuration says now, or raises. `config` is in force, and the
        keys, which are changed in place, with it.
        """
        self._config, self._read = config, read
        self._governing, self._knobs = governing, knobs
        self._api_keys, self._admin_keys = api_keys, admin_keys
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Request a reload."""
        self._asked.set()

    async def run(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Reload at each request, forever, each time between `before` and `after`."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            before()
            try:
                await self.look()
            finally:
                after()

    async def look(self) -> None:
        """Reload once; a faulty configuration changes nothing."""
        try:
            config = await asyncio.to_thread(self._read)
        except EdgeError as error:
            log.error("the configuration stays as it was: %s", error)
            return
        changed = set(differences(self._config, config))
        live = {key for key in changed if self._is_live(key)}
        self._adopt(live, config)
        log.info("the configuration was read anew; in force now: %s", _listed(live))
        if late := changed - live:
            log.warning("after a restart only (%s): %s", RESTART, _listed(late))

    def _is_live(self, key: str) -> bool:
        if key in _KEYS:
            return bool(self._api_keys)
        return key in _LIVE or key.startswith("budget.")

    def _adopt(self, live: set[str], config: Config) -> None:
        """Put the keys `live` in force. A budget that clients have set lasts while the file's is
        the same.
        """
        replace, now = msgspec.structs.replace, self._config
        if "log.level" in live:
            logging.getLogger().setLevel(config.log.level.upper())
            now = replace(now, log=config.log)
        if live & _KEYS:
            api, admin = config.tcp.api_key_sha256, config.tcp.admin_key_sha256
            self._api_keys[:], self._admin_keys[:] = api or [NOBODYS], admin
            if not api:
                log.warning("no key opens TCP any more; to serve it without one: %s", RESTART)
            now = replace(now, tcp=replace(now.tcp, api_key_sha256=api, admin_key_sha256=admin))
        if config.budget != now.budget:
            self._governing.allow(budget_of(config.budget))
            now = replace(now, budget=config.budget)
        asked = config.knobs
        knobs = replace(now.knobs, cpufreq=asked.cpufreq, gpufreq=asked.gpufreq)
        if knobs != now.knobs:
            self._knobs.change(knobs)
            now = replace(now, knobs=knobs)
        self._config = now


def differences(old: Section, new: Section, above: str = "") -> Iterator[str]:
    """The keys in which two sections of one kind differ, such as "engine.threads"."""
    for name in old.__struct_fields__:
        was, now = getattr(old, name), getattr(new, name)
        if isinstance(was, Section) and isinstance(now, Section):
            yield from differences(was, now, f"{above}{name}.")
        elif was != now:
            yield f"{above}{name}"


def _listed(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing else than before"

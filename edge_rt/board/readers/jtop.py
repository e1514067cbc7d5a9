"""Rails, temperatures and the GPU's load from jetson-stats.

It is asked where its service runs and nothing else tells the board's power.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from edge_rt.board.readers.base import BaseReader, Channel, nothing
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.ina3221 import bounds

OFFLINE_C = -256.0
_WATCHED = ("power_w", "voltage_v", "current_a")
_KEYS = ("power", "volt", "curr")  # mW, mV, mA


class JtopClient(Protocol):
    """The part of `jtop.jtop` that is used."""

    @property
    def power(self) -> Mapping[str, Any]:
        """Rails and their total."""
        ...

    @property
    def temperature(self) -> Mapping[str, Any]:
        """Zones."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


def connect() -> JtopClient:
    """Return a client of the service; ImportError without jetson-stats, its own errors without it.

    The library is AGPL-licensed and optional: it is imported here and nowhere else.
    """
    client = importlib.import_module("jtop").jtop()
    client.start()
    return cast(JtopClient, client)


class Jtop(BaseReader):
    """Each rail's `power_w`, `voltage_v`, `current_a`, each zone's `temp_c`, each GPU's `fraction`.

    A total that is itself a rail (VDD_IN) keeps the rail's name; one that jtop adds up is left
    out, since it counts parts twice on some boards. Its `avg` is a decaying mean and not used.
    """

    def __init__(
        self,
        factory: Callable[[], JtopClient] = connect,
        known: RailFacts = RailFacts(),  # noqa: B008 - it is frozen
    ) -> None:
        self._client: JtopClient | None = None
        reason = "the service knows no rails and no zones"
        gpus: Mapping[str, Any] = {}
        try:
            self._client = factory()
            rails, zones = _rails(self._client.power), dict(self._client.temperature)
            gpus = _gpus(self._client)
        except Exception as error:  # jtop raises errors of its own kind
            rails, zones = {}, {}
            reason = f"jtop cannot be used: {type(error).__name__}: {error}"
        channels = [Channel(n, k, f"jtop {n}") for n in rails for k in _WATCHED]
        channels += [Channel(n, "temp_c", f"jtop {n}") for n in zones]
        channels += [Channel(n, "fraction", f"jtop {n}") for n in gpus]
        limits = [b for n in rails for b in bounds(known.shunts.get(n), known.power)]
        none = nothing("jtop", reason, channels)
        super().__init__("jtop", channels, 0.5, none, dict(enumerate(limits)))
        self._names = (tuple(rails), tuple(zones), tuple(gpus))

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):  # it raises errors of its own kind here too
                self._client.close()

    def _read(self) -> None:
        if self._client is None:
            return
        rails, zones = _rails(self._client.power), self._client.temperature
        names, zone_names, gpu_names = self._names
        for position, name in enumerate(names):
            self._rail(3 * position, name, rails.get(name))
        for position, name in enumerate(zone_names, 3 * len(names)):
            self._zone(position, name, zones.get(name))
        gpus = _gpus(self._client)
        for position, name in enumerate(gpu_names, 3 * len(names) + len(zone_names)):
            self._gpu(position, name, gpus.get(name))

    def _rail(self, index: int, name: str, rail: Mapping[str, Any] | None) -> None:
        values = [_milli(rail, key) for key in _KEYS]
        for offset in (1, 2):
            value = values[offset]
            if value is None:
                self._fail(index + offset, f"{name} is offline or has no {_KEYS[offset]}")
            else:
                self._set(index + offset, value)
        if values[0] is None:
            self._fail(index, f"{name} is offline or has no {_KEYS[0]}")
        else:
            self._set_power(index, values[0])

    def _zone(self, index: int, name: str, zone: Mapping[str, Any] | None) -> None:
        offline = zone is None or zone.get("online") is False
        value = None if zone is None or offline else _number(zone.get("temp"))
        if value is None or value <= OFFLINE_C:
            self._fail(index, f"{name} is offline")
        else:
            self._set(index, value)

    def _gpu(self, index: int, name: str, gpu: Mapping[str, Any] | None) -> None:
        percent = None if gpu is None else _number(gpu.get("status", {}).get("load"))
        if percent is None or not 0.0 <= percent <= 100.0:
            self._fail(index, f"{name} tells no load")
        else:
            self._set(index, percent * 1e-2)


def _gpus(client: JtopClient) -> Mapping[str, Any]:
    """Return the GPUs by name; none in older versions of jetson-stats."""
    found: object = getattr(client, "gpu", None)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _rails(power: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    rails: dict[str, Mapping[str, Any]] = dict(power.get("rail", {}))
    total: Mapping[str, Any] = power.get("tot", {})
    return {str(total["name"]): total, **rails} if total.get("name") else rails


def _milli(rail: Mapping[str, Any] | None, key: str) -> float | None:
    """Return a rail's figure of its thousandths; None where it is offline or has none."""
    value = None if rail is None or rail.get("online") is False else _number(rail.get(key))
    return None if value is None else value * 1e-3


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value == value else None

"""Rails, temperatures and the GPU's load from jetson-stats.

It is asked where its service runs and nothing else tells the board's power.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from edge_rt.board.readers.base import BaseReader, Channel, rail_channels
from edge_rt.board.readers.bounds import RailFacts
from edge_rt.board.readers.ina3221 import bounds

OFFLINE_C = -256.0
_KEYS = ("volt", "curr", "power")  # mV, mA, mW


JtopClient = Any
"""A `jtop.jtop`, of which `power`, `temperature`, `gpu` and `close` are used; it has no types."""


def connect() -> JtopClient:
    """Return a client of the service; ImportError without jetson-stats, its own errors without it.

    The library is AGPL-licensed and optional: it is imported here and nowhere else.
    """
    client = importlib.import_module("jtop").jtop()
    client.start()
    return client


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
            client = self._client = factory()
            rails, zones = _rails(client.power), dict(client.temperature)
            gpus = _gpus(client)
        except Exception as error:  # jtop raises errors of its own kind
            rails, zones = {}, {}
            reason = f"jtop cannot be used: {type(error).__name__}: {error}"
        channels = [c for n in rails for c in rail_channels(n, f"jtop {n}")]
        channels += [Channel(n, "temp_c", f"jtop {n}") for n in zones]
        channels += [Channel(n, "fraction", f"jtop {n}") for n in gpus]
        limits = [b for n in rails for b in bounds(known.shunts.get(n), known.power)]
        super().__init__("jtop", channels, 0.5, (), dict(enumerate(limits)), reason)
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
            figures = (_milli(name, rails.get(name, {}), key) for key in _KEYS)
            self._put_rail(3 * position, *figures)
        gpus = _gpus(self._client)
        others = [_zone_c(name, zones.get(name, {})) for name in zone_names]
        others += [_load(name, gpus.get(name, {})) for name in gpu_names]
        for index, value in enumerate(others, 3 * len(names)):
            self._put(index, value)


def _gpus(client: JtopClient) -> Mapping[str, Any]:
    """Return the GPUs by name; none in older versions of jetson-stats."""
    found: object = getattr(client, "gpu", None)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _rails(power: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    rails: dict[str, Mapping[str, Any]] = dict(power.get("rail", {}))
    total: Mapping[str, Any] = power.get("tot", {})
    return {str(total["name"]): total, **rails} if total.get("name") else rails


def _milli(name: str, rail: Mapping[str, Any], key: str) -> float | str:
    """Return a rail's figure of its thousandths, or that it has none."""
    value = _number(rail, key)
    return f"{name} is offline or has no {key}" if value is None else value * 1e-3


def _zone_c(name: str, zone: Mapping[str, Any]) -> float | str:
    value = _number(zone, "temp")
    return f"{name} is offline" if value is None or value <= OFFLINE_C else value


def _load(name: str, gpu: Mapping[str, Any]) -> float | str:
    percent = _number(gpu.get("status", {}), "load")
    if percent is None or not 0.0 <= percent <= 100.0:
        return f"{name} tells no load"
    return percent * 1e-2


def _number(figures: Mapping[str, Any], key: str) -> float | None:
    """Return a number of something; None where it is offline or does not tell that."""
    value = None if figures.get("online") is False else figures.get(key)
    return float(value) if isinstance(value, (int, float)) and value == value else None

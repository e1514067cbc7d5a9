"""The front as the daemon wires it, with fakes in the place of some of its parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from edge_rt.config.paths import Paths
from edge_rt.config.schema import Config
from edge_rt.core.cgroup import Available, Group
from edge_rt.models.catalogue import load_catalogue
from edge_rt.models.store.store import Store
from edge_rt.server.container import Container, Parts
from edge_rt.testing.engine import EngineScript, FakeSupervisor


def build(
    config: Config,
    state: Path,
    clock: Callable[[], float] = time.monotonic,
    *,
    store: Store | None = None,
    script: EngineScript | None = None,
    **fakes: Any,
) -> Container:
    """Wire the front below the directory `state`; nothing is started.

    With a `script`, a FakeEngine plays it, and there is memory for every model. `fakes` are by the
    names of the fields of Parts.
    """
    paths = Paths(run=state, state=state, config_file=state / "config.yaml", cache=state / "cache")
    if script is not None:
        plenty = Available(0, Group(state / "no cgroups"), lambda: 1 << 40)
        fakes = {"supervisor": FakeSupervisor(script), "available": plenty} | fakes
    store = store or Store(state / "models", load_catalogue())
    container = Container(config, paths, store, clock, Parts(**fakes))
    if isinstance(supervisor := cast(object, container.supervisor), FakeSupervisor):
        supervisor.start_with(container.energy_meter)
    return container

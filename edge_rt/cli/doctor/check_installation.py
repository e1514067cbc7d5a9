"""The configuration, the board's profile and the models of this installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge_rt.cli.doctor.machine import ExaminedMachine
from edge_rt.cli.doctor.remedies import choose, own_profile, seclusion, sudo_for, word
from edge_rt.cli.options import nearest, there
from edge_rt.cli.text import Json, line, member, members, size
from edge_rt.config.loader import present
from edge_rt.core.errors import ConfigError
from edge_rt.core.reports.finding import Finding, note, ok, problem

if TYPE_CHECKING:  # what it imports takes long
    from edge_rt.models.store.store import Store

_GENERIC = {"x86_64": "generic-x86", "aarch64": "generic-arm64"}
_GPU_NODES = ("nvidia0", "nvhost-gpu", "nvgpu", "nvhost-ctrl-gpu", "dri/renderD*")
_GPU_LIBRARIES = {"libggml-cuda.so": "CUDA", "libggml-vulkan.so": "Vulkan"}
_GPU_RIGHTS = "# the daemon's user has to be in groups video and render, as the service's is"


def check_configuration(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether the daemon would start with config.yaml and the user's own profiles."""
    file = machine.config_file
    faults = machine.configuration[1]
    for fault in [*faults, *machine.profiles[1]]:
        yield problem("config", str(fault), *_edit(machine, fault))
    if not faults and machine.named_config is None and not present(file):
        yield ok("config", f"{file} is not there: the defaults apply")
    elif not faults:
        yield ok("config", f"{file} is valid")


def _edit(machine: ExaminedMachine, fault: ConfigError) -> tuple[str, ...]:
    file = Path(fault.file)
    if there(file) and file.is_dir():
        return (f"# {file} is a directory: move it away",)
    line = "" if fault.line is None else f" +{fault.line}"
    return (f"{sudo_for(machine, file)}nano{line} {word(file.absolute())}",)


def check_board(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether a profile tells about this board."""
    board, found = machine.board, machine.detection
    if board is None:
        yield _unknown(machine)
    elif machine.config.board is not None:
        yield ok("board", f"{board.name} ({board.id}), as the configuration says")
        if found and found.confidence != "generic" and found.id != board.id:
            yield note("board", f"by its {found.by} it would be {found.id}")
    elif found is not None:
        yield _recognised(machine, board.id, f"{board.name} ({board.id}), by its {found.by}")


def _recognised(machine: ExaminedMachine, id: str, what: str) -> Finding:
    confidence = machine.detection.confidence if machine.detection else "exact"
    if confidence == "exact":
        return ok("board", what)
    if confidence == "family":
        return note(
            "board",
            f"{what}: one of its family, so some figures may not be this board's",
            own_profile(machine, id),
        )
    where = seclusion(machine)
    if where is not None:
        return ok("board", f"{what}; this is {where}")
    what += ": only what all such boards share is known; a profile can tell more"
    return note("board", what, own_profile(machine, id))


def _unknown(machine: ExaminedMachine) -> Finding:
    if machine.config.board is not None:
        what = f"no profile can be used for {machine.config.board!r}"
        file = machine.config_file
        return problem("board", what, f"{sudo_for(machine, file)}nano {word(file.absolute())}")
    if not there(machine.roots.proc):
        what = f"nothing of a board lies below {machine.root}"
        if there(machine.roots.sysfs):
            what = f"{machine.root} has no proc, so what board it is cannot be told"
        twin = f"# a simulated board begins with: edge-rt twin --dir {word(machine.root)} …"
        return problem("board", what, twin, "edge-rt doctor --sensors-root /")
    what = "no profile fits this machine, so nothing is known of its rails and limits"
    return problem("board", what, *choose(machine, generic_profile(machine)))


def generic_profile(machine: ExaminedMachine) -> str:
    """Return the profile of which all machines of this architecture can be."""
    return _GENERIC.get(machine.identity.architecture or "", "generic-arm64")


def check_gpu(machine: ExaminedMachine) -> Iterator[Finding]:
    """Tell which GPUs the daemon finds.

    Where none, for which llama.cpp has code, and what is here.
    """
    status = machine.ask("/edge/v1/status")
    found = members(member(status or {}, "engine"), "gpus")
    if found:
        yield from (ok("gpu", _gpu(gpu)) for gpu in found)
        return
    layers = max(machine.config.engine.offloads)
    nodes = [path for name in _GPU_NODES for path in sorted(machine.roots.dev.glob(name))]
    code = [name for file, name in _GPU_LIBRARIES.items() if file in machine.libraries]
    what = f"llama.cpp has code for {' and '.join(code) or 'none'}, and there is "
    what += ", ".join(map(str, nodes)) or "no /dev/dri/render* or /dev/nv*"
    if not layers and not (code and nodes):
        yield ok("gpu", f"not used: {what}")
    elif not code:
        args = "CUDA" if any(path.name.startswith("nv") for path in nodes) else "VULKAN"
        build = f'{machine.user.sudo}CMAKE_ARGS="-DGGML_{args}=on" tools/install'
        yield problem("gpu", f"engine.gpu_layers is {layers}, {what}", build)
    elif status is None:
        yield note("gpu", f"{what}; a running daemon tells more")
    else:
        judged = problem if layers else note
        yield judged("gpu", f"the daemon finds none: {what}", _GPU_RIGHTS)


def _gpu(gpu: Json) -> str:
    free, total = size(gpu.get("free_bytes")), size(gpu.get("total_bytes"))
    memory = "with the board's memory" if gpu.get("shared") else f"{free} of {total} free"
    simulated = ", simulated by the CPU" if gpu.get("simulated") else ""
    return f"{line(gpu.get('name'))} by {line(gpu.get('backend'))}, {memory}{simulated}"


def check_models(machine: ExaminedMachine) -> Iterator[Finding]:
    """Yield whether the store has a model to answer with, and no damaged one."""
    from edge_rt.models.catalogue import load_catalogue
    from edge_rt.models.store.store import Store

    served = _served(machine)
    root = store_of(machine)
    closed = not machine.access(nearest(root), os.R_OK | os.X_OK)
    if served == []:
        what = f"the daemon has no model: its store {root} is empty"
        yield problem("models", what, _pull(machine, root))
    elif closed and not served:
        yield note("models", f"you may not look into the store {root}")
    elif not closed:
        store = Store(root, load_catalogue(machine.config.models.catalogue))
        yield from _stored(machine, store, served)
    if served:
        yield ok("models", f"the daemon has {', '.join(served)}")


def store_of(machine: ExaminedMachine) -> Path:
    """Return the daemon's store, as it names it itself; while none answers, the configured one."""
    status = (machine.ask("/edge/v1/status") or {}) if machine.named_config is None else {}
    named = status.get("store") or machine.config.models.store
    return Path(named) if named else machine.paths.state / "models"


def _stored(machine: ExaminedMachine, store: Store, served: list[str] | None) -> Iterator[Finding]:
    """Check the store: its models where none are `served`, and damage in any case."""
    root, models = store.root, machine.config.models
    entries = [entry.id for entry in store.entries()]
    wanted = [*models.preload] if models.default is None else [models.default, *models.preload]
    for id in dict.fromkeys(wanted):
        if id not in entries and not served:
            what = f"{id} is configured and not in the store {root}"
            yield problem("models", what, _pull(machine, root, id))
    for id in entries:
        if served and id not in served:
            continue  # the daemon has another store
        if harm := store.harm(id):
            known = store.catalogue.find(id) is not None
            again = f"# import it from where it came: edge-rt models remove {id}, then add"
            mend = _pull(machine, root, id) if known else again
            yield problem("models", f"{id} cannot be loaded: {harm}", mend)
    if entries and not served:
        yield ok("models", f"{', '.join(entries)} in {root}")
    elif not served:
        what = f"no model in the store {root}"
        yield problem("models", what, _pull(machine, root))


def _served(machine: ExaminedMachine) -> list[str] | None:
    """Return the models of a daemon that answers; None where none does."""
    told = machine.ask("/v1/models")
    if told is None or "data" not in told:
        return None
    return [line(model.get("id")) for model in members(told, "data")]


def _pull(machine: ExaminedMachine, root: Path, id: str = "") -> str:
    """Return what fetches the model `id`, or the one to start with on that machine."""
    usual = root == machine.paths.state / "models"
    pull = f"{sudo_for(machine, root)}edge-rt models pull {id}".rstrip()
    return pull if usual else f"{pull} --store {word(root)}"

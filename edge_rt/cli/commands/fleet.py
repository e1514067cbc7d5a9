"""Several boards for `edge-rt top --fleet`, as LiteLLM's configuration names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from rich.console import RenderableType

from edge_rt.cli.document import table
from edge_rt.cli.exits import BadOption
from edge_rt.cli.text import Json, line, members, number

_PATIENCE_S = 2.0
_FROM_ENVIRONMENT = "os.environ/"  # as LiteLLM has it
_COLUMNS = ("board", "state", "power_w", "working_w", "requests", "queued", "token_j")


class FleetBoard(NamedTuple):
    """A daemon over TCP."""

    name: str
    url: str
    key: str | None


def fleet_of(file: Path) -> list[FleetBoard]:
    """Return each daemon that a configuration of LiteLLM names; raises BadOption."""
    import yaml  # takes time to import

    try:
        entries: Any = yaml.safe_load(file.read_text())["model_list"]
        found = dict[str, FleetBoard]()
        for entry in entries:
            params = entry["litellm_params"]
            url = str(params["api_base"]).rstrip("/").removesuffix("/v1")
            info: dict[str, Any] = entry.get("model_info") or {}
            name = str(info.get("id") or url.partition("//")[2])
            found.setdefault(url, FleetBoard(name, url, _key(params.get("api_key"))))
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError) as error:
        why = "expected a configuration of LiteLLM, with api_base for each of model_list"
        raise BadOption(f"--fleet {file}: {why} ({type(error).__name__}: {error})") from None
    return list(found.values())


def _key(text: str | None) -> str | None:
    if text is not None and text.startswith(_FROM_ENVIRONMENT):
        return os.environ.get(text.removeprefix(_FROM_ENVIRONMENT))
    return text


def fleet_table(boards: Sequence[FleetBoard]) -> RenderableType:
    """Ask all boards, and return a row for each and one for their sum."""
    with ThreadPoolExecutor(max(1, len(boards))) as pool:
        rows = list(pool.map(_row, boards))
    known = [watts for row in rows if (watts := number(row.get("power_w"))) is not None]
    total = {"board": "all", "power_w": sum(known)} if known else {"board": "all"}
    return table([*rows, total], _COLUMNS)


def _row(board: FleetBoard) -> Json:
    headers = {} if board.key is None else {"Authorization": f"Bearer {board.key}"}
    try:
        answer = httpx.get(
            f"{board.url}/edge/v1/load", headers=headers, timeout=_PATIENCE_S, trust_env=False
        )
        told: Json = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        return {"board": board.name, "state": line(str(error)) or type(error).__name__}
    again_s = number(told.get("retry_after_s"))
    state = "open" if again_s is None else f"refuses for {again_s:.0f} s"
    resident = [one for one in members(told, "models") if one.get("resident")]
    token_j = resident[0].get("token_j") if resident else None
    return {"board": board.name, "state": state, "token_j": token_j} | {
        name: told.get(name) for name in _COLUMNS if name in told
    }

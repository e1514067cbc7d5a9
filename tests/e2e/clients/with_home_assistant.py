"""Home Assistant's own integration `ollama`: `with_home_assistant.py URL MODEL CALLER` prints JSON.

CALLER is a model that calls tools by itself.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from typing import Any

from homeassistant import bootstrap, config_entries, loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.components import conversation
from homeassistant.components.homeassistant.exposed_entities import async_expose_entity
from homeassistant.core import Context, Event, HomeAssistant, callback
from homeassistant.setup import async_setup_component

LAMP = "input_boolean.lamp"


async def started(directory: str) -> HomeAssistant:
    """Home Assistant with one lamp, and with what the integration needs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hass = HomeAssistant(directory)
    hass.config.skip_pip = True
    loader.async_setup(hass)
    hass.config_entries = config_entries.ConfigEntries(hass, {})
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth_manager_from_config(hass, [{"type": "homeassistant"}], [])
    config: dict[str, Any] = {
        "http": {"server_host": ["127.0.0.1"], "server_port": port},
        "input_boolean": {"lamp": {"name": "Lamp"}},
    }
    for name in ("homeassistant", "http", "input_boolean", "intent", "conversation"):
        assert await async_setup_component(hass, name, config), name
    await hass.async_start()
    async_expose_entity(hass, "conversation", LAMP, True)
    return hass


async def added(hass: HomeAssistant, url: str, model: str) -> tuple[Any, list[str]]:
    """Add the integration as its dialogues do, and let the model control the lamp."""
    flows, options = hass.config_entries.flow, hass.config_entries.options
    form: Any = await flows.async_init("ollama", context={"source": "user"})
    form = await flows.async_configure(form["flow_id"], {"url": url})
    offered = form["data_schema"].schema["model"].config["options"]
    listed = [one["value"] for one in offered]
    chosen = next(one for one in listed if one.partition(":")[0] == model)
    made: Any = await flows.async_configure(form["flow_id"], {"model": chosen})
    entry = made["result"]
    form = await options.async_init(entry.entry_id)
    wanted = {"prompt": "Be brief.", "llm_hass_api": "assist", "num_ctx": 8192, "max_history": 20}
    await options.async_configure(form["flow_id"], wanted)
    await hass.async_block_till_done()
    return entry, listed


async def asked(hass: HomeAssistant, agent: str) -> dict[str, Any]:
    """Return what the lamp was told, and the last answer; a weak model may take another try."""
    services: list[str] = []

    def note(event: Event) -> None:
        if event.data["service_data"].get("entity_id") in (LAMP, [LAMP]):
            services.append(event.data["service"])

    hass.bus.async_listen("call_service", callback(note))
    answer: Any = None
    for _ in range(3):
        if not services:
            question = "Turn on the lamp.", None, Context()
            answer = await conversation.async_converse(hass, *question, agent_id=agent)
    return {"services": services, "answer": answer.response.speech["plain"]["speech"]}


async def main(url: str, name: str, caller: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        hass = await started(directory)
        entry, listed = await added(hass, url, caller)
        told = {"listed": listed, "state": entry.state.value, **await asked(hass, entry.entry_id)}
        await hass.async_stop(force=True)
        print(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

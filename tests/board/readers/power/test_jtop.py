"""Figures of jetson-stats, with its quirks."""

from __future__ import annotations

from typing import Any

import pytest
from faults import figures

from edge_rt.board.readers.jtop import Jtop


def rail(volt: int, curr: int, **more: object) -> dict[str, object]:
    return {"volt": volt, "curr": curr, "power": volt * curr // 1000, "avg": 9999, **more}


class Client:
    """What the library's client shows."""

    def __init__(self) -> None:
        self.power: dict[str, Any] = {
            "rail": {"VDD_CPU_GPU_CV": rail(5000, 320, online=True), "VDD_SOC": rail(5000, 300)},
            "tot": rail(5016, 1000, name="VDD_IN"),
        }
        self.temperature: dict[str, Any] = {
            "cpu": {"temp": 45.5, "online": True},
            "cv0": {"temp": -256, "online": False},
            "cv1": {"temp": -256},
        }
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_rails_and_zones() -> None:
    got = figures(Jtop(Client))
    assert got["VDD_IN", "power_w"] == pytest.approx(5.016)
    assert got["VDD_SOC", "power_w"] == pytest.approx(1.5)
    assert got["VDD_SOC", "voltage_v"] == pytest.approx(5.0)
    assert got["VDD_SOC", "current_a"] == pytest.approx(0.3)
    assert got["cpu", "temp_c"] == pytest.approx(45.5)


def test_offline_is_missing() -> None:
    reader = Jtop(Client)
    got = figures(reader)
    assert got["cv0", "temp_c"] is None
    assert got["cv1", "temp_c"] is None
    assert reader.errors[-1] == "cv1 is offline"


def test_a_total_that_is_only_added_up_is_left_out() -> None:
    client = Client()
    client.power["tot"] = {"power": 3100, "avg": 3000}
    names = {channel.name for channel in Jtop(lambda: client).channels}
    assert names == {"VDD_CPU_GPU_CV", "VDD_SOC", "cpu", "cv0", "cv1"}


def test_the_load_of_the_gpu_where_the_service_knows_it() -> None:
    client: Any = Client()
    client.gpu = {"ga10b": {"type": "integrated", "status": {"load": 73.5}}}
    reader = Jtop(lambda: client)
    assert figures(reader)["ga10b", "fraction"] == pytest.approx(0.735)
    client.gpu = {"ga10b": {"status": {}}}
    assert figures(reader)["ga10b", "fraction"] is None
    client.gpu = {}
    assert figures(reader)["ga10b", "fraction"] is None
    assert reader.errors[-1] == "ga10b tells no load"


def test_a_rail_that_goes_and_comes_back() -> None:
    client = Client()
    reader = Jtop(lambda: client)
    rails = client.power["rail"]
    client.power["rail"] = {}
    assert figures(reader)["VDD_SOC", "power_w"] is None
    client.power["rail"] = rails
    assert figures(reader)["VDD_SOC", "power_w"] == pytest.approx(1.5)


def test_a_library_that_breaks_is_told() -> None:
    client = Client()
    reader = Jtop(lambda: client)
    client.power = None  # type: ignore[assignment]
    assert set(reader.read()) == {None}
    assert "AttributeError" in (reader.errors[0] or "")


def test_what_cannot_be_is_missing() -> None:
    client = Client()
    client.power["tot"] |= {"volt": 32_767, "curr": 32_767, "power": 1_073_676}
    client.power["rail"]["VDD_SOC"] |= {"power": 0}
    client.temperature["cpu"]["temp"] = 200.0
    got = figures(Jtop(lambda: client))
    assert got["VDD_IN", "power_w"] is got["VDD_SOC", "power_w"] is got["cpu", "temp_c"] is None
    assert got["VDD_CPU_GPU_CV", "power_w"] == pytest.approx(1.6)


def test_no_service_no_channels() -> None:
    def refused() -> Client:
        raise RuntimeError("the jtop.service is not active")

    reader = Jtop(refused)
    assert reader.channels == ()
    assert "not active" in reader.skipped[0].reason
    assert list(reader.read()) == []
    reader.close()


def test_closing_ends_the_connection() -> None:
    client = Client()
    Jtop(lambda: client).close()
    assert client.closed

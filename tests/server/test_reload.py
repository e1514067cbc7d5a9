"""A configuration read anew changes what it can, and tells the rest."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from edge_rt.config.caching import Cache, Semantic
from edge_rt.config.schema import BudgetConfig, Config, Engine, Knobs, Log, Tcp
from edge_rt.core.errors import ConfigError
from edge_rt.governor.knobs.board_knobs import BoardKnobs
from edge_rt.governor.loop import GovernorLoop
from edge_rt.server.background_tasks import NOBODYS, Reload, differences

KEY, OTHER = "0" * 64, "1" * 64


class Stage:
    """A reload whose file, governor and keys are in the test's hand."""

    def __init__(self, config: Config) -> None:
        self.file: Config | ConfigError = config
        self.budgets: list[BudgetConfig] = []
        self.knobs: list[Knobs] = []
        self.keys = list(config.tcp.api_key_sha256)
        self.admins = list(config.tcp.admin_key_sha256)
        governor_loop, knobs = cast(GovernorLoop, self), cast(BoardKnobs, self)
        self.reload = Reload(config, self._read, governor_loop, knobs, self.keys, self.admins)

    def _read(self) -> Config:
        if isinstance(self.file, ConfigError):
            raise self.file
        return self.file

    def allow(self, budget: BudgetConfig) -> None:
        self.budgets.append(budget)

    def change(self, wanted: Knobs) -> None:
        self.knobs.append(wanted)

    def look(self, file: Config | ConfigError) -> None:
        self.file = file
        asyncio.run(self.reload.look())


@pytest.fixture(autouse=True)
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    level = logging.getLogger().level
    caplog.set_level("DEBUG", "edge_rt.server.background_tasks")
    yield caplog
    logging.getLogger().setLevel(level)


def test_differences_are_keys_of_the_file() -> None:
    other = Config(engine=Engine(threads=2), cache=Cache(semantic=Semantic(wrong=0.01)))
    assert list(differences(Config(), other)) == ["engine.threads", "cache.semantic.wrong"]
    assert list(differences(other, other)) == []


def test_a_new_budget_holds_at_once(told: pytest.LogCaptureFixture) -> None:
    stage = Stage(Config())
    stage.look(Config(budget=BudgetConfig(power_w=5.0)))
    assert stage.budgets == [BudgetConfig(power_w=5.0)]
    assert "in force now: budget.power_w" in told.text
    assert "restart" not in told.text


def test_clocks_are_governed_or_not_at_once_and_other_knobs_take_a_restart(
    told: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(Config())
    governed = Knobs(cpufreq="governed", nvpmodel="15W")
    stage.look(Config(knobs=governed))
    assert stage.knobs == [Knobs(cpufreq="governed")]
    assert "in force now: knobs.cpufreq" in told.text
    assert "(systemctl restart edge-rt): knobs.nvpmodel" in told.text
    stage.look(Config(knobs=governed))
    assert len(stage.knobs) == 1
    stage.look(Config())
    assert stage.knobs[1:] == [Knobs()]


def test_a_budget_that_clients_have_set_lasts_while_the_files_is_the_same() -> None:
    config = Config(budget=BudgetConfig(power_w=5.0))
    stage = Stage(config)
    stage.look(Config(budget=BudgetConfig(power_w=5.0), log=Log(level="debug")))
    assert stage.budgets == []


def test_the_logs_level_changes() -> None:
    Stage(Config()).look(Config(log=Log(level="error")))
    assert logging.getLogger().level == logging.ERROR


def test_keys_are_exchanged_in_place() -> None:
    stage = Stage(Config(tcp=Tcp(api_key_sha256=[KEY])))
    stage.look(Config(tcp=Tcp(api_key_sha256=[OTHER])))
    assert stage.keys == [OTHER]


def test_who_is_no_administrator_any_more_is_none_at_once(
    told: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(Config(tcp=Tcp(api_key_sha256=[KEY, OTHER], admin_key_sha256=[KEY])))
    stage.look(Config(tcp=Tcp(api_key_sha256=[KEY, OTHER], admin_key_sha256=[OTHER])))
    assert (stage.keys, stage.admins) == ([KEY, OTHER], [OTHER])
    assert "restart" not in told.text


def test_the_last_key_is_revoked_at_once_and_tcp_stays_closed_without_one(
    told: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(Config(tcp=Tcp(api_key_sha256=[KEY], admin_key_sha256=[KEY])))
    stage.look(Config())
    assert (stage.keys, stage.admins) == ([NOBODYS], [])
    assert "no key opens TCP any more" in told.text
    stage.look(Config(tcp=Tcp(api_key_sha256=[OTHER])))
    assert stage.keys == [OTHER]


def test_to_need_a_key_takes_a_restart(told: pytest.LogCaptureFixture) -> None:
    stage = Stage(Config())
    stage.look(Config(tcp=Tcp(api_key_sha256=[KEY])))
    assert stage.keys == []
    assert "after a restart only (systemctl restart edge-rt): tcp.api_key_sha256" in told.text


def test_what_takes_a_restart_is_told_until_it_comes(told: pytest.LogCaptureFixture) -> None:
    stage = Stage(Config())
    wanted = Config(engine=Engine(threads=2), budget=BudgetConfig(temp_c=70.0))
    for again in (False, True):
        told.clear()
        stage.look(wanted)
        assert "after a restart only (systemctl restart edge-rt): engine.threads" in told.text
        assert ("budget.temp_c" in told.text) is not again
    assert len(stage.budgets) == 1


def test_a_faulty_file_changes_nothing(told: pytest.LogCaptureFixture) -> None:
    stage = Stage(Config())
    stage.look(ConfigError("expected a number", file="c.yaml", line=3, key="budget.power_w"))
    assert stage.budgets == []
    assert "the configuration stays as it was: c.yaml:3: budget.power_w" in told.text


def test_each_reload_stands_between_before_and_after_and_many_at_once_are_one() -> None:
    stage, said = Stage(Config()), list[str]()

    async def test() -> None:
        done = asyncio.Event()

        def after() -> None:
            said.append("after")
            done.set()

        task = asyncio.create_task(stage.reload.run(lambda: said.append("before"), after))
        for stage.file in (Config(), ConfigError("faulty", file="c.yaml")):
            done.clear()
            for _ in range(3):
                stage.reload.ask()
            await asyncio.wait_for(done.wait(), 20)
        task.cancel()

    asyncio.run(test())
    assert said == ["before", "after"] * 2


def test_a_file_that_is_never_read_to_its_end_keeps_nothing_waiting(
    told: pytest.LogCaptureFixture,
) -> None:
    for_ever = threading.Event()

    def read() -> Config:
        for_ever.wait()
        return Config(budget=BudgetConfig(power_w=5.0))

    stage = Stage(Config())
    governor_loop, knobs = cast(GovernorLoop, stage), cast(BoardKnobs, stage)
    reload = Reload(Config(), read, governor_loop, knobs, [], [], patience_s=0.0)
    asyncio.run(reload.look())  # at its end, a loop waits for the threads that it has
    assert "the configuration stays as it was: reading it" in told.text
    for_ever.set()
    assert stage.budgets == []

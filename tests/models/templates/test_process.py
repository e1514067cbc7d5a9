"""Templates are filled in beside the daemon, and end where they take too long."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge_rt.core.errors import ModelFileError, RequestError, Unavailable
from edge_rt.models.templates.process import WORKER, Templating
from edge_rt.models.templates.task import Template, TemplateTask

HANG_S = 60.0
ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
ONE_CALL = "{{ 'x'.replace('x', 'x' * 9999999).replace('x', 'x' * 9999999)|length }}"
DOUBLING = (
    "{% set n = namespace(x='x') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}{% endfor %}"
)
NESTED = (
    "{% set n = namespace(x=['x']) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}"
    "{% endfor %}{{ n.x | tojson | length }}"
)
DYING = """
import os, pathlib, signal, sys
began = pathlib.Path(sys.argv[1])
with began.open("a") as file:
    file.write("x")
if began.stat().st_size > int(sys.argv[2]):
    os.execv(sys.executable, [sys.executable, "-m", "edge_rt.models.templates.worker"])
if sys.argv[4] == "at a task":
    sys.stdout.buffer.write(bytes(4))
    sys.stdout.flush()
    sys.stdin.buffer.read(1)
os.kill(os.getpid(), int(sys.argv[3]))
"""


def task(source: str, content: str = "Hi") -> TemplateTask:
    return TemplateTask(
        Template(source, None, None, (), "\ufdd0"), [{"role": "user", "content": content}]
    )


def run(test: Callable[[Templating], Awaitable[None]], **options) -> None:
    async def main() -> None:
        templating = Templating(**options)
        try:
            await asyncio.wait_for(test(templating), HANG_S)
        finally:
            await templating.close()

    asyncio.run(main())


def test_one_process_fills_in_all() -> None:
    async def test(templating: Templating) -> None:
        texts = [f"text {n} " + "x" * 200_000 for n in range(4)]
        source = "{{ messages[0].content }}"
        said = await asyncio.gather(*(templating.fill(task(source, text)) for text in texts))
        assert said == texts
        process = templating._child._process
        assert await templating.fill(task("again")) == "again"
        assert templating._child._process is process

    run(test)


@pytest.mark.parametrize("source", [ENDLESS, ONE_CALL, DOUBLING, NESTED])
def test_a_template_that_does_not_end_is_ended(source) -> None:
    """After a few seconds of the processor, whatever the time of day."""

    async def test(templating: Templating) -> None:
        with pytest.raises((RequestError, ModelFileError)) as caught:
            await templating.fill(task(source))
        assert "template" in str(caught.value)
        assert await templating.fill(task("next")) == "next"

    run(test, task_s=HANG_S)


def test_the_loop_goes_on_meanwhile() -> None:
    async def test(templating: Templating) -> None:
        filling = asyncio.ensure_future(templating.fill(task(ENDLESS)))
        turns = 0
        while not filling.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 10
        assert filling.exception() is not None

    run(test, task_s=0.5)


def test_who_leaves_ends_nothing() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        process = templating._child._process
        filling = asyncio.ensure_future(templating.fill(task("x")))
        await asyncio.sleep(0)
        filling.cancel()
        await asyncio.wait((filling,))
        assert await templating.fill(task("next")) == "next"
        assert templating._child._process is process

    run(test)


def test_one_that_died_is_started_again() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        assert templating._child.pid is not None
        os.kill(templating._child.pid, signal.SIGKILL)
        assert await templating.fill(task("next")) == "next"

    run(test)


def test_one_that_has_nothing_to_do_ends_and_comes_again() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        process = templating._child._process
        assert process is not None
        assert await process.wait() == 0
        assert await templating.fill(task("next")) == "next"

    run(test, idle_s=0.01)


def test_one_that_is_stopped_is_replaced_and_the_task_done_again() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        stopped = templating._child._process
        assert stopped is not None
        stopped.send_signal(signal.SIGSTOP)
        assert await templating.fill(task("next")) == "next"
        assert templating._child._process is not stopped
        assert stopped.returncode == -signal.SIGKILL

    run(test, task_s=2.0)


def test_where_all_stop_it_is_not_the_messages_fault() -> None:
    stops = (
        "import os, signal, sys\n"
        "sys.stdout.buffer.write(bytes(4))\n"
        "sys.stdout.flush()\n"
        "sys.stdin.buffer.read(1)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)"
    )

    async def test(templating: Templating) -> None:
        with pytest.raises(Unavailable) as caught:
            await templating.fill(task("x"))
        assert caught.value.retry_after_s

    run(test, command=[sys.executable, "-c", stops], task_s=0.3)


def dying(began: Path, times: int, number: int, when: str) -> list[str]:
    """A process that a signal ends as many times as said; `began` gets a letter each time."""
    return [sys.executable, "-c", DYING, str(began), str(times), str(int(number)), when]


@pytest.mark.parametrize("when", ["at its start", "at a task"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_others_kill_again_and_again_is_replaced(
    tmp_path: Path, number: int, when: str
) -> None:
    async def test(templating: Templating) -> None:
        assert await templating.fill(task("{{ messages[0].content }}", "text")) == "text"

    run(test, command=dying(tmp_path / "began", 4, number, when))


def test_where_all_are_killed_the_next_request_gets_its_own_tries(tmp_path: Path) -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(Unavailable, match="again and again"):
            await templating.fill(task("never"))
        assert await templating.fill(task("next")) == "next"

    run(test, command=dying(tmp_path / "began", 9, signal.SIGKILL, "at a task"))


def test_other_clients_have_a_turn_between_the_tries(tmp_path: Path) -> None:
    async def test(templating: Templating) -> None:
        order = list[str]()

        async def fill(client: str) -> None:
            await templating.fill(task("{{ messages[0].content }}", client), client)
            order.append(client)

        await asyncio.gather(fill("first"), fill("second"))
        assert order == ["second", "first"]

    run(test, command=dying(tmp_path / "began", 1, signal.SIGKILL, "at a task"))


def test_a_template_that_makes_its_process_crash_is_told_so(tmp_path: Path) -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(RequestError, match="makes its process crash") as caught:
            await templating.fill(task("never"))
        assert caught.value.code == "template_failure"
        assert await templating.fill(task("next")) == "next"

    run(test, command=dying(tmp_path / "began", 2, signal.SIGSEGV, "at a task"))


def test_clients_take_turns() -> None:
    async def test(templating: Templating) -> None:
        done: list[str] = []

        async def fill(name: str) -> None:
            await templating.fill(task("{{ messages | length }}"), name[0])
            done.append(name)

        await asyncio.gather(*(fill(name) for name in ("a1", "a2", "a3", "b1", "b2", "c1")))
        assert done == ["a1", "b1", "c1", "a2", "b2", "a3"]

    run(test)


def test_who_leaves_the_queue_is_passed_over() -> None:
    async def test(templating: Templating) -> None:
        first, second, third = (
            asyncio.ensure_future(templating.fill(task(str(n)))) for n in range(3)
        )
        await asyncio.sleep(0)
        second.cancel()
        assert (await first, await third) == ("0", "2")
        assert second.cancelled()

    run(test)


def test_one_that_does_not_start_is_told() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(Unavailable):
            await templating.fill(task("x"))

    run(test, command=[sys.executable, "-c", "raise SystemExit(1)"])


def test_why_no_process_can_be_started_is_told() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(Unavailable, match="No such file"):
            await templating.fill(task("never"))

    run(test, command=["/nonexistent/python"])


def test_what_the_template_refuses_is_told() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(RequestError) as caught:
            await templating.fill(task("{{ raise_exception('no such role') }}"))
        assert caught.value.code == "template_refusal"

    run(test, command=WORKER)

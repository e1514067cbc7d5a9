"""Templates are filled in beside the daemon, and end where they take too long."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import pytest

from edge_rt.daemon.templating import WORKER, Templating
from edge_rt.errors import ModelFileError, RequestError, Unavailable
from edge_rt.models.template_task import Task, Template

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


def task(source: str, content: str = "Hi") -> Task:
    return Task(Template(source, None, None, (), "\ufdd0"), [{"role": "user", "content": content}])


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
        process = templating._process
        assert await templating.fill(task("again")) == "again"
        assert templating._process is process

    run(test)


@pytest.mark.parametrize("source", [ENDLESS, ONE_CALL, DOUBLING, NESTED])
def test_a_template_that_does_not_end_is_ended(source) -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises((RequestError, ModelFileError)) as caught:
            await templating.fill(task(source))
        assert "template" in str(caught.value)
        assert await templating.fill(task("next")) == "next"

    run(test, task_s=1.0)


def test_by_itself_it_ends_after_few_seconds_of_the_processor() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(RequestError, match="too much memory or time"):
            await templating.fill(task(ENDLESS))

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
        process = templating._process
        filling = asyncio.ensure_future(templating.fill(task("x")))
        await asyncio.sleep(0)
        filling.cancel()
        await asyncio.wait((filling,))
        assert await templating.fill(task("next")) == "next"
        assert templating._process is process

    run(test)


def test_one_that_died_is_started_again() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        assert templating._process is not None
        templating._process.kill()
        await templating._process.wait()
        assert await templating.fill(task("next")) == "next"

    run(test)


def test_one_that_has_nothing_to_do_ends_and_comes_again() -> None:
    async def test(templating: Templating) -> None:
        await templating.fill(task("first"))
        process = templating._process
        assert process is not None
        assert await process.wait() == 0
        assert await templating.fill(task("next")) == "next"

    run(test, idle_s=0.01)


def test_one_that_does_not_start_is_told() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(Unavailable):
            await templating.fill(task("x"))

    run(test, command=[sys.executable, "-c", "raise SystemExit(1)"])


def test_what_the_template_refuses_is_told() -> None:
    async def test(templating: Templating) -> None:
        with pytest.raises(RequestError) as caught:
            await templating.fill(task("{{ raise_exception('no such role') }}"))
        assert caught.value.code == "template_refusal"

    run(test, command=WORKER)

"""The endpoints that generate: one course for all dialects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from functools import partial
from typing import Generic, TypeVar

from msgspec.structs import replace
from starlette.types import Receive, Scope, Send

from edge_rt.api.allowance import Terms
from edge_rt.api.asked import CheckedRequest, MakeReader, Sent
from edge_rt.api.caching import not_cached
from edge_rt.api.kept import Found, Place, Topic
from edge_rt.api.middleware.context import Context, Exchange, Head, exchange_of, new_head
from edge_rt.api.middleware.decode import read_body, unless_gone
from edge_rt.api.openai.answers import Dialect
from edge_rt.api.openai.constraint import checker_of, judge_named
from edge_rt.api.openai.fields import (
    GenerationFields,
    Text,
    answers,
    question,
    same_each_time,
    sampling,
)
from edge_rt.api.openai.sampled import SampledRun, SamplePlan
from edge_rt.api.openai.unsupported import BodyReader
from edge_rt.api.run import CachedReplay, Run
from edge_rt.api.work import Work
from edge_rt.core.chat_format import ChatPrompt, Reading
from edge_rt.core.decoding import Constraint
from edge_rt.core.requests import Call, Cost, FitLimit, Identity, Plan
from edge_rt.core.routing import RouteRequest
from edge_rt.generation.samples.judge import Judge
from edge_rt.generation.samples.terms import SamplesTerms

RequestT = TypeVar("RequestT", bound=GenerationFields)


_UNREAD = (
    "the calls in this model's chat template do not read back; a system message explains other ones"
)
_WHOLE = "The field `edge.context` was ignored: a chat with images is not shortened."


class GenerationEndpoint(ABC, Generic[RequestT]):
    """An ASGI endpoint that reads a request, checks it and runs it while the client waits.

    What was answered before is told again, before a model is chosen or a prompt written.
    """

    prefix: str  # names it in the keys of the cache

    def __init__(self, context: Context, request: type[RequestT], refused: Collection[str]) -> None:
        """`request` is the type to which bodies are decoded, without the fields `refused`."""
        self.context = context
        self.ids = f"{self.prefix}-"  # what those of its answers begin with
        self._body = BodyReader(request, refused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; errors before the response are raised."""
        body = await read_body(scope, receive, limit=self.context.requests.body_bytes)
        exchange = exchange_of(scope)
        sent = Sent(self.prefix, exchange.client, body)
        asked = self.context.caching.recent.get(sent) or self._read(sent)
        exchange.warnings += asked.warnings
        await self.serve(asked, exchange, receive, send)

    async def serve(
        self, asked: CheckedRequest[RequestT], exchange: Exchange, receive: Receive, send: Send
    ) -> None:
        """Answer a checked request; errors before the response are raised."""
        request, caching = asked.request, self.context.caching
        checker_of(request.edge, self.context.checkers)  # raises RequestError
        place = await self._place(asked, exchange.client)
        found = None if place is None else await caching.find(place)
        if found is not None:
            await self._replay(asked, found, exchange, send)
        else:
            await unless_gone(self._answer(asked, place, exchange, send), receive)

    def route_request(
        self, request: RequestT, prompt: ChatPrompt | Text, client: str | None
    ) -> RouteRequest:
        """Return how the request wants to be served; of several prompts, `prompt` is the longest.

        The others are read beside it.
        """
        terms = request.edge or Terms()
        return RouteRequest(
            id=self._new_id(),
            model=request.model or "default",
            prompt=prompt,
            max_tokens=request.most_tokens,
            ignore_eos=bool(request.ignore_eos),
            objectives=terms.objectives,
            trace=terms.trace,
            mode=terms.decoding,
            constrained=request.constrained,
            own_tokens=bool(request.logit_bias) or request.checked or isinstance(prompt, list),
            client=client,
        )

    @abstractmethod
    async def prepare(self, request: RequestT, client: str | None) -> Work:
        """Choose a model and write the prompt for `client`.

        Raises RequestError or ModelNotFound.
        """

    def replayed_prompts(self, request: RequestT) -> Sequence[Text]:
        """Return the prompts of a request answered before, as far as the answer repeats them."""
        return [""]

    @abstractmethod
    def dialect(
        self, request: RequestT, head: Head, prompts: Sequence[Text], reader: MakeReader | None
    ) -> Dialect:
        """Return the form of the answers to these prompts, read by such a reader."""

    def reader(self, request: RequestT, reading: Reading | None) -> MakeReader | None:
        """Return what makes the reader of one answer; None: all of it is content."""
        return None

    def work(
        self,
        request: RequestT,
        id: str,
        plan: Plan,
        prompts: Sequence[Text],
        reading: Reading | None = None,
        found: Found | None = None,
    ) -> Work:
        """Return the request as it can be run: a call for each prompt.

        An answer that was `found` is not sampled, and its model not looked for in the store.
        """
        card = self.context.service.card(plan.model) if found is None else found.card
        call = Call(
            plan=plan,
            prompt="",
            special=True,
            sampling=sampling(request, card.sampling) if found is None else card.sampling,
            max_tokens=request.most_tokens,
            n=answers(request, self.context.requests.max_n),
            stop=request.stops,
            ignore_eos=bool(request.ignore_eos),
            id=id,
            constraint=request.constraint,
            pin=request.edge is not None and request.edge.pin,
            check=checker_of(request.edge, self.context.checkers),
        )
        return Work(
            card=card,
            calls=[replace(call, prompt=prompt) for prompt in prompts],
            stream=bool(request.stream),
            include_usage=request.include_usage,
            allowance=request.edge,
            found=found,
            reading=reading,
        )

    def fit(self, request: RequestT, plan: Plan, prompts: int = 1) -> FitLimit | None:
        """Return the tokens of an answer that is to end within its limits; None: it need not.

        All answers to all `prompts` share the joules.
        """
        terms = request.edge
        if terms is None or not terms.fit:
            return None
        tokens = request.most_tokens
        if terms.limited:
            count = prompts * answers(request, self.context.requests.max_n)
            energy_j = terms.energy_j and terms.energy_j / count
            service = self.context.service.generation
            within = service.tokens_within(plan, energy_j, terms.latency_s)
            tokens = within if tokens is None else min(tokens, within or tokens)
        if tokens is None:
            return None
        if terms.final is None:
            return FitLimit(tokens)
        final = Constraint("regex", terms.final.regex, param="edge.final")
        return FitLimit(tokens, final, terms.final.before)

    async def timed_prompts(
        self, request: RequestT, models: Sequence[Identity], client: str | None
    ) -> list[str]:
        """Return the prompts of all that read others at other times, for `models` to answer."""
        return []

    def topic(self, request: RequestT) -> tuple[RequestT, str] | None:
        """Return the request without the text that it asks, and that text.

        None where another text with the same meaning would not do.
        """
        return None

    async def _answer(
        self, asked: CheckedRequest[RequestT], place: Place | None, exchange: Exchange, send: Send
    ) -> None:
        """Answer what was not answered before in just these words."""
        if place is None or not place.shared:
            await self._make(asked, place, exchange, send)
            return
        caching = self.context.caching
        waited = await caching.flights.landed(place.key)
        found = await caching.find(place) if waited else None
        if found is not None:
            await self._replay(asked, found, exchange, send)
            return
        with caching.flights.made(place.key):
            await self._make(asked, place, exchange, send)

    async def _make(
        self, asked: CheckedRequest[RequestT], place: Place | None, exchange: Exchange, send: Send
    ) -> None:
        """Answer from the cache, if it has a question of the same meaning, or else by a model."""
        request, caching = asked.request, self.context.caching
        meant = None if place is None else await caching.read(place, exchange.arrived, exchange.app)
        if place is not None and meant is not None:
            found = await caching.find_near(place, meant)
            if found is not None:
                await self._replay(asked, found, exchange, send)
                return
        if place is not None:
            caching.missed(place)
        if request.edge is not None and request.edge.cache == "only":
            raise not_cached(place)
        keeper = caching.keeper(exchange.client, request.edge and request.edge.cache)
        work = await self.prepare(request, exchange.client)
        form = self._form(asked, work)
        if work.reading is not None and work.reading.tools and work.reading.format.calls.unread:
            exchange.warnings.append(_UNREAD)
        if work.image_bytes and request.edge is not None and request.edge.context:
            exchange.warnings.append(_WHOLE)
        before = [] if meant is None else [meant.cost]
        work = work.granted(exchange.arrived, before, exchange.app)
        work = work.with_calls(client=keeper, user=exchange.client)
        exchange.model = work.card.id
        exchange.hold(work.image_bytes, needed=True)
        record = None if place is None else caching.record(place, meant)
        samples = request.samples
        if samples is None:
            run = Run(self.context, work, form, exchange, record)
        else:
            sampling = self._sampled(asked, samples, work, exchange, before)
            run = SampledRun(self.context, work, form, exchange, sampling)
        await (run.stream(send) if work.stream else run.plain(send))

    def _sampled(
        self,
        asked: CheckedRequest[RequestT],
        terms: SamplesTerms,
        work: Work,
        exchange: Exchange,
        before: Sequence[Cost],
    ) -> SamplePlan:
        """Return how the samples of a request are made; raises RequestError or ModelNotFound."""
        request, accept, judges = asked.request, terms.accept, self.context.judges
        name = None if accept is None else accept.checker
        judge = Judge(
            terms, None if name is None else judge_named(name, judges), self.context.sandbox
        )
        larger = None if terms.larger is None else self.context.service.card(terms.larger.model).id

        async def prepare() -> Work:
            """Return the request for the larger model, by lookup."""
            said = Terms() if request.edge is None else request.edge
            how = {"mode": "lookup", "partner": None, "large_share": None, "threshold": None}
            edge = replace(said, **how)
            made = await self.prepare(replace(request, model=larger, edge=edge), exchange.client)
            made = made.granted(exchange.arrived, before, exchange.app)
            first = work.calls[0]
            return made.with_calls(id=first.id, client=first.client, user=first.user)

        return SamplePlan(
            terms,
            judge,
            partial(self._form, asked),
            lambda work: self.reader(request, work.reading),
            None if larger is None else prepare,
        )

    async def _replay(
        self, asked: CheckedRequest[RequestT], found: Found, exchange: Exchange, send: Send
    ) -> None:
        """Answer with a kept answer; its document of an earlier time is used again if it fits."""
        request, told, id = asked.request, asked.told, self._new_id()
        exchange.model = found.card.id
        if told is not None and told.fits(found):
            head = new_head(self.context, found.card, id)
            await told.again(self.context, head, found, exchange, send)
            return
        work = self._again(request, found, id)
        replay = CachedReplay(self.context, work, self._form(asked, work), exchange, found)
        await (replay.stream(send) if request.stream else replay.plain(send))
        asked.told = replay.told

    def _form(self, asked: CheckedRequest[RequestT], work: Work) -> Dialect:
        """Return the dialect that the request came in, for its answers."""
        head = new_head(self.context, work.card, work.id)
        reader = self.reader(asked.request, work.reading)
        if asked.form is not None:
            return asked.form(head, work.reading, reader)
        return self.dialect(asked.request, head, [call.prompt for call in work.calls], reader)

    def _read(self, sent: Sent) -> CheckedRequest[RequestT]:
        warnings: list[str] = []
        request = self._body.read(sent.body, warnings).with_adapters()
        request.check()
        return CheckedRequest(request, warnings, sent)

    async def _place(self, asked: CheckedRequest[RequestT], client: str | None) -> Place | None:
        """Return where in the cache the answer is; None where the cache has no part in it."""
        request, caching = asked.request, self.context.caching
        terms = request.edge or Terms()
        unkept = terms.check is not None or request.samples is not None
        if terms.cache == "off" or unkept or not caching.serves(client):
            return None
        models = self.context.service.identities.of(request.model or "default", terms.partner)
        if models is asked.models:
            return asked.place
        place = await self._placed(request, terms, models, client)
        if not any(one.timed for one in models):
            asked.models, asked.place = models, place
            caching.recent.keep(asked)
        return place

    async def _placed(
        self, request: RequestT, terms: Terms, models: Sequence[Identity], client: str | None
    ) -> Place | None:
        """Return the place of an answer that any of `models` gives; None: it varies."""
        caching = self.context.caching
        hows = [sampling(request, one.card.sampling) for one in models]
        if terms.cache is None and not same_each_time(models, hows):
            return None
        owner = client if caching.per_client else None

        async def key_of(said: RequestT) -> bytes | None:
            return question(
                said,
                endpoint=self.prefix,
                models=[one.digest for one in models],
                hows=hows,
                prompts=await self.timed_prompts(said, models, client),
                client=owner,
            )

        key, topic = await key_of(request), None
        if key is None:
            return None
        if caching.nearby is not None and (parts := self.topic(request)) is not None:
            scope = await key_of(parts[0])
            topic = None if scope is None else Topic(scope, parts[1])
        return Place(key, client, terms, [one.card for one in models], topic)

    def _again(self, request: RequestT, found: Found, id: str) -> Work:
        content = found.content
        plan = Plan(found.card.id, mode=content.mode, why=content.route)
        prompts, reading = self.replayed_prompts(request), content.reading
        return self.work(request, id, plan, prompts, reading=reading, found=found)

    def _new_id(self) -> str:
        return f"{self.ids}{self.context.new_id()}"

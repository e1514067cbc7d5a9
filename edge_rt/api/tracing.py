"""What a request becomes for OpenTelemetry: names and figures, and no text of it or its answer.

The names are those of its conventions for generative AI where they have one, else ours, `edge.…`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from starlette.types import Scope

from edge_rt.api.middleware.context import Exchange, Generated
from edge_rt.generation.usage import Edge
from edge_rt.telemetry import Phase, RequestSpan, Value

OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/api/chat": "chat",
    "/v1/completions": "text_completion",
    "/api/generate": "text_completion",
    "/v1/embeddings": "embeddings",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/edge/v1/classify": "classify",
    "/edge/v1/infer": "infer",
}
_TOLD = (  # of `Edge`; not the question of a cached answer, which is somebody's text
    "backend",
    "mode",
    "partner",
    "route",
    "why",
    "cache",
    "simulated",
    "energy_j",
    "energy_quality",
    "power_w",
    "temp_c",
    "queue_s",
    "prefill_s",
    "decode_s",
    "tokens_per_s",
)
_PARENT = (b"traceparent", b"tracestate")
_LONGEST = 512  # characters of a name or a header that came from outside


class Tracing:
    """Tells each request that models worked for, once it has ended."""

    def __init__(
        self,
        send: Callable[[RequestSpan], object],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """`send` takes spans; `clock` gives Unix seconds, `monotonic` seconds."""
        self._send, self._clock, self._monotonic = send, clock, monotonic

    def ended(self, scope: Scope, exchange: Exchange, status: int) -> None:
        """Tell the request, which has ended with `status`."""
        operation = OPERATIONS.get(exchange.endpoint)
        if operation is None:
            return
        zero_s = self._clock() - self._monotonic()  # Unix seconds where the monotonic clock began
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "edge_rt",
            "http.request.method": scope["method"],
            "http.route": exchange.endpoint,
            "http.response.status_code": status,
        }
        if exchange.asked:
            attributes["gen_ai.request.model"] = exchange.asked[:_LONGEST]
        if status >= 500:
            attributes["error.type"] = str(status)
        phases: list[Phase] = []
        if exchange.generated is not None:
            edge = exchange.generated.edge()
            attributes |= _generated(exchange, exchange.generated, edge)
            phases = [*_phases(exchange, edge, zero_s)]
        self._send(
            RequestSpan(
                f"{operation} {exchange.model or exchange.asked[:_LONGEST]}".rstrip(),
                _ns(zero_s + exchange.arrived),
                _ns(zero_s + self._monotonic()),
                attributes,
                phases,
                _parent(scope),
                failed=status >= 500,
            )
        )


def _generated(exchange: Exchange, made: Generated, edge: Edge) -> dict[str, Value]:
    """Return what is known of a request that came to a model."""
    usage = made.tally.usage()
    told: dict[str, Value] = {
        "gen_ai.response.model": edge.model,
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": edge.cached_tokens,
    }
    if made.id is not None:
        told["gen_ai.response.id"] = made.id
    if made.reasons:
        told["gen_ai.response.finish_reasons"] = made.reasons
    if made.first_token is not None:
        told["edge.first_token_s"] = round(made.first_token - exchange.arrived, 6)
    for name in _TOLD:
        value = getattr(edge, name)
        if value is not None and value is not msgspec.UNSET:
            told[f"edge.{name}"] = value
    return told


def _phases(exchange: Exchange, edge: Edge, zero_s: float) -> Iterator[Phase]:
    """Queue, prompt and answer, laid back to back before the end of the last answer."""
    made = exchange.generated
    end_s = made.ended if made is not None else None
    if end_s is None:
        return
    for name, took_s in (
        ("decode", edge.decode_s),
        ("prefill", edge.prefill_s),
        ("queue", edge.queue_s),
    ):
        start_s = max(end_s - took_s, exchange.arrived)
        if took_s > 0:
            yield Phase(name, _ns(zero_s + start_s), _ns(zero_s + end_s))
        end_s = start_s


def _parent(scope: Scope) -> dict[str, str]:
    found = {name: value for name, value in scope["headers"] if name in _PARENT}
    return {name.decode(): value.decode("latin-1")[:_LONGEST] for name, value in found.items()}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)

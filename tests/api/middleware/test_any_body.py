"""No body, however odd, is the daemon's fault."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_rt.api.ollama.bodies import OllamaChatRequest, OllamaGenerateRequest
from edge_rt.api.ollama.options import OllamaOptions
from edge_rt.api.openai.chat import ChatRequest
from edge_rt.api.openai.completions import CompletionsRequest

NAMES = sorted({*ChatRequest.__struct_fields__, *CompletionsRequest.__struct_fields__})

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["user", "assistant", "text", "auto", "required", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name", "1"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool"])},
        optional={
            "content": json_values,
            "tool_calls": json_values,
        },
    ),
    max_size=3,
)
fields = st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4)
quick = settings(
    max_examples=3 * settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
OLLAMA = sorted({*OllamaChatRequest.__struct_fields__, *OllamaGenerateRequest.__struct_fields__})


def check(response) -> None:
    assert response.status in (200, 400, 404)
    if response.status != 200:
        error = response.json()["error"]
        assert error["message"]
        assert error["code"]


@quick
@given(body=st.binary(max_size=50) | json_values | fields)
def test_any_body_at_all(client, body):
    check(client.post("/v1/chat/completions", body))
    check(client.post("/v1/completions", body))


@quick
@given(body=fields, talk=messages, usable=st.booleans())
def test_any_fields_beside_plausible_messages(client, body, talk, usable):
    good = [{"role": "user", "content": "Hi"}]
    check(client.post("/v1/chat/completions", {**body, "messages": good if usable else talk}))


@quick
@given(body=fields, prompt=json_values | st.just("Once"))
def test_any_fields_beside_a_prompt(client, body, prompt):
    check(client.post("/v1/completions", {**body, "prompt": prompt}))


options = st.dictionaries(
    st.sampled_from([*OllamaOptions.__struct_fields__, "num_gpu"]), json_values
)
ollama_fields = st.dictionaries(st.sampled_from(OLLAMA), json_values, max_size=4)


@quick
@given(body=ollama_fields, given_options=options, talk=messages, usable=st.booleans())
def test_any_body_of_ollama(client, body, given_options, talk, usable):
    good = {"model": "smol", "options": given_options, "prompt": "Hi"}
    good["messages"] = [{"role": "user", "content": "Hi"}] if usable else talk
    for path in ("chat", "generate", "embed", "embeddings", "show"):
        for sent in (body, {**good, **body}):
            response = client.post(f"/api/{path}", sent)
            assert response.status in (200, 400, 404)
            if response.status != 200:
                assert set(response.json()) == {"error"}

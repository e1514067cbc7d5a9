// openai's JavaScript library against a server: `with_openai.js MODULES URL MODEL CALLER`.

const { load, url, model, caller, ask, Report, Place } = require("./asked.js");
const OpenAI = load("openai");
const { zodResponsesFunction, zodTextFormat } = load("openai/helpers/zod");

async function text(client, asked) {
  const whole = await client.responses.create(asked);
  const types = [];
  let streamed = "";
  for await (const event of await client.responses.create({ ...asked, stream: true })) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") streamed += event.delta;
  }
  return { whole: whole.output_text, status: whole.status, streamed, types, edge: whole.edge };
}

async function called(client) {
  const tools = [zodResponsesFunction({ name: "get_weather", parameters: Place })];
  const asked = { model: caller, temperature: 0, tools, max_output_tokens: 60 };
  const input = [{ role: "user", content: ask }];
  const stream = client.responses.stream({ ...asked, input, tool_choice: "required" });
  const first = await stream.finalResponse();
  const calls = first.output.filter((item) => item.type === "function_call");
  const results = calls.map(({ call_id }) => ({
    type: "function_call_output",
    call_id,
    output: "rain",
  }));
  const next = [...input, ...first.output, ...results];
  const answer = await client.responses.create({ ...asked, input: next, tool_choice: "none" });
  return { calls: calls.map((one) => [one.name, one.parsed_arguments]), answer: answer.output_text };
}

async function main() {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "unused", maxRetries: 0 });
  const asked = { model, input: "Name a colour.", temperature: 0, max_output_tokens: 12 };
  const format = zodTextFormat(Report, "report");
  const parsed = await client.responses.parse({
    ...asked,
    input: ask,
    max_output_tokens: 60,
    text: { format },
  });
  const kept = await client.responses
    .create({ ...asked, previous_response_id: "resp_1" })
    .catch((error) => error);
  console.log(
    JSON.stringify({
      text: await text(client, asked),
      tools: await called(client),
      parsed: parsed.output_parsed,
      refused: [kept.status, kept.param],
    }),
  );
}

main();

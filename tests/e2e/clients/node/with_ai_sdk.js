// Vercel's AI SDK against a server: `with_ai_sdk.js MODULES URL MODEL CALLER`.

const { load, url, model, caller, ask, Report, Place } = require("./asked.js");
const { Output, generateText, stepCountIs, streamText, tool } = load("ai");
const { createOpenAI } = load("@ai-sdk/openai");
const { createOpenAICompatible } = load("@ai-sdk/openai-compatible");

globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = `${url}/v1`;
const compatible = createOpenAICompatible({
  name: "edge",
  baseURL,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const how = { temperature: 0, maxRetries: 0 };
const tools = {
  get_weather: tool({
    description: "The weather of the next days.",
    inputSchema: Place,
    execute: ({ city, days }) => `rain in ${city} for ${days} days`,
  }),
};

async function text(named) {
  const asked = { ...how, model: named(model), prompt: "Name a colour.", maxOutputTokens: 12 };
  const whole = await generateText(asked);
  const stream = streamText(asked);
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  return { whole: whole.text, streamed, usage: [whole.usage, await stream.usage] };
}

async function called(named) {
  const asked = { ...how, tools, toolChoice: "required", stopWhen: stepCountIs(1) };
  const stream = streamText({ ...asked, model: named(caller), prompt: ask, maxOutputTokens: 60 });
  const [calls, results] = [await stream.toolCalls, await stream.toolResults];
  const { messages } = await stream.response;
  const said = await generateText({
    ...how,
    model: named(model),
    messages: [{ role: "user", content: ask }, ...messages],
    maxOutputTokens: 12,
  });
  return {
    calls: calls.map((one) => [one.toolName, one.input]),
    results: results.map((one) => one.output),
    ended: await stream.finishReason,
    answer: said.text,
  };
}

async function object(named) {
  const output = Output.object({ schema: Report });
  const asked = { ...how, model: named(model), prompt: ask, output, maxOutputTokens: 60 };
  return (await generateText(asked)).output;
}

async function main() {
  const apis = { chat: compatible, responses: createOpenAI({ baseURL, apiKey: "unused" }) };
  const told = {};
  for (const [name, named] of Object.entries(apis)) {
    told[name] = { text: await text(named), tools: await called(named), object: await object(named) };
  }
  console.log(JSON.stringify(told));
}

main();

// ollama's JavaScript client against a server: `with_ollama.js MODULES URL MODEL CALLER VECTORS`.

const { createRequire } = require("node:module");
const [modules, host, model, caller, vectors] = process.argv.slice(2);
const { Ollama } = createRequire(`${modules}/`)("ollama");

const tools = [
  {
    type: "function",
    function: {
      name: "add",
      description: "Add two numbers.",
      parameters: {
        type: "object",
        required: ["a", "b"],
        properties: { a: { type: "integer" }, b: { type: "integer" } },
      },
    },
  },
];
const format = {
  type: "object",
  properties: { city: { enum: ["Paris", "Oslo"] }, days: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["city", "days"],
};

async function main() {
  const client = new Ollama({ host });
  const messages = [{ role: "user", content: "Name a colour." }];
  const options = { temperature: 0, num_predict: 40 };
  let streamed = "";
  let last;
  for await (last of await client.chat({ model, messages, options, stream: true })) {
    streamed += last.message.content;
  }
  const whole = await client.chat({ model, messages, options });
  const called = await client.chat({ model: caller, messages, options, tools });
  const json = await client.generate({ model, prompt: "A city", format, options });
  const { embeddings } = await client.embed({ model: vectors, input: ["a", "b"] });
  const missing = await client.chat({ model: "nothing", messages }).catch((error) => error);
  console.log(
    JSON.stringify({
      models: (await client.list()).models.map((one) => one.name),
      capabilities: (await client.show({ model })).capabilities,
      streamed,
      whole: whole.message.content,
      edge: last.edge,
      calls: called.message.tool_calls,
      json: JSON.parse(json.response),
      widths: embeddings.map((one) => one.length),
      missing: [missing.status_code, missing.message],
    }),
  );
}

main();

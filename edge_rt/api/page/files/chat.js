// A conversation with a model.

import { at, element, figure, joules } from "./board.js";
import { call, stream } from "./net.js";

let messages = [];
let running = null; // an AbortController

export function offer({ models, generate }) {
  const select = at("model"), chosen = select.value;
  const options = [["auto", "chosen by the daemon"], ...models.map((id) => [id, id])];
  select.replaceChildren(
    ...options.map(([value, textContent]) => element("option", { value, textContent })),
  );
  select.value = options.some(([value]) => value === chosen) ? chosen : "auto";
  at("send").disabled = !generate;
}

function say(who, text) {
  const log = at("log");
  log.querySelector(".hint")?.remove();
  const words = element("p", { textContent: text });
  const box = element("div", { className: who },
    element("span", { className: "unseen", textContent: who === "you" ? "You: " : "Answer: " }),
    words);
  log.append(box);
  log.scrollTop = log.scrollHeight;
  return { box, words };
}

function busy(controller) {
  running = controller;
  at("send").hidden = controller !== null;
  at("stop").hidden = controller === null;
  at("log").setAttribute("aria-busy", String(controller !== null)); // read aloud when whole
}

function note(box, edge) {
  const parts = [edge.model, joules(edge.energy_j), figure(edge.tokens_per_s, "tokens/s")];
  const why = edge.route_trace?.why;
  const text = parts.join(" · ") + (why ? ` — ${why}` : "");
  box.append(element("small", { textContent: text }));
}

async function answer(controller) {
  const { box, words } = say("model", "");
  const log = at("log"), conversation = messages; // another one may begin meanwhile
  const body = { model: at("model").value, messages, stream: true, edge: { trace: true } };
  try {
    const response = await call("/v1/chat/completions", {
      method: "POST", body, signal: controller.signal,
    });
    await stream(response, (chunk) => {
      if (chunk.error) throw new Error(chunk.error.message);
      const near = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      words.textContent += chunk.choices[0]?.delta.content ?? "";
      if (chunk.edge) note(box, chunk.edge);
      if (near) log.scrollTop = log.scrollHeight;
    });
  } catch (error) {
    const text = error.name === "AbortError" ? "Stopped." : error.message;
    box.append(element("small", { className: "bad", textContent: text }));
  }
  conversation.push({ role: "assistant", content: words.textContent });
}

async function ask(event) {
  event.preventDefault();
  const words = at("words"), text = words.value.trim();
  if (!text || running) return;
  words.value = "";
  messages.push({ role: "user", content: text });
  say("you", text);
  const controller = new AbortController();
  busy(controller);
  await answer(controller);
  busy(null);
  words.focus();
}

export function setUpChat() {
  at("ask").onsubmit = ask;
  at("stop").onclick = () => running?.abort();
  at("anew").onclick = () => {
    running?.abort();
    messages = [];
    at("log").replaceChildren();
    at("words").focus();
  };
  at("words").onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("ask").requestSubmit();
  };
}

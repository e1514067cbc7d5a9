// Chats with a model: asked, stopped, edited, asked again, and kept in this browser.

import { at, element, figure, joules } from "./board.js";
import { chats, newChat, titleOf } from "./history.js";
import { markdown } from "./markdown.js";
import { call, stream } from "./net.js";

const NEAR_PX = 40; // from the end: there the log follows what is written
let chat = newChat();
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

const button = (textContent, onclick) =>
  element("button", { type: "button", className: "plain small", textContent, onclick });

async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // only pages with TLS, or of this machine, may use that
    const field = element("textarea", { value: text, className: "unseen" });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
  told.textContent = "Copied";
}

const copier = (text) => {
  const made = button("Copy", () => copy(text(), made));
  return made;
};

function write(words, text) {
  words.replaceChildren(...markdown(text));
  for (const code of words.querySelectorAll("pre")) {
    const bar = element("div", { className: "bar" },
      element("span", { textContent: code.dataset.language }), copier(() => code.textContent));
    code.before(bar);
  }
}

// The message of that number, as it is shown.
function shown({ role, content, note, bad }, number) {
  const yours = role === "user";
  const words = element("div", { className: "words" });
  if (yours) words.textContent = content;
  else write(words, content);
  const box = element("div", { className: yours ? "you" : "model" },
    element("span", { className: "unseen", textContent: yours ? "You: " : "Answer: " }), words);
  const tools = yours ? [button("Edit", () => edit(number))] : [copier(() => content)];
  if (!yours && number === chat.messages.length - 1) tools.push(button("Again", again));
  if (note) box.append(element("small", { textContent: note }));
  if (bad) box.append(element("small", { className: "bad", textContent: bad }));
  box.append(element("div", { className: "tools" }, ...tools));
  return box;
}

function showChat() {
  const log = at("log");
  log.replaceChildren(...chat.messages.map(shown));
  if (!chat.messages.length) {
    const textContent = "What you ask is answered on this board. Nothing leaves it.";
    log.append(element("p", { className: "hint", textContent }));
  }
  log.scrollTop = log.scrollHeight;
  listChats();
}

// The chats that are kept, to choose from.
function listChats() {
  const kept = chats.all(), select = at("chats");
  const here = kept.some(({ id }) => id === chat.id) ? kept : [chat, ...kept];
  select.replaceChildren(
    ...here.map((one) => element("option", { value: one.id, textContent: titleOf(one) })),
  );
  select.value = chat.id;
  at("kept").hidden = !kept.length;
}

function busy(controller) {
  running = controller;
  at("send").hidden = controller !== null;
  at("stop").hidden = controller === null;
  at("log").setAttribute("aria-busy", String(controller !== null)); // read aloud when whole
}

function costOf(edge) {
  const parts = [edge.model, joules(edge.energy_j), figure(edge.tokens_per_s, "tokens/s")];
  const why = edge.route_trace?.why, left = edge.left_out;
  if (edge.cache) parts.push("given again from the cache");
  if (left) parts.push(`read ${left.tokens} tokens of a longer chat`);
  return parts.join(" · ") + (why ? ` — ${why}` : "");
}

async function answer(controller, terms) {
  const log = at("log"), asked = chat; // another one may begin meanwhile
  const messages = asked.messages.map(({ role, content }) => ({ role, content }));
  const made = { role: "assistant", content: "" };
  asked.messages.push(made);
  showChat();
  const words = log.lastElementChild.querySelector(".words");
  let waiting = 0; // for the next frame, in which all new text is shown at once
  const draw = () => {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    waiting = 0;
    write(words, made.content);
    if (near) log.scrollTop = log.scrollHeight;
  };
  const edge = { trace: true, context: true, ...terms };
  try {
    const response = await call("/v1/chat/completions", {
      method: "POST", body: { model: at("model").value, messages, stream: true, edge },
      signal: controller.signal,
    });
    await stream(response, (chunk) => {
      if (chunk.error) throw new Error(chunk.error.message);
      made.content += chunk.choices[0]?.delta.content ?? "";
      if (chunk.edge) made.note = costOf(chunk.edge);
      if (asked === chat) waiting ||= requestAnimationFrame(draw);
    });
  } catch (error) {
    made.bad = error.name === "AbortError" ? "Stopped." : error.message;
  }
  cancelAnimationFrame(waiting);
  chats.save(asked);
}

async function respond(terms = {}) {
  const controller = new AbortController();
  busy(controller);
  await answer(controller, terms);
  busy(null);
  showChat();
}

async function ask(event) {
  event.preventDefault();
  const words = at("words"), text = words.value.trim();
  if (!text || running) return;
  words.value = "";
  chat.messages.push({ role: "user", content: text });
  await respond();
  words.focus();
}

// Take a message back into the field; what followed it goes once it is sent.
function edit(number) {
  if (running) return;
  at("words").value = chat.messages[number].content;
  chat = { ...newChat(), messages: chat.messages.slice(0, number) };
  showChat();
  at("words").focus();
}

// Ask for another answer in place of the last one.
async function again() {
  if (running) return;
  chat.messages.pop();
  await respond({ cache: "refresh" });
}

function turnTo(other) {
  running?.abort();
  chat = other;
  showChat();
  at("words").focus();
}

export function setUpChat() {
  at("ask").onsubmit = ask;
  at("stop").onclick = () => running?.abort();
  at("anew").onclick = () => turnTo(newChat());
  at("chats").onchange = () =>
    turnTo(chats.all().find(({ id }) => id === at("chats").value) ?? newChat());
  at("forget-chats").onclick = () => {
    chats.forget();
    turnTo(newChat());
  };
  at("words").onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("ask").requestSubmit();
  };
  chat = chats.all()[0] ?? chat;
  showChat();
}

// Requests to the daemon, with the key of this tab.

const KEY = "edge-rt-key";
let wanted = null; // resolves once there is another key

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

// What the daemon or the connection says is wrong, in a sentence.
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// The response of the daemon; throws a Refusal.
export async function call(path, { body, method, signal } = {}) {
  const headers = { "x-edge-app": "page" };
  // Browsers send no such header: that would look as if there were no daemon.
  if (/[^ -~]/.test(key.get() ?? "")) throw new Refusal("A key has other characters.", 401);
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const given = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, { method, headers, body: given, signal, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The daemon does not answer.", 0);
  }
  if (!response.ok) throw new Refusal(await sentence(response), response.status);
  return response;
}

async function sentence(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The daemon answered with status ${response.status}.`;
  }
}

// Call `take` with each document of a stream of server-sent events.
export async function stream(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const data = block.startsWith("data: ") ? block.slice(6) : null; // the others are comments
      if (data && data !== "[DONE]") take(JSON.parse(data));
    }
  }
}

// Ask the person for a key; all who ask meanwhile wait for the same one.
export function askForKey(message) {
  const dialog = document.getElementById("key-dialog");
  document.getElementById("key-told").textContent = message;
  wanted ??= new Promise((resolve) => {
    const form = document.getElementById("key-form");
    const field = document.getElementById("key");
    form.onsubmit = (event) => {
      event.preventDefault();
      key.set(field.value.trim());
      field.value = "";
      wanted = null;
      dialog.close();
      resolve();
    };
    dialog.oncancel = (event) => event.preventDefault(); // nothing can be shown without it
    dialog.showModal();
    field.focus();
  });
  return wanted;
}

// The caps of the budget, to read and to change.

import { at } from "./board.js";
import { call } from "./net.js";

const FIELDS = { power_w: "cap-power", temp_c: "cap-temp", energy_j: "cap-energy" };
let touched = false; // by the person; what is being written is not replaced

const told = (words, kind) => {
  at("caps-told").textContent = words;
  at("caps-told").className = kind;
};

// A number, or null for an empty field; a comma is a point elsewhere.
function amount(id) {
  const text = at(id).value.trim().replace(",", ".");
  if (text === "") return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : text; // the daemon says what is wrong with it
}

export function showCaps(budget) {
  if (touched) return;
  for (const [name, id] of Object.entries(FIELDS)) at(id).value = budget[name] ?? "";
  at("cap-period").value = budget.energy_period;
}

async function change(event) {
  event.preventDefault();
  const body = { energy_period: at("cap-period").value };
  for (const [name, id] of Object.entries(FIELDS)) body[name] = amount(id);
  try {
    const state = await (await call("/edge/v1/budget", { method: "PUT", body })).json();
    touched = false;
    showCaps(state.budget);
    told("The caps are set.", "good");
  } catch (error) {
    told(`Not changed. ${error.message}`, "bad");
  }
}

// `may` says whether this client may change the caps.
export function setUpCaps(may) {
  const form = at("caps");
  form.querySelector("fieldset").disabled = !may;
  form.oninput = () => (touched = true);
  form.onsubmit = change;
  if (!may) {
    told("Only an administrator may change them: over TCP with a key of tcp.admin_key_sha256, " +
      "or on the board with edge-rt budget.", "hint");
  } else if (at("caps-told").textContent.startsWith("Only")) told("", "hint");
}

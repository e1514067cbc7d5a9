// The figures of the board, the models in memory and the newest requests.

export const at = (id) => document.getElementById(id);
const put = (id, text) => {
  const place = at(id);
  if (place.textContent !== text) place.textContent = text;
};

export const figure = (value, unit, digits = 1) =>
  value === null || value === undefined ? "–" : `${value.toFixed(digits)} ${unit}`;

// Joules as people read them: 0.84 J, 15 J, 12.4 kJ.
export function joules(value) {
  if (value === null || value === undefined) return "– J";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} kJ`;
  return `${value.toFixed(value >= 10 ? 0 : 2)} J`;
}

const ENDS = {
  done: "answered", cached: "given again from the cache", cancelled: "the client left",
  failed: "failed", lost: "lost with the engine",
};
const GUARDS = {
  ok: "", caution: "Caution: it gets warm.", hold: "Held back: it is hot.",
  evacuate: "Too hot: nothing is answered until it has cooled down.",
};

export function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function size(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function list(id, items, none) {
  const made = items.length ? items : [element("li", { className: "hint", textContent: none })];
  const place = at(id), shown = JSON.stringify(made.map((one) => one.innerText || one.textContent));
  if (place.dataset.shown === shown) return; // so that what is being read stays in place
  place.dataset.shown = shown;
  place.replaceChildren(...made);
}

function model(one) {
  const notes = [size(one.size_bytes)];
  if (one.gpu_bytes) notes.push(`${size(one.gpu_bytes)} of it on the GPU`);
  if (one.context) notes.push(`${one.context} tokens`);
  return element("li", {}, element("b", { textContent: one.id }),
    element("span", { textContent: notes.join(" · ") }));
}

function request(one) {
  const when = new Date(1000 * one.ended);
  const time = element("time", {
    dateTime: when.toISOString(), textContent: when.toLocaleTimeString(),
  });
  const about = one.quality === "modelled" ? " (modelled)" : "";
  const cost = one.energy_j === null ? "joules not known" : joules(one.energy_j) + about;
  const tokens = `${one.tokens} tokens in ${one.seconds.toFixed(1)} s, ${ENDS[one.status]}`;
  const why = one.why && element("span", { className: "reason", textContent: one.why });
  return element("li", {},
    element("b", { textContent: one.model }),
    element("span", { className: "cost", textContent: cost }),
    element("span", {}, time, ` · ${tokens}`),
    why ?? "");
}

// Rows of today's applications; those in parentheses are nobody's: the idle draw and the rest.
function showApps({ apps, budgets }) {
  const all = apps.reduce((sum, one) => sum + one.energy_j, 0);
  const limits = Object.fromEntries(budgets.map((one) => [one.app, one]));
  const rows = apps.map((one) => {
    const limit = limits[one.app];
    const spent = limit?.limit_j ? ` (${joules(limit.spent_j)} of ${joules(limit.limit_j)} this hour)` : "";
    const share = all > 0 ? `${((100 * one.energy_j) / all).toFixed(0)} %` : "–";
    const cells = [joules(one.energy_j), share, one.requests || "–"];
    return element("tr", {},
      element("th", { scope: "row", textContent: one.app + spent }),
      ...cells.map((textContent) => element("td", { textContent })));
  });
  const shown = rows.map((row) => row.textContent).join("\n"), place = at("apps");
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  place.replaceChildren(...rows);
}

export function showBoard(now) {
  const { budget } = now;
  put("board-name", (now.board ?? "a board that was not recognised") +
    (now.simulated ? ", simulated" : ""));
  put("power", figure(now.power_w, "W"));
  put("power-note", [
    budget.power_w === null ? "no cap" : `of ${budget.power_w} W`,
    now.idle_w === null ? null
      : `${now.idle_w.toFixed(1)} W idle${now.power_quality === "modelled" ? ", modelled" : ""}`,
  ].filter(Boolean).join("\n"));
  put("temp", figure(now.temp_c, "°C"));
  put("temp-note", [
    budget.temp_c === null ? "no cap" : `of ${budget.temp_c} °C`,
    now.forecast_c === null ? null
      : `${now.forecast_c.toFixed(1)} °C in ${now.horizon_s.toFixed(0)} s`,
  ].filter(Boolean).join("\n"));
  put("speed", figure(now.tokens_per_s, "tok/s"));
  put("speed-note", now.running === null ? "" : `${now.running} running\n${now.waiting} waiting`);
  put("energy", joules(now.today_j));
  put("energy-note", [
    budget.energy_j === null ? "no cap"
      : `${joules(now.spent_j)} of ${joules(budget.energy_j)} this ${budget.energy_period}`,
    now.battery_s === null ? null : `the battery lasts ${(now.battery_s / 3600).toFixed(1)} h`,
  ].filter(Boolean).join("\n"));
  showApps(now);
  const throttled = now.throttled?.length ? `The board is held back: ${now.throttled.join(", ")}.` : "";
  const why = now.why && `${now.why[0].toUpperCase()}${now.why.slice(1)}.`;
  put("why", [GUARDS[now.guard], why, throttled, ...now.warnings].filter(Boolean).join(" "));
  at("why").dataset.guard = now.guard;
  list("models", now.models.map(model), "None. The next request loads one.");
  list("requests", now.requests.map(request), "None yet.");
}

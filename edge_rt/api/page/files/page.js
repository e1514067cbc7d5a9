// Keeps the page up to date: reads the daemon's events, and goes on when it restarts.
// In a page that `edge-rt report` saved, shows what was saved.

import { at, showBoard } from "./board.js";
import { setUpCaps, showCaps } from "./caps.js";
import { Chart } from "./chart.js";
import { offer, setUpChat } from "./chat.js";
import { askForKey, call, key, stream } from "./net.js";

const SILENT_MS = 10_000; // after which a connection counts as lost
const FIRST_MS = 1000, LONGEST_MS = 15_000; // between two tries
const saved = at("saved") && JSON.parse(at("saved").textContent);
const PAST_S = saved ? saved.since_s : 600;
const OVER = saved ? between(saved.history.time) : "last ten minutes";

const charts = [
  new Chart(at("power-chart"), "Power", "W", PAST_S, OVER, {
    power: "drawn", allowance: "allowed now", cap: "cap",
  }),
  new Chart(at("temp-chart"), "Temperature", "°C", PAST_S, OVER, {
    temp: "hottest zone", forecast: "forecast", cap: "cap", trip: "throttles",
  }),
];
const seen = { power: false, temp: false }; // whether there was any figure
const MISSING = [["power", "Power"], ["temp", "Temperature"]];
let pause_ms = FIRST_MS;

function tell(state, words) {
  const link = at("link");
  if (link.textContent === words) return; // else it would be read aloud again
  link.dataset.state = state;
  link.textContent = words;
}

function between(times) {
  const [from, to] = [times[0], times.at(-1)].map((time) => new Date(1000 * time));
  return `${from.toLocaleString()} to ${to.toLocaleTimeString()}`;
}

// Fold the charts of what this machine does not tell into a sentence.
function fold() {
  const missing = MISSING.filter(([name]) => !seen[name]);
  for (const [name] of MISSING) at(`${name}-section`).hidden = !seen[name];
  at("unread").hidden = !missing.length;
  const what = missing.map(([, title]) => title).join(" and ").replace(/ T/, " t");
  at("unread").textContent =
    `${what} ${missing.length > 1 ? "are" : "is"} not read on this machine: edge-rt doctor says why.`;
}

function add(now) {
  const { budget } = now;
  seen.power ||= now.power_w !== null;
  seen.temp ||= now.temp_c !== null;
  charts[0].add(now.time, {
    power: now.power_w, allowance: now.allowance_w, cap: budget.power_w,
  });
  charts[1].add(now.time, { temp: now.temp_c, cap: budget.temp_c, trip: now.trip_c });
  charts[1].add(now.time + now.horizon_s, { forecast: now.forecast_c });
}

function take(event) {
  if (event.type === "hello") {
    at("version").textContent = `edge_rt ${event.version}`;
    offer(event);
    setUpCaps(event.administer);
    return;
  }
  pause_ms = FIRST_MS;
  tell("live", "live");
  document.body.dataset.gone = "";
  at("forget").hidden = !key.get();
  showCaps(event.budget);
  show(event);
}

function show(now) {
  showBoard(now);
  add(now);
  fold();
  for (const chart of charts) chart.draw();
}

async function past(signal) {
  return (await call(`/edge/v1/history?since=${PAST_S}`, { signal })).json();
}

function recall(past) {
  for (const chart of charts) chart.clear();
  past.time.forEach((time, i) => {
    const power = { power: past.power_w[i], allowance: past.allowance_w[i], cap: past.cap_w[i] };
    charts[0].add(time, power);
    seen.power ||= power.power !== null;
    seen.temp ||= past.temp_c[i] !== null;
    charts[1].add(time, {
      temp: past.temp_c[i], forecast: past.forecast_c[i], trip: past.trip_c[i],
    });
  });
}

async function listen() {
  const giveUp = new AbortController();
  let timer = setTimeout(() => giveUp.abort(), SILENT_MS);
  try {
    recall(await past(giveUp.signal));
    const response = await call("/edge/v1/events", { signal: giveUp.signal });
    await stream(response, (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => giveUp.abort(), SILENT_MS);
      take(event);
    });
  } finally {
    clearTimeout(timer);
  }
}

async function run() {
  for (;;) {
    let refused = null;
    try {
      await listen();
    } catch (error) {
      refused = error; // a Refusal, or what ends a stream that breaks off
    }
    if (refused?.status === 401) {
      await askForKey(key.get() ? "That key is not one of this daemon." : "");
      continue;
    }
    document.body.dataset.gone = "yes";
    tell("gone", refused?.status ? refused.message : "The daemon is gone; trying again");
    await new Promise((resolve) => setTimeout(resolve, pause_ms));
    pause_ms = Math.min(2 * pause_ms, LONGEST_MS);
  }
}

function showSaved({ version, history, now }) {
  document.body.dataset.saved = "yes"; // without what only a daemon can answer
  at("version").textContent = `edge_rt ${version}`;
  tell("saved", `saved ${new Date(1000 * now.time).toLocaleString()}`);
  recall(history);
  show(now);
}

at("forget").onclick = () => {
  key.forget();
  location.reload();
};
if (saved) showSaved(saved);
else {
  setUpChat();
  run();
}

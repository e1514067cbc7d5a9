// Lines over time as SVG.

const SVG = "http://www.w3.org/2000/svg";
const LEFT = 34, BOTTOM = 20, TOP = 8, RIGHT = 6; // pixels around the lines
const STEPS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500];
const TICKS_S = [20, 60, 120, 600, 1800, 3600, 10_800, 21_600];
const LEAST_S = 60; // that a chart shows, however little is known
const AHEAD_S = 32; // that a forecast is ahead
const GAP_S = 25; // longer, and the line is broken: nothing was told meanwhile

function node(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
}

export class Chart {
  // `over` says of when it is; `lines` are the classes of the lines with their names, the last drawn on top of the others.
  constructor(svg, name, unit, past_s, over, lines) {
    Object.assign(this, { svg, name, unit, past_s, over, lines });
    svg.parentElement.querySelector("small").textContent = `${unit}, ${over}`;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  clear() {
    this.points = Object.fromEntries(Object.keys(this.lines).map((line) => [line, []]));
    this.oldest = this.newest = 0;
  }

  add(time, values) {
    for (const [line, value] of Object.entries(values)) {
      const points = this.points[line];
      if (points.length && points.at(-1)[0] >= time) continue;
      points.push([time, value ?? null]);
      while (points[0][0] < time - 2 * this.past_s) points.shift();
    }
    if (Object.keys(values).join() === "forecast") return; // it is of later than now
    this.oldest ||= time;
    this.newest = time;
  }

  // The least and the greatest value that are shown, and the step between two lines of the grid.
  range(from) {
    const shown = Object.values(this.points).flat().filter(([t, v]) => t >= from && v !== null);
    if (!shown.length) return null;
    let low = Math.min(...shown.map(([, v]) => v)), high = Math.max(...shown.map(([, v]) => v));
    const step = STEPS.find((one) => (high - low) / one <= 3) ?? 1000;
    low = Math.floor((low - step / 4) / step) * step;
    high = Math.ceil((high + step / 4) / step) * step;
    return { low: Math.max(0, low), high, step };
  }

  draw() {
    const { svg } = this, width = svg.clientWidth, height = svg.clientHeight;
    const past_s = Math.min(this.past_s, Math.max(LEAST_S, this.newest - this.oldest));
    const from = this.newest - past_s, range = this.newest && width ? this.range(from) : null;
    svg.replaceChildren();
    if (!range) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const ahead_s = "forecast" in this.points ? AHEAD_S : 0;
    const scale = (width - LEFT - RIGHT) / (past_s + ahead_s);
    const x = (time) => LEFT + (time - from) * scale;
    const y = (value) =>
      TOP + (1 - (value - range.low) / (range.high - range.low)) * (height - TOP - BOTTOM);
    this.grid(range, y, width);
    this.times(past_s, x, width, height);
    for (const line of Object.keys(this.lines).reverse()) {
      node(svg, "path", { class: `line ${line}`, d: this.path(line, from, x, y) });
    }
    svg.setAttribute("aria-label", this.words());
  }

  grid({ low, high, step }, y, width) {
    for (let value = low; value <= high + step / 9; value += step) {
      node(this.svg, "path", { class: "grid", d: `M${LEFT} ${y(value)}H${width - RIGHT}` });
      node(this.svg, "text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value));
    }
  }

  times(past_s, x, width, height) {
    const step_s = TICKS_S.find((one) => past_s / one <= 6) ?? TICKS_S.at(-1);
    for (let ago_s = 0; ago_s <= past_s; ago_s += step_s) {
      const words = !ago_s ? "now" : step_s < 60 ? `−${ago_s} s`
        : step_s < 3600 ? `−${ago_s / 60} min` : `−${ago_s / 3600} h`;
      const place = Math.min(x(this.newest - ago_s), width - 16);
      if (place < LEFT + 16) return;
      node(this.svg, "text", { x: place, y: height - 4, "text-anchor": "middle" }, words);
    }
  }

  path(line, from, x, y) {
    let d = "", before = null;
    for (const [time, value] of this.points[line]) {
      if (time < from || value === null) {
        before = null;
        continue;
      }
      const joined = before !== null && time - before <= GAP_S;
      const over = x(time).toFixed(1), up = y(value).toFixed(1);
      if (!joined) d += `M${over} ${up}`;
      else d += line === "cap" ? `H${over}V${up}` : `L${over} ${up}`; // a cap changes at once
      before = time;
    }
    return d;
  }

  words() {
    const told = Object.entries(this.lines).map(([line, name]) => {
      const value = this.points[line].at(-1)?.[1];
      return value == null ? null : `${name} ${value.toFixed(1)} ${this.unit}`;
    });
    return `${this.name}, ${this.over}. Now: ${told.filter(Boolean).join(", ")}.`;
  }
}

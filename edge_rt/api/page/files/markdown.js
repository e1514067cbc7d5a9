// Markdown as elements; nothing of the text is ever read as HTML, and no picture is fetched.

const INLINE =
  /(`{1,3})(.{1,500}?)\1|\*\*(.{1,500}?)\*\*|(?<![\w*])[*_](?![\s*_])(.{1,500}?)(?<![\s*_])[*_](?![\w*])|\[([^\]]{1,300})\]\((https?:[^\s)]{1,2000})\)/s;
const DEEPEST = 8; // blocks within blocks
const FENCE = /^\s*(```+|~~~+)\s*(\S*)/, ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+/, HEAD = /^(#{1,6})\s+(.*)/;
const RULE = /^\s*([-*_])(\s*\1){2,}\s*$/, QUOTE = /^\s*>\s?/, ROW = /^\s*\|.*\|\s*$/;
const DASHES = /^\s*\|(\s*:?-+:?\s*\|)+\s*$/;

const piece = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children);
  return made;
};

function inline(text) {
  const parts = [];
  for (let found; (found = INLINE.exec(text)); text = text.slice(found.index + found[0].length)) {
    const [, , code, strong, weak, words, href] = found;
    parts.push(text.slice(0, found.index));
    if (code) parts.push(piece("code", code.trim() || code));
    else if (strong) parts.push(piece("strong", ...inline(strong)));
    else if (weak) parts.push(piece("em", ...inline(weak)));
    else {
      const link = piece("a", ...inline(words));
      Object.assign(link, { href, rel: "noreferrer noopener", target: "_blank" });
      parts.push(link);
    }
  }
  return [...parts, text];
}

const cells = (row) => row.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines) {
  const row = (name, line) => piece("tr", ...cells(line).map((cell) => piece(name, ...inline(cell))));
  const [head, , ...rows] = lines;
  return piece("table", piece("thead", row("th", head)),
    piece("tbody", ...rows.map((line) => row("td", line))));
}

// A list of the lines of its items, each of which may hold blocks of its own.
function itemList(lines, level) {
  const depth = ITEM.exec(lines[0])[1].length, items = [];
  for (const line of lines) {
    const found = ITEM.exec(line);
    if (found && found[1].length <= depth + 1) items.push([line.slice(found[0].length)]);
    else items.at(-1).push(line.replace(/^\s{1,4}/, ""));
  }
  const made = piece(/\d/.test(ITEM.exec(lines[0])[2]) ? "ol" : "ul");
  if (made.tagName === "OL") made.start = parseInt(lines[0].trim(), 10);
  made.append(...items.map((item) => {
    const all = blocks(item, level + 1);
    return all.length && all[0].tagName === "P"
      ? piece("li", ...all[0].childNodes, ...all.slice(1)) : piece("li", ...all);
  }));
  return made;
}

function code(lines, language) {
  const text = lines.join("\n"), box = piece("pre", piece("code", text));
  box.dataset.language = language;
  box.tabIndex = 0; // it scrolls sideways
  return box;
}

// Takes lines from the front of `lines` as long as `belongs` says so.
function takeLines(lines, belongs) {
  let count = 1;
  while (count < lines.length && belongs(lines[count], lines[count + 1])) count += 1;
  return lines.splice(0, count);
}

function blocks(lines, level = 0) {
  if (level > DEEPEST) return [piece("p", lines.join("\n"))];
  lines = [...lines];
  const made = [];
  while (lines.length) {
    const line = lines[0], fence = FENCE.exec(line), head = HEAD.exec(line);
    if (!line.trim()) lines.shift();
    else if (fence) {
      lines.shift();
      const end = lines.findIndex((one) => one.trim().startsWith(fence[1]));
      made.push(code(lines.splice(0, end < 0 ? lines.length : end), fence[2]));
      lines.shift();
    } else if (head) {
      lines.shift();
      made.push(piece(`h${Math.min(6, head[1].length + 2)}`, ...inline(head[2])));
    } else if (RULE.test(line)) {
      lines.shift();
      made.push(piece("hr"));
    } else if (QUOTE.test(line)) {
      const said = takeLines(lines, (one) => QUOTE.test(one));
      made.push(piece("blockquote", ...blocks(said.map((one) => one.replace(QUOTE, "")), level + 1)));
    } else if (ITEM.test(line)) {
      const within = (one, next) => ITEM.test(one) || /^\s{2,}\S/.test(one) ||
        (!one.trim() && next !== undefined && (ITEM.test(next) || /^\s{2,}\S/.test(next)));
      made.push(itemList(takeLines(lines, within), level));
    } else if (ROW.test(line) && DASHES.test(lines[1] ?? "")) {
      made.push(table(takeLines(lines, (one) => ROW.test(one))));
    } else {
      const starts = (one) => !one.trim() || FENCE.test(one) || HEAD.test(one) || ITEM.test(one) ||
        QUOTE.test(one);
      made.push(piece("p", ...inline(takeLines(lines, (one) => !starts(one)).join("\n"))));
    }
  }
  return made;
}

export const markdown = (text) => blocks(text.split("\n"));

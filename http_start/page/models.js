// The matrix of models and targets. Only the rows that can be seen are in the document, so 15,000 cells cost as much as 100.

import { ago, badge, h } from "./dom.js";
import { store } from "./store.js";

const ROW = 40; // pixels, as in style.css
const BEYOND = 12; // rows above and below those that can be seen

const STATES = {
  "": "every state",
  good: "verified everywhere",
  lacking: "lacking somewhere",
  failing: "failing",
  notCovered: "cannot be copied",
  expiring: "expiring",
};

export function models(query) {
  const wanted = Object.fromEntries(["q", "source", "target", "state"].map((name) => [name, query.get(name) ?? ""]));
  let table = { targets: [], rows: [] };
  let shown = [];
  let built = -1;
  let sources = "";

  const search = h("input", { id: "search", type: "search", value: wanted.q, placeholder: "model id ( / )", "aria-label": "search for a model id", oninput: () => filter({ q: search.value }) });
  const sourceChoice = choice("source", "source");
  const targetChoice = choice("target", "target");
  const stateChoice = h("select", { id: "state", "aria-label": "state", onchange: () => filter({ state: stateChoice.value }) }, Object.entries(STATES).map(([value, text]) => h("option", { value }, text)));
  stateChoice.value = wanted.state in STATES ? wanted.state : "";
  const count = h("p", { class: "note", role: "status" });
  const head = h("tr", {});
  const above = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", {}));
  const below = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", {}));
  const body = h("tbody", {});
  const grid = h("table", { class: "matrix" }, [h("thead", {}, head), body]);
  const box = h("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "models and targets", onscroll: () => requestAnimationFrame(draw), onkeydown: move }, grid);
  const empty = h("p", { class: "note" });
  const element = h("div", {}, [h("h1", {}, "Models"), h("div", { class: "filters" }, [search, sourceChoice, targetChoice, stateChoice]), count, empty, box]);
  const resized = new ResizeObserver(draw);
  resized.observe(box);

  function choice(name, label) {
    return h("select", { id: name, "aria-label": label, onchange: (event) => filter({ [name]: event.target.value }) });
  }

  function filter(changes) {
    Object.assign(wanted, changes);
    const set = Object.entries(wanted).filter(([, value]) => value);
    history.replaceState(null, "", `#models${set.length ? "?" : ""}${new URLSearchParams(set)}`);
    box.scrollTop = 0;
    select();
  }

  // Builds the table anew if what is known has changed, and applies the filters.
  function update() {
    if (built !== store.version) {
      built = store.version;
      table = build();
      fill(sourceChoice, "every source", table.sources, wanted.source);
      fill(targetChoice, "every target", table.targets, wanted.target);
    }
    select();
  }

  function fill(select, all, names, value) {
    const text = names.join("\n");
    if (select.dataset.names === text) return;
    select.dataset.names = text;
    select.replaceChildren(h("option", { value: "" }, all), ...names.map((name) => h("option", { value: name }, name)));
    select.value = names.includes(value) ? value : "";
  }

  function columns() {
    return table.targets.filter((name) => !wanted.target || name === wanted.target);
  }

  function select() {
    const text = wanted.q.trim().toLowerCase();
    const targets = columns();
    shown = table.rows.filter(
      (row) =>
        (!text || row.lower.includes(text)) &&
        (!wanted.source || row.source === wanted.source) &&
        (!wanted.target || wanted.target in row.cells || row.planned.has(wanted.target)) &&
        (!wanted.state || isIn(row, wanted.state, targets)),
    );
    const isLoading = store.replicas === null;
    const more = store.isWhole || isLoading ? "" : ", more are loading";
    count.textContent = isLoading ? "Loading …" : `${shown.length.toLocaleString("en")} of ${table.rows.length.toLocaleString("en")} models${more}`;
    empty.textContent = isLoading || shown.length ? "" : table.rows.length ? "No model matches. Change the filters." : "No copies yet. They appear here after the first run of a plan.";
    box.hidden = !shown.length;
    head.replaceChildren(...["model", "source", ...targets].map((name) => h("th", { scope: "col" }, name)));
    grid.setAttribute("aria-rowcount", String(shown.length + 1));
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const last = Math.min(shown.length, Math.ceil((box.scrollTop + (box.clientHeight || 600)) / ROW) + BEYOND);
    const targets = columns();
    above.firstChild.style.height = `${first * ROW}px`;
    below.firstChild.style.height = `${(shown.length - last) * ROW}px`;
    const focused = document.activeElement?.dataset?.row;
    body.replaceChildren(above, ...shown.slice(first, last).map((row, at) => line(row, first + at, targets)), below);
    if (focused) body.querySelector(`a[data-row="${focused}"]`)?.focus({ preventScroll: true });
  }

  // Arrow keys go from model to model.
  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const now = document.activeElement?.dataset?.row;
    if (!step || now === undefined) return;
    event.preventDefault();
    const next = Math.min(shown.length - 1, Math.max(0, Number(now) + step));
    if (next * ROW < box.scrollTop) box.scrollTop = next * ROW;
    if ((next + 3) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (next + 3) * ROW - box.clientHeight;
    draw();
    body.querySelector(`a[data-row="${next}"]`)?.focus({ preventScroll: true });
  }

  return { element, title: "Models", update, close: () => resized.disconnect() };
}

function line(row, number, targets) {
  return h("tr", { "aria-rowindex": String(number + 2) }, [
    h("th", { scope: "row" }, h("a", { href: address(row), "data-row": String(number), title: row.modelId }, row.modelId), row.kind === "classifier" && h("span", { class: "note" }, " classifier")),
    h("td", {}, row.source),
    targets.map((name) => h("td", {}, cell(row, name))),
  ]);
}

function cell(row, target) {
  const one = row.cells[target];
  if (one?.trouble) return [badge("failing", one.trouble.code), one.replica && h("span", { class: "note" }, ` copy of ${ago(one.replica.verifiedAt)}`)];
  if (one?.notCovered) return h("span", { class: "badge plain", title: one.notCovered.message }, "cannot be copied");
  if (!one?.replica) return row.planned.has(target) ? badge("missing", "no copy") : "–";
  const { state, verifiedAt, expiresAt } = one.replica;
  const mark = state === "ready" ? badge("ready", `✓ ${ago(verifiedAt)}`) : badge(state);
  return [mark, one.isExpiring && h("span", { class: "badge warn" }, `expires ${ago(expiresAt)}`)];
}

export function address(row) {
  return `#model?${new URLSearchParams({ source: row.source, kind: row.kind, id: row.modelId })}`;
}

const SOON = 30 * 86_400_000;

// Returns the rows: every model that has a copy, or that health or a plan names.
function build() {
  const rows = new Map();
  const targetsOf = {};
  for (const plan of store.plans) targetsOf[plan.source] = new Set([...(targetsOf[plan.source] ?? []), ...plan.targets]);
  const row = (source, kind, modelId) => {
    const key = `${source}|${kind}|${modelId}`;
    if (!rows.has(key)) rows.set(key, { source, kind, modelId, lower: modelId.toLowerCase(), cells: {}, planned: targetsOf[source] ?? new Set() });
    return rows.get(key);
  };
  for (const replica of store.replicas ?? []) {
    const { cells } = row(replica.source, replica.kind, replica.modelId);
    const cell = (cells[replica.target] ??= {});
    if (!cell.replica || rank(replica) > rank(cell.replica)) cell.replica = replica;
    cell.isExpiring = Boolean(cell.replica.expiresAt) && Date.parse(cell.replica.expiresAt) - Date.now() < SOON;
  }
  for (const plan of store.plans) {
    for (const [field, name] of [["failing", "trouble"], ["notCovered", "notCovered"]]) {
      for (const one of plan[field].models) {
        const { cells } = row(plan.source, one.kind, one.modelId);
        (cells[one.target] ??= {})[name] = one;
      }
    }
  }
  const all = [...rows.values()].sort((a, b) => (a.modelId < b.modelId ? -1 : a.modelId > b.modelId ? 1 : a.source < b.source ? -1 : 1));
  const targets = new Set([...Object.values(targetsOf).flatMap((names) => [...names]), ...all.flatMap((one) => Object.keys(one.cells))]);
  return { rows: all, targets: [...targets].sort(), sources: [...new Set(all.map((one) => one.source))].sort() };
}

function rank(replica) {
  return [replica.state === "ready" ? 1 : 0, replica.verifiedAt].join();
}

function isIn(row, state, targets) {
  const cells = targets.map((name) => [name, row.cells[name] ?? {}]);
  const lacks = ([name, cell]) => row.planned.has(name) && !cell.notCovered && (cell.trouble || cell.replica?.state !== "ready");
  if (state === "good") return !cells.some(lacks) && cells.some(([, cell]) => cell.replica);
  if (state === "lacking") return cells.some(lacks);
  if (state === "failing") return cells.some(([, cell]) => cell.trouble);
  if (state === "notCovered") return cells.some(([, cell]) => cell.notCovered);
  return cells.some(([, cell]) => cell.isExpiring);
}

// The matrix of models and targets, the worst first. Only the rows that can be seen are in the document, so 15,000 cells cost as much as 100.

import { ago, badge, h, link, number, show } from "./dom.js";
import { build, EXPIRING, FAILING, HELD, LACKING, NOT_COVERED } from "./matrix.js";
import { store } from "./store.js";

const ROW = 40; // pixels, as in style.css
const BEYOND = 12; // rows above and below those that can be seen

const STATES = {
  "": ["every state", () => true],
  lacking: ["lacking somewhere", (bits) => bits & LACKING],
  failing: ["failing", (bits) => bits & FAILING],
  expiring: ["expiring", (bits) => bits & EXPIRING],
  notCovered: ["cannot be copied", (bits) => bits & NOT_COVERED],
  good: ["verified everywhere", (bits) => bits & HELD && !(bits & LACKING)],
};

export function models(query) {
  const wanted = Object.fromEntries(["q", "source", "target", "state"].map((name) => [name, query.get(name) ?? ""]));
  let table = { targets: [], sources: [], rows: [] };
  let shown = [];
  let columns = [];
  let active = 0; // the row that Tab comes to; arrow keys go on from there
  let built = -1;

  const search = h("input", { id: "search", type: "search", value: wanted.q, placeholder: "model id ( / )", "aria-label": "search for a model id", oninput: () => filter({ q: search.value }) });
  const choices = Object.fromEntries(["source", "target", "state"].map((name) => [name, h("select", { id: name, "aria-label": name, onchange: (event) => filter({ [name]: event.target.value }) })]));
  const count = h("p", { class: "note", role: "status" });
  const notes = h("div", {});
  const head = h("tr", {});
  const body = h("tbody", {});
  const grid = h("table", { class: "matrix" }, [h("thead", {}, head), body]);
  const box = h("div", { class: "scroll tall", role: "group", "aria-label": "models and targets", onscroll: () => requestAnimationFrame(draw), onkeydown: move }, grid);
  const element = h("div", {}, [h("h1", {}, "Models"), h("div", { class: "filters", role: "search" }, [search, Object.values(choices)]), count, notes, box]);
  const resized = new ResizeObserver(draw);
  resized.observe(box);

  function filter(changes) {
    Object.assign(wanted, changes);
    history.replaceState(null, "", link.models(Object.entries(wanted).filter(([, value]) => value)).replace(/\?$/, ""));
    view.address = location.hash;
    box.scrollTop = active = 0;
    select();
  }

  // Builds the table anew if what is known has changed, and applies the filters.
  function update() {
    if (built === store.version) return;
    built = store.version;
    table = build(store);
    select();
  }

  function select() {
    const text = wanted.q.trim().toLowerCase();
    const [, isIn] = STATES[wanted.state] ?? STATES[""];
    columns = table.targets.filter((name) => !wanted.target || name === wanted.target);
    const counts = Object.fromEntries(Object.keys(STATES).map((name) => [name, 0]));
    const totals = columns.map(() => [0, 0]);
    const ranks = [[], [], [], []];
    for (const row of table.rows) {
      if (text && !row.lower.includes(text)) continue;
      if (wanted.source && row.source !== wanted.source) continue;
      const bits = wanted.target ? (row.bits[wanted.target] ?? 0) : row.all;
      if (wanted.target && !bits) continue;
      for (const [name, [, test]] of Object.entries(STATES)) if (test(bits)) counts[name] += 1;
      columns.forEach((name, at) => {
        if (row.bits[name] & LACKING) totals[at][1] += 1;
        else if (row.bits[name] & HELD) totals[at][0] += 1;
      });
      if (isIn(bits)) ranks[bits & FAILING ? 0 : bits & LACKING ? 1 : bits & EXPIRING ? 2 : 3].push(row);
    }
    shown = ranks.flat();
    active = Math.min(active, Math.max(0, shown.length - 1));
    tell(counts);
    const isOneSource = table.sources.length < 2;
    head.replaceChildren(
      h("th", { scope: "col" }, "model"),
      ...(isOneSource ? [] : [h("th", { scope: "col" }, "source")]),
      ...columns.map((name, at) => h("th", { scope: "col", }, [name, h("span", { class: "sum" }, [`${number(totals[at][0])} ✓`, totals[at][1] > 0 && h("b", {}, ` ${number(totals[at][1])} lacking`), trouble(name) && h("b", {}, ` · ${trouble(name)}`)])])),
    );
    grid.setAttribute("aria-rowcount", String(shown.length + 1));
    draw();
  }

  function tell(counts) {
    fill(choices.source, [["", "every source"], ...table.sources.map((name) => [name, name])], wanted.source);
    fill(choices.target, [["", "every target"], ...table.targets.map((name) => [name, name])], wanted.target);
    fill(choices.state, Object.entries(STATES).map(([name, [text]]) => [name, name ? `${text} (${number(counts[name])})` : text]), wanted.state);
    const isLoading = store.replicas === null;
    const more = store.isWhole || isLoading ? "" : ", more are loading";
    count.textContent = isLoading ? "Loading …" : `${number(shown.length)} of ${number(table.rows.length)} models${more}`;
    show(notes, [
      !isLoading && !shown.length && h("p", { class: "note" }, table.rows.length ? ["No model matches. ", h("button", { type: "button", class: "quiet", id: "clear", onclick: clear }, "Clear the filters")] : "No copies yet. They appear here after the first run of a plan."),
      store.plans.flatMap(unmarked),
    ]);
    box.hidden = !shown.length;
  }

  function clear() {
    search.value = "";
    filter({ q: "", source: "", target: "", state: "" });
    search.focus();
  }

  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const last = Math.min(shown.length, Math.ceil((box.scrollTop + (box.clientHeight || 600)) / ROW) + BEYOND);
    // the row that Tab comes to must be there
    const reached = active >= first && active < last ? active : Math.min(last - 1, first + BEYOND);
    const hasSource = table.sources.length > 1;
    show(body, [spacer(first), shown.slice(first, last).map((row, at) => line(row, first + at, columns, hasSource, first + at === reached)), spacer(shown.length - last)]);
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

  function move(event) {
    const step = STEPS[event.key];
    const now = document.activeElement?.dataset?.row;
    if (!step || now === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    active = Math.min(shown.length - 1, Math.max(0, Number(now) + step));
    const header = grid.tHead.offsetHeight;
    if (active * ROW < box.scrollTop) box.scrollTop = active * ROW;
    if ((active + 1) * ROW + header > box.scrollTop + box.clientHeight) box.scrollTop = (active + 1) * ROW + header - box.clientHeight + ROW / 2;
    draw();
    body.querySelector(`a[data-row="${active}"]`)?.focus({ preventScroll: true });
  }

  const view = { element, title: "Models", needsTable: true, address: location.hash, update, close: () => resized.disconnect() };
  select();
  return view;
}

// What the resource answered last, if it does not work.
function trouble(target) {
  const { state } = store.health?.resources?.[target]?.lastSeen ?? {};
  return state === "reachable" ? "" : state;
}

// The app names the first 100 models that fail, and none if a whole target does: this says that there are more.
function unmarked(plan) {
  return plan.targets.map((target) => {
    const failing = plan.coverage?.targets[target]?.failing ?? 0;
    const marked = plan.failing.models.filter((one) => one.target === target).length;
    return failing > marked && h("p", { class: "note warn" }, [`${number(failing)} copies of plan ${plan.name} to ${target} fail; ${marked ? `only ${marked}` : "they"} are ${marked ? "" : "not "}marked here. `, h("a", { href: plan.coverage.runId ? link.run(plan.coverage.runId) : "#runs" }, "The run says why.")]);
  });
}

// Writes the options of a choice; what is chosen stays, also if it is not there yet.
function fill(select, options, value) {
  const text = JSON.stringify(options);
  if (select.filled !== text) {
    select.filled = text;
    const isThere = options.some(([name]) => name === value);
    show(select, [...options, ...(isThere || !value ? [] : [[value, value]])].map(([name, label]) => h("option", { value: name }, label)));
  }
  if (select.value !== value) select.value = value;
}

function spacer(rows) {
  const cell = h("td", {});
  cell.style.height = `${rows * ROW}px`;
  return h("tr", { class: "spacer", "aria-hidden": "true" }, cell);
}

function line(row, at, targets, hasSource, isReached) {
  return h("tr", { "aria-rowindex": String(at + 2) }, [
    h("th", { scope: "row" }, h("a", { href: link.model(row), "data-row": String(at), tabindex: isReached ? "0" : "-1", title: row.modelId }, row.modelId), row.kind === "classifier" && h("span", { class: "note" }, " classifier")),
    hasSource && h("td", {}, row.source),
    targets.map((name) => cell(row, name)),
  ]);
}

function cell(row, target) {
  const one = row.cells[target];
  const bits = row.bits[target] ?? 0;
  const { replica, trouble, notCovered } = one ?? {};
  const earlier = replica && h("span", { class: "note" }, ` last copy ${ago(replica.verifiedAt)}`);
  if (trouble) return h("td", { class: "bad", title: trouble.message }, [h("b", {}, trouble.code), earlier]);
  if (notCovered) return h("td", { class: "quiet", title: notCovered.message }, "cannot be copied");
  if (!replica) return bits & LACKING ? h("td", { class: "bad" }, h("b", {}, "no copy")) : h("td", { class: "quiet" }, "–");
  if (one.isExpired) return h("td", { class: "bad" }, h("b", {}, `expired ${ago(replica.expiresAt)}`));
  if (replica.state !== "ready") return h("td", { class: bits & LACKING ? "bad" : "" }, [badge(replica.state), earlier]);
  return h("td", { class: bits & EXPIRING ? "warn" : "good" }, [`✓ ${ago(replica.verifiedAt)}`, bits & EXPIRING ? h("b", {}, ` expires ${ago(replica.expiresAt)}`) : ""]);
}

// The runs: when each was and how it ended, on a line for each plan, and as a list.

import * as api from "./api.js";
import { badge, duration, h, link, number, show, since, state, table, tone } from "./dom.js";
import { reached } from "./overview.js";
import { store } from "./store.js";

export function runs(query) {
  const plan = query.get("plan") ?? "";
  const element = h("div", {});
  let found = null;
  let next = null;
  let problem = "";
  let asked = -1;

  async function load(from) {
    try {
      const page = await api.get(from);
      const isOlder = from === next;
      const newIds = new Set(page.runs.map((one) => one.runId));
      const others = (found ?? []).filter((one) => !newIds.has(one.runId));
      if (isOlder || found === null) next = page.nextLink ?? null;
      [found, problem] = [isOlder ? [...others, ...page.runs] : [...page.runs, ...others], ""];
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function draw() {
    show(element, [
      h("h1", {}, ["Runs", plan && h("span", { class: "note" }, ` of plan ${plan}`)]),
      store.plans.length > 1 && h("ul", { class: "choices", "aria-label": "plans" }, [["", "all plans"], ...store.plans.map((one) => [one.name, one.name])].map(([name, text]) => h("li", {}, h("a", { href: name ? link.runs(name) : "#runs", "aria-current": plan === name ? "true" : null }, text)))),
      state(found, problem),
      found?.length === 0 && h("p", { class: "note" }, "No runs yet. A plan runs at its next start, or with POST /api/backups."),
      found?.length > 0 && [timeline(found), list(found)],
      next && h("p", {}, h("button", { id: "older", type: "button", class: "quiet", onclick: () => load(next) }, "Older runs")),
    ]);
  }

  function update() {
    if (asked === store.version) return;
    asked = store.version;
    load(api.CALLS.runs(plan));
  }

  draw();
  return { element, title: plan ? `Runs of ${plan}` : "Runs", update };
}

function seconds(one) {
  return Math.max(0, ((one.endedAt ? Date.parse(one.endedAt) : Date.now()) - Date.parse(one.startedAt)) / 1000);
}

const name = (one) => one.plan ?? one.kind;

// What the list says, to see: a line for each plan, and on it a bar for each run, from its start to its end.
function timeline(found) {
  const last = Date.now();
  const first = Math.min(...found.map((one) => Date.parse(one.startedAt)), last - 60_000);
  const at = (moment) => (100 * (moment - first)) / (last - first);
  const lanes = Map.groupBy ? Map.groupBy(found, name) : grouped(found);
  return h("div", { class: "timeline", "aria-hidden": "true" }, [
    [...lanes].map(([title, ones]) => h("div", { class: "lane" }, [h("span", { class: "lane-name" }, title), h("div", { class: "line" }, [...ones].reverse().map((one) => bar(one, at)))])),
    h("div", { class: "lane axis" }, [h("span", {}), h("div", { class: "line" }, [h("span", {}, `${duration((last - first) / 1000)} ago`), h("span", {}, "now")])]),
  ]);
}

function grouped(found) {
  const lanes = new Map();
  for (const one of found) lanes.set(name(one), [...(lanes.get(name(one)) ?? []), one]);
  return lanes;
}

function bar(one, at) {
  const start = Date.parse(one.startedAt);
  const element = h("a", { href: link.run(one.runId), tabindex: "-1", class: `run ${tone(one.status)}${one.dryRun ? " dry" : ""}`, title: `${one.status}, ${one.startedAt.slice(0, 16).replace("T", " ")} UTC, ${duration(seconds(one))}` });
  element.style.left = `min(${at(start).toFixed(3)}%, calc(100% - 6px))`;
  element.style.width = `${(at(start + 1000 * seconds(one)) - at(start)).toFixed(3)}%`;
  return element;
}

function list(found) {
  const rows = found.map((one) => {
    const { done, total } = one.progress ?? {};
    const isOver = Boolean(one.endedAt);
    return [
      h("a", { href: link.run(one.runId) }, since(one.startedAt)),
      [name(one), name(one) !== one.kind && h("span", { class: "note" }, ` ${one.kind}`)],
      [badge(one.status), one.dryRun && h("span", { class: "badge plain" }, "dry run"), one.cancelRequested && !isOver && h("span", { class: "badge warn" }, "cancel requested")],
      duration(seconds(one)),
      isOver ? (total ? `${number(done)}\u00a0of\u00a0${number(total)}` : "nothing to do") : reached(done, total, seconds(one)),
      [one.code && h("code", {}, one.code), " ", one.message],
    ];
  });
  return table("runs", ["started", "plan", "status", "took", "copies", "why"], rows);
}

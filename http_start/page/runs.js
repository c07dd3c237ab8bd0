// The timeline of runs, and one run with what it did.

import * as api from "./api.js";
import { ago, badge, duration, h, show, time } from "./dom.js";
import { pair } from "./overview.js";
import { store } from "./store.js";

export function runs(query) {
  const plan = query.get("plan") ?? "";
  const element = h("div", {});
  let found = null;
  let next = null;
  let problem = "";
  let asked = -1;
  const path = `runs?limit=50${plan ? `&plan=${encodeURIComponent(plan)}` : ""}`;

  async function load(from, keep) {
    try {
      const page = await api.get(from);
      [found, next, problem] = [[...(keep ?? []), ...page.runs], page.nextLink ?? null, ""];
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function draw() {
    const longest = Math.max(1, ...(found ?? []).map(seconds));
    show(element, [
      h("h1", {}, "Runs", plan && h("span", { class: "note" }, ` of plan ${plan}`)),
      store.plans.length > 0 && h("p", { class: "filters" }, [h("a", { href: "#runs", "aria-current": plan ? null : "true" }, "all"), store.plans.map((one) => h("a", { href: `#runs?plan=${encodeURIComponent(one.name)}`, "aria-current": plan === one.name ? "true" : null }, one.name))]),
      problem && h("p", { class: "error", role: "alert" }, problem),
      found === null && !problem && h("p", { class: "note" }, "Loading …"),
      found?.length === 0 && h("p", { class: "note" }, "No runs yet. A plan runs at its next start, or with POST /api/backups."),
      found?.length > 0 && h("ol", { class: "timeline" }, found.map((one) => entry(one, longest))),
      next && h("p", {}, h("button", { id: "older", type: "button", onclick: () => load(next, found) }, "Older runs")),
    ]);
  }

  function update() {
    // a page of older runs that was asked for stays
    if (asked === store.version || (found?.length ?? 0) > 50) return;
    asked = store.version;
    load(path);
  }

  draw();
  return { element, title: "Runs", update };
}

function seconds(one) {
  return Math.max(0, ((one.endedAt ? Date.parse(one.endedAt) : Date.now()) - Date.parse(one.startedAt)) / 1000);
}

function entry(one, longest) {
  const bar = h("span", { class: "length", "aria-hidden": "true" });
  bar.style.width = `${Math.max(1, (100 * seconds(one)) / longest)}%`;
  const { done, total } = one.progress ?? {};
  return h("li", {}, [
    h("p", {}, [h("a", { href: `#run?id=${encodeURIComponent(one.runId)}` }, one.plan ?? one.kind), " ", badge(one.status), one.dryRun && h("span", { class: "badge plain" }, "dry run"), h("span", { class: "note" }, ` ${one.kind}, ${ago(one.startedAt)}, ${duration(seconds(one))}`), total ? h("span", { class: "note" }, `, ${done} of ${total}`) : ""]),
    h("div", { class: "track" }, bar),
    one.message && h("p", { class: "note" }, one.message),
  ]);
}

export function run(query) {
  const id = query.get("id") ?? "";
  const element = h("div", {});
  let answer = null;
  let copies = null;
  let problem = "";
  let asked = -1;
  let isOver = false;

  async function load() {
    const address = `runs/${encodeURIComponent(id)}`;
    try {
      answer = await api.get(address);
      problem = "";
      copies = answer.copies ?? [];
      draw();
      if ((answer.progress?.total ?? 0) > copies.length) copies = await api.pages(`${address}/copies`, "copies", () => {}, () => element.isConnected);
      isOver = Boolean(answer.endedAt);
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function draw() {
    show(element, [
      h("p", {}, h("a", { href: "#runs" }, "← all runs")),
      h("h1", {}, "Run ", h("span", { class: "note" }, id)),
      problem && h("p", { class: "error", role: "alert" }, problem),
      !answer && !problem && h("p", { class: "note" }, "Loading …"),
      answer && about(answer),
      answer?.waiting?.length > 0 && waiting(answer.waiting),
      copies && work(copies),
      answer?.findings?.length > 0 && findings(answer.findings),
    ]);
  }

  function update() {
    if (asked === store.version || isOver) return;
    asked = store.version;
    load();
  }

  draw();
  return { element, title: "Run", update };
}

function about(one) {
  const { done, total } = one.progress ?? {};
  return h("section", { "aria-label": "the run" }, [
    h("p", {}, badge(one.status), one.dryRun && h("span", { class: "badge plain" }, "dry run"), one.cancelRequested && h("span", { class: "badge warn" }, "cancel requested")),
    one.message && h("p", {}, one.code ? `${one.code}: ${one.message}` : one.message),
    !one.endedAt && total > 0 && h("progress", { max: String(total), value: String(done ?? 0), "aria-label": "progress" }),
    h("dl", {}, [
      ...pair("kind", one.plan ? `${one.kind} of plan ${one.plan}` : one.kind),
      ...pair("started", time(one.startedAt)),
      ...pair("ended", one.endedAt ? time(one.endedAt) : `not yet; ${duration(seconds(one))} so far`),
      ...(total === null || total === undefined ? [] : pair("rows", `${done} of ${total}`)),
      ...Object.entries(one.counts ?? {}).filter(([, count]) => count).flatMap(([action, count]) => pair(action, String(count))),
      ...(one.notCovered ? pair("cannot be copied", String(one.notCovered)) : []),
    ]),
  ]);
}

function waiting(waits) {
  return h("section", { "aria-labelledby": "waiting" }, [
    h("h2", { id: "waiting" }, "What it waits for"),
    h("ul", { class: "findings" }, waits.map((one) => h("li", { class: "finding degraded" }, [h("p", {}, [h("strong", {}, one.for), " ", h("code", {}, one.code), one.since && ` since ${ago(one.since)}`, one.until && `, ends ${ago(one.until)} at the latest`]), h("p", {}, one.message)]))),
  ]);
}

const MOST = 200; // rows of a run that are shown; those that failed come first

function work(copies) {
  if (!copies.length) return null;
  const order = (one) => ["Failed", "StillCopying", "CopyInProgress", "Cancelled", "NotCovered", "Running", "Pending"].indexOf(one.status);
  const sorted = copies.filter((one) => order(one) >= 0).sort((a, b) => order(a) - order(b)).concat(copies.filter((one) => order(one) < 0));
  return h("section", { "aria-labelledby": "work" }, [
    h("h2", { id: "work" }, "What it did"),
    copies.length > MOST && h("p", { class: "note" }, `The first ${MOST} of ${copies.length} rows, those that did not succeed first. GET /api/runs/{id}/copies has all.`),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "rows of the run" }, [
      h("table", {}, [
        h("thead", {}, h("tr", {}, ["model", "target", "action", "status", "why"].map((text) => h("th", { scope: "col" }, text)))),
        h("tbody", {}, sorted.slice(0, MOST).map((one) => h("tr", {}, [h("th", { scope: "row" }, h("a", { href: `#model?${new URLSearchParams({ source: one.source, kind: one.kind, id: one.modelId })}` }, one.modelId)), h("td", {}, one.target), h("td", {}, one.action), h("td", {}, badge(one.status)), h("td", { class: "why" }, one.code ? `${one.code}${one.message ? `: ${one.message}` : ""}` : "")]))),
      ]),
    ]),
  ]);
}

function findings(found) {
  return h("section", { "aria-labelledby": "found" }, [
    h("h2", { id: "found" }, "What it found"),
    h("ul", { class: "findings" }, found.map((one) => h("li", { class: "finding info" }, [h("p", {}, [h("strong", {}, one.finding), ` ${one.modelId ?? ""} in ${one.target}`]), h("p", {}, one.detail)]))),
  ]);
}

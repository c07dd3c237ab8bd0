// One run: how far it is, what it waits for, and what it did with each model, what did not succeed first.

import * as api from "./api.js";
import { badge, duration, h, link, number, pair, section, show, since, state, table, time } from "./dom.js";
import { reached } from "./overview.js";
import { store } from "./store.js";

const MOST = 200; // rows of a run that are shown
const WORST = ["Failed", "StillCopying", "CopyInProgress", "Cancelled", "NotCovered", "Running", "Pending"];

export function run(query) {
  const id = query.get("id") ?? "";
  const element = h("div", {});
  let answer = null;
  let copies = [];
  let problem = "";
  let asked = -1;
  let isOver = false;

  async function load() {
    try {
      [answer, problem] = [await api.get(api.CALLS.run(id)), ""];
      copies = answer.copies ?? [];
      draw();
      if (!answer.endedAt || isOver) return;
      // it changes no more: all its rows are read, once
      if ((answer.progress?.total ?? 0) > copies.length) copies = await api.pages(api.CALLS.copies(id), "copies", () => {}, () => element.isConnected);
      isOver = true;
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function draw() {
    show(element, [
      h("p", {}, h("a", { href: "#runs" }, "← all runs")),
      h("h1", {}, ["Run ", h("span", { class: "note" }, id)]),
      state(answer, problem),
      answer && about(answer),
      answer?.waiting?.length > 0 && section("waiting", "What it waits for", h("ul", { class: "findings" }, answer.waiting.map(wait)), answer.more && h("p", { class: "note" }, `and ${number(answer.more)} more`)),
      copies.length > 0 && work(copies, answer),
      answer?.findings?.length > 0 && section("found", "What it found", h("ul", { class: "findings" }, answer.findings.map(finding))),
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

function seconds(one) {
  return Math.max(0, ((one.endedAt ? Date.parse(one.endedAt) : Date.now()) - Date.parse(one.startedAt)) / 1000);
}

function about(one) {
  const { done, total } = one.progress ?? {};
  return h("section", { "aria-label": "the run", class: "card" }, [
    h("p", {}, [badge(one.status), one.dryRun && h("span", { class: "badge plain" }, "dry run"), one.cancelRequested && h("span", { class: "badge warn" }, "cancel requested")]),
    one.message && h("p", {}, [one.code && h("code", {}, one.code), " ", one.message]),
    !one.endedAt && total > 0 && h("progress", { max: String(total), value: String(done ?? 0), "aria-label": "progress" }),
    h("dl", {}, [
      pair("kind", one.plan ? [`${one.kind} of plan `, h("a", { href: link.runs(one.plan) }, one.plan)] : one.kind),
      pair("started", time(one.startedAt), " (", since(one.startedAt), ")"),
      one.endedAt ? pair("ended", time(one.endedAt), `, after ${duration(seconds(one))}`) : pair("under way", `for ${duration(seconds(one))}`),
      pair("rows", one.endedAt ? (total ? `${number(done)} of ${number(total)}` : "none: nothing to do") : reached(done, total, seconds(one))),
      counted(one) && pair("decided", counted(one)),
      one.notCovered > 0 && pair("cannot be copied", `${number(one.notCovered)} models`),
    ]),
  ]);
}

function counted(one) {
  return Object.entries(one.counts ?? {}).filter(([, count]) => count).map(([action, count]) => `${action} ${number(count)}`).join(", ");
}

function wait(one) {
  return h("li", { class: "finding degraded" }, [
    h("p", {}, [h("strong", {}, one.for), " ", h("code", {}, one.code), h("span", { class: "note" }, [" since ", since(one.since), one.until && [", ends ", since(one.until), " at the latest"]])]),
    h("p", {}, one.message),
  ]);
}

function work(copies, answer) {
  const order = (one) => (WORST.indexOf(one.status) + WORST.length + 1) % (WORST.length + 1);
  const sorted = [...copies].sort((a, b) => order(a) - order(b));
  const total = answer.progress?.total ?? copies.length;
  const isPart = total > Math.min(copies.length, MOST);
  const rows = sorted.slice(0, MOST).map((one) => [
    h("a", { href: link.model(one) }, one.modelId),
    one.target,
    one.action,
    [badge(one.status), one.status === "Running" && one.step && h("span", { class: "note" }, one.step)],
    [one.code && h("code", {}, one.code), one.message && ` ${one.message}`],
  ]);
  return section("work", "What it did", isPart && h("p", { class: "note" }, `${number(rows.length)} of ${number(total)} rows${answer.endedAt ? ", what did not succeed first" : ""}. GET /api/runs/{id}/copies has all.`), table("rows of the run", ["model", "target", "action", "status", "why"], rows));
}

function finding(one) {
  return h("li", { class: "finding info" }, [h("p", {}, [h("strong", {}, one.finding), ` ${one.modelId ?? ""} in ${one.target}`]), h("p", {}, one.detail)]);
}

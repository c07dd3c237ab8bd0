// What holds: the app, each plan with its promise and targets, what needs a person, and the resources.

import { ago, badge, duration, h, show, time } from "./dom.js";
import { store } from "./store.js";

export function overview() {
  const element = h("div", { class: "overview" });
  return { element, title: "Overview", update: () => show(element, body()) };
}

function body() {
  const { health, plans } = store;
  if (!health) return h("p", { class: "note" }, "Loading …");
  const findings = health.findings ?? [];
  return [
    h("h1", {}, "Does the promise hold? ", badge(health.status, WORDS[health.status] ?? health.status)),
    health.code && h("p", { class: "error" }, health.detail),
    h("section", { "aria-labelledby": "needs" }, [
      h("h2", { id: "needs" }, "What needs you"),
      findings.length ? h("ul", { class: "findings" }, findings.map(finding)) : h("p", { class: "note" }, "Nothing. Every plan does what it promises."),
    ]),
    h("section", { "aria-labelledby": "plans" }, [
      h("h2", { id: "plans" }, "Plans"),
      plans.length ? h("div", { class: "cards" }, plans.map(plan)) : h("p", { class: "note" }, "No plans yet: backup.json has none, or the app has not answered."),
    ]),
    health.resources && h("section", { "aria-labelledby": "resources" }, [h("h2", { id: "resources" }, "Resources"), resources(health.resources)]),
  ];
}

const WORDS = { ok: "yes", degraded: "yes, but something needs you", failing: "no" };

export function finding(one) {
  return h("li", { class: `finding ${one.severity}` }, [
    h("p", {}, [badge(one.severity), " ", h("strong", {}, one.subject), " ", h("code", {}, one.code), one.since && h("span", { class: "note" }, ` since ${ago(one.since)}`)]),
    h("p", {}, one.message, one.more ? ` (and ${one.more} more)` : ""),
    h("p", { class: "remedy" }, h("strong", {}, "Do: "), one.remedy),
    one.run && h("p", {}, h("a", { href: `#run?id=${encodeURIComponent(one.run)}` }, "the run")),
  ]);
}

function plan(one) {
  const targets = one.coverage?.targets ?? {};
  return h("article", { class: "card", "aria-label": `plan ${one.name}` }, [
    h("h3", {}, [one.name, " ", badge(one.paused ? "paused" : one.status)]),
    h("p", {}, `${one.source} to ${one.targets.join(", ")}`),
    h("p", { class: "promise" }, promise(one)),
    one.underWay && progress(one.underWay),
    h("dl", {}, [
      ...pair("last good run", one.lastGoodRun ? runLink(one.lastGoodRun) : "none yet"),
      ...(one.lastRun && one.lastRun.runId !== one.lastGoodRun?.runId ? pair("last run", [runLink(one.lastRun), " ", badge(one.lastRun.status)]) : []),
      ...pair("next start", one.paused ? `paused ${ago(one.paused.since)}: ${one.paused.reason}` : one.nextStart ? time(one.nextStart) : (one.scheduleProblem ?? "no schedule")),
    ]),
    one.targets.map((name) => coverage(one, name, targets[name])),
  ]);
}

function promise(one) {
  if (one.rpoHours === null || one.rpoHours === undefined) return "No RPO is promised (rpoHours).";
  const met = Object.values(one.coverage?.targets ?? {}).map((target) => target.rpoMet);
  if (!met.length) return `RPO ${one.rpoHours} h: not known before the first run.`;
  return [`RPO ${one.rpoHours} h: `, met.every(Boolean) ? badge("holds") : badge("broken")];
}

function coverage(plan, name, numbers) {
  if (!numbers) return h("p", { class: "note" }, `${name}: not known before the first run`);
  const parts = [["covered", "good"], ["failing", "bad"], ["inTraining", "busy"], ["notCovered", "plain"]];
  const said = parts.filter(([field]) => numbers[field]).map(([field]) => `${numbers[field]} ${TITLES[field]}`);
  const href = `#models?${new URLSearchParams({ source: plan.source, target: name })}`;
  return h("div", { class: "coverage" }, [
    h("p", {}, [h("a", { href }, name), `: ${said.join(", ") || "no models"}`, numbers.lackingSince && ` (the oldest was trained ${ago(numbers.lackingSince)})`]),
    h("div", { class: "bar", "aria-hidden": "true" }, parts.map(([field, tone]) => bar(numbers[field], numbers.models, tone))),
  ]);
}

const TITLES = { covered: "covered", failing: "failing", inTraining: "in training", notCovered: "cannot be copied there" };

function bar(count, total, tone) {
  const part = h("span", { class: tone });
  part.style.flexGrow = String(total ? count / total : 0);
  return count ? part : null;
}

export function progress(underWay) {
  const { done, total } = underWay.progress;
  const text = total === null || total === undefined ? "making its plan" : `${done} of ${total}`;
  return h("div", { class: "progress" }, [
    h("p", {}, [h("a", { href: `#run?id=${encodeURIComponent(underWay.runId)}` }, "run under way"), ` for ${duration((Date.now() - Date.parse(underWay.startedAt)) / 1000)}: ${text}`]),
    h("progress", { max: String(total || 1), value: String(done || 0), "aria-label": "progress of the run" }),
  ]);
}

function runLink(note) {
  return h("a", { href: `#run?id=${encodeURIComponent(note.runId)}` }, ago(note.endedAt ?? note.startedAt));
}

export function pair(term, value) {
  return [h("dt", {}, term), h("dd", {}, value)];
}

function resources(byName) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "resources" }, [
    h("table", {}, [
      h("thead", {}, h("tr", {}, ["resource", "region", "state", "since", "API versions"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, Object.entries(byName).map(([name, one]) => resource(name, one))),
    ]),
  ]);
}

function resource(name, one) {
  const seen = one.lastSeen;
  return h("tr", {}, [
    h("th", { scope: "row" }, name),
    h("td", {}, one.region),
    h("td", {}, seen ? badge(seen.state === "reachable" ? "reachable" : "failing", seen.state) : "never called", seen?.message && h("p", { class: "note" }, seen.message)),
    h("td", {}, seen ? ago(seen.since) : "–"),
    h("td", {}, one.apiVersions.join(", ")),
  ]);
}

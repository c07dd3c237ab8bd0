// What holds: the app, each plan with its promise and targets, what needs a person, and the resources.

import { ago, badge, duration, h, link, number, pair, section, show, since, table, time, tone } from "./dom.js";
import { store } from "./store.js";

export function overview() {
  const element = h("div", { class: "overview" });
  return { element, title: "Overview", update: () => show(element, body()) };
}

function body() {
  const { health, plans } = store;
  const findings = health.findings ?? [];
  const isKnown = store.seenAt !== null;
  const isNew = !health.code && !plans.some((one) => one.lastRun);
  const needs = findings.filter((one) => one.severity !== "info");
  const others = findings.filter((one) => one.severity === "info");
  const list = (ones) => h("ul", { class: "findings" }, ones.map((one) => finding(one, plans)));
  return [
    h("div", { class: `verdict ${store.away || (isNew && health.status === "ok") ? "plain" : tone(health.status)}` }, [h("h1", {}, [store.away && "When last seen: ", verdict(health, plans, isKnown)]), h("p", {}, summary(plans, findings))]),
    needs.length > 0 && section("needs", "What needs you", list(needs)),
    !health.code && section("plans", "Plans", plans.length ? h("div", { class: "cards" }, [...plans].sort(worst).map(plan)) : h("p", { class: "note" }, isKnown ? "No plans. Write one into backup.json: it says which models are copied where." : "Loading …")),
    others.length > 0 && section("others", "Good to know", list(others)),
    health.resources && section("resources", "Resources", table("resources", ["resource", "region", "state", "since", "API versions"], Object.entries(health.resources).map(resource))),
  ];
}

const ORDER = ["failing", "degraded", "ok"];

function worst(a, b) {
  return ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || (a.name < b.name ? -1 : 1);
}

function verdict(health, plans, isKnown) {
  if (health.code) return "The app can do nothing";
  if (!plans.length) return isKnown ? "No plan backs up anything" : "Loading …";
  const failing = plans.filter((one) => one.status === "failing").length;
  if (failing) return plans.length === 1 ? "The plan is failing" : `${failing} of ${plans.length} plans ${failing === 1 ? "is" : "are"} failing`;
  if (health.status === "failing") return "Something is failing";
  const has = plans.some((one) => one.rpoHours);
  const every = !has ? "Every plan works" : plans.length === 1 ? "The plan keeps its promise" : "Every plan keeps its promise";
  if (plans.every((one) => !one.lastRun)) return plans.some((one) => one.underWay) ? "The first run is under way" : "No plan has run yet";
  if (health.status !== "degraded") return every;
  const lacking = total(plans, "failing");
  return `${lacking ? `${number(lacking)} ${lacking === 1 ? "copy fails" : "copies fail"}` : "Something needs you"}${has ? "; every promise still holds" : ""}`;
}

function total(plans, field) {
  return plans.flatMap((one) => Object.values(one.coverage?.targets ?? {})).reduce((sum, one) => sum + one[field], 0);
}

function summary(plans, findings) {
  const sum = (field) => total(plans, field);
  const running = plans.filter((one) => one.underWay).length;
  const last = plans.map((one) => one.lastGoodRun?.endedAt).filter(Boolean).sort().at(-1);
  const oldest = findings.filter((one) => one.severity === "failing" && one.since).map((one) => one.since).sort()[0];
  const facts = [
    oldest && ["failing since ", time(oldest), ` (${ago(oldest)})`],
    sum("models") > 0 && `${number(sum("covered"))} of ${number(sum("models"))} copies verified`,
    sum("failing") > 0 && h("a", { href: link.models({ state: "failing" }) }, `${number(sum("failing"))} failing`),
    sum("notCovered") > 0 && h("a", { href: link.models({ state: "notCovered" }) }, `${number(sum("notCovered"))} cannot be copied`),
    last && ["last good run ", since(last)],
    running > 0 && `${running} under way`,
  ].filter(Boolean);
  return facts.map((fact, at) => [at > 0 && " · ", fact]);
}

function finding(one, plans) {
  const plan = plans.find((each) => each.name === one.plan);
  const isModel = plan && ["CopyFailing", "NotCovered", "ReplicaLost", "ModelExpires"].includes(one.code);
  return h("li", { class: `finding ${one.severity}` }, [
    h("p", {}, [badge(one.severity), " ", h("strong", {}, one.subject), " ", h("code", {}, one.code), one.since && h("span", { class: "note" }, [" since ", since(one.since)])]),
    h("p", {}, one.message, one.more ? ` (and ${number(one.more)} more)` : ""),
    h("p", { class: "remedy" }, h("strong", {}, "Do: "), one.remedy),
    (one.run || plan) && h("p", { class: "more" }, [
      one.run && h("a", { href: link.run(one.run) }, "The run"),
      isModel && h("a", { href: link.models({ source: plan.source, state: one.code === "NotCovered" ? "notCovered" : one.code === "ModelExpires" ? "expiring" : "lacking" }) }, "The models"),
      plan && h("a", { href: link.runs(plan.name) }, `Runs of ${plan.name}`),
    ]),
  ]);
}


function plan(one) {
  const targets = one.coverage?.targets ?? {};
  const names = [...one.targets].sort((a, b) => (targets[b]?.failing ?? 0) - (targets[a]?.failing ?? 0));
  return h("article", { class: `card ${one.status}`, "aria-label": `plan ${one.name}` }, [
    h("h3", {}, [h("a", { href: link.runs(one.name) }, one.name), " ", badge(one.status), one.paused && badge("paused")]),
    h("p", { class: "note" }, ["from ", h("a", { href: link.models({ source: one.source }) }, one.source)]),
    one.underWay && progress(one.underWay),
    h("dl", {}, [
      pair("promise", promise(one)),
      pair("last good run", one.lastGoodRun ? runLink(one.lastGoodRun) : "none yet"),
      one.lastRun && one.lastRun.runId !== one.lastGoodRun?.runId && pair("last run", runLink(one.lastRun), " ", badge(one.lastRun.status)),
      one.paused ? pair("paused", since(one.paused.since), `: ${one.paused.reason}`) : pair("next start", one.nextStart ? time(one.nextStart) : (one.scheduleProblem ?? "no schedule")),
    ]),
    one.coverage ? covered(one, names, targets) : h("p", { class: "note" }, `to ${names.length > MOST ? `${names.length} targets` : names.join(", ")}: not known before the first run`),
  ]);
}

const MOST = 4; // targets of a plan with a bar each; of more, only those that lack something have one

function covered(plan, names, targets) {
  const isGood = (name) => targets[name] && !targets[name].failing && targets[name].rpoMet !== false;
  const good = names.length > MOST ? names.filter(isGood) : [];
  const sums = Object.fromEntries(["models", ...Object.keys(PARTS)].map((field) => [field, good.reduce((sum, name) => sum + targets[name][field], 0)]));
  const others = names.filter((name) => !good.includes(name));
  return [others.map((name) => coverage(plan, name, targets[name])), good.length > 0 && coverage(plan, "", sums, `${good.length}${others.length ? " other" : ""} targets`)];
}

function promise(one) {
  if (one.rpoHours === null || one.rpoHours === undefined) return "none (rpoHours is not set)";
  const known = Object.entries(one.coverage?.targets ?? {});
  const text = `a copy within ${one.rpoHours} h: `;
  if (!known.length) return `${text}not known before the first run`;
  const broken = known.filter(([, target]) => target.rpoMet === false).map(([name]) => name);
  if (!broken.length) return [text, badge("holds")];
  return [text, badge("broken"), broken.length < known.length && ` in ${broken.join(", ")}`];
}

const PARTS = { covered: ["good", "covered"], failing: ["bad", "failing"], inTraining: ["busy", "in training"], notCovered: ["plain", "cannot be copied"] };

function coverage(plan, name, numbers, title = name) {
  if (!numbers) return h("p", { class: "note" }, `${name}: not known before the next run`);
  const parts = Object.entries(PARTS).filter(([field]) => numbers[field]);
  const filters = { source: plan.source, ...(name ? { target: name } : {}), ...(numbers.failing ? { state: "lacking" } : {}) };
  return h("div", { class: "coverage" }, [
    h("p", {}, [h("a", { href: link.models(filters) }, title), " ", h("span", { class: "numbers" }, parts.map(([field, [, text]]) => `${number(numbers[field])} ${text}`).join(", ") || "no models")]),
    h("div", { class: "bar", "aria-hidden": "true" }, parts.map(([field, [tone]]) => part(numbers[field] / numbers.models, tone))),
    numbers.lackingSince && h("p", { class: "note" }, ["lacks what was trained ", since(numbers.lackingSince)]),
  ]);
}

function part(share, tone) {
  const element = h("span", { class: tone });
  element.style.flexGrow = String(share);
  return element;
}

export function progress({ runId, startedAt, progress: { done, total } }) {
  const passed = (Date.now() - Date.parse(startedAt)) / 1000;
  return h("div", { class: "progress" }, [
    h("p", {}, [h("a", { href: link.run(runId) }, "Run under way"), ` for ${duration(passed)}: ${reached(done, total, passed)}`]),
    h("progress", { max: String(total || 1), value: String(done || 0), "aria-label": "progress of the run" }),
  ]);
}

// How far a run is, and how long the rest takes if it goes on like this.
export function reached(done, total, passed) {
  if (total === null || total === undefined) return "making its plan";
  const rest = done > 0 && done < total && passed > 10 ? `, about ${duration((passed / done) * (total - done))} more` : "";
  return `${number(done)} of ${number(total)}${rest}`;
}

function runLink(note) {
  const moment = note.endedAt ?? note.startedAt;
  return h("a", { href: link.run(note.runId) }, since(moment));
}

function resource([name, one]) {
  const seen = one.lastSeen;
  return [
    name,
    one.region,
    seen ? [badge(seen.state === "reachable" ? "reachable" : "failing", seen.state), seen.message && h("p", { class: "note" }, seen.message)] : h("span", { class: "note" }, "never called"),
    seen ? since(seen.since) : "–",
    one.apiVersions.join(", "),
  ];
}

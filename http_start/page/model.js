// One model: where it can be used now, what it needs, its versions, and every copy that the catalog has of it.

import * as api from "./api.js";
import { ago, badge, copyable, h, link, section, show, since, state, table, time } from "./dom.js";
import { store } from "./store.js";

export function model(query) {
  const wanted = { source: query.get("source") ?? "", kind: query.get("kind") ?? "model", id: query.get("id") ?? "" };
  const element = h("div", { class: "model" });
  let asked = 0;
  let answer = null;
  let problem = "";
  let probed = "";

  const isIt = (one) => one.modelId === wanted.id && one.kind === wanted.kind;

  async function load(probe = false) {
    asked = Date.now();
    try {
      [answer, problem] = [await api.get(api.CALLS.model(wanted, probe)), ""];
      if (probe) probed = `asked at ${new Date().toISOString().slice(11, 19)} UTC`;
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function probe() {
    probed = "asking …";
    draw();
    return load(true);
  }

  function draw() {
    const places = answer?.places ?? [];
    const troubles = store.plans.filter((plan) => plan.source === wanted.source).flatMap((plan) => [...plan.failing.models, ...plan.notCovered.models].filter(isIt));
    const copies = (store.replicas ?? []).filter((one) => one.source === wanted.source && isIt(one));
    show(element, [
      h("p", {}, h("a", { href: "#models" }, "← all models")),
      h("h1", {}, [wanted.id, h("span", { class: "note" }, ` ${wanted.kind} of ${wanted.source}`)]),
      state(answer, problem),
      places.length > 0 && failover(places, probe, probed),
      troubles.length > 0 && section("trouble", "What it needs", h("ul", { class: "findings" }, troubles.map(trouble))),
      answer?.versions.length > 0 && versions(answer.versions, wanted),
      copies.length > 0 && everyCopy(copies),
      !store.isWhole && answer && h("p", { class: "note" }, "Its copies are loading …"),
    ]);
  }

  function update() {
    // the lookup is asked as often as all else is
    if (!asked || (store.seenAt ?? 0) > asked) load();
    else draw();
  }

  draw();
  return { element, title: wanted.id || "Model", needsTable: true, update };
}

// The answer that an application needs in an outage, to copy.
function failover(places, probe, probed) {
  const [best] = places;
  const isUp = !best.lastSeen || best.lastSeen.state === "reachable";
  const text = JSON.stringify({ endpoint: best.endpoint, modelId: best.modelId, apiVersion: best.apiVersion }, null, 2);
  const rows = places.map((one) => [
    [one.resource, h("span", { class: "note" }, ` ${one.region}`)],
    one.role === "source" ? h("span", { class: "badge plain" }, "source") : badge(one.state, one.state === "ready" ? "copy" : one.state),
    seen(one.lastSeen),
    h("code", {}, one.modelId),
    one.verifiedAt ? since(one.verifiedAt) : "–",
    one.expiresAt ? expiry(one.expiresAt) : "–",
  ]);
  return section("failover", "Use it now", [
    h("p", {}, [h("strong", {}, isUp ? best.resource : `No place is known to work. First try ${best.resource}`), best.role === "source" ? ", where it was trained" : ", a verified copy", ":"]),
    copyable("answer", "where to use the model now", text, h("button", { id: "probe", type: "button", class: "quiet", onclick: probe }, "Ask all places now"), " ", h("span", { id: "probed", role: "status", class: "note" }, probed)),
    h("h3", { class: "after" }, "All places, the best first"),
    table("places where the model can be used", ["place", "what", "reachable", "id there", "verified", "expires"], rows),
  ]);
}

function seen(last) {
  if (!last) return h("span", { class: "note" }, "never called");
  const isUp = last.state === "reachable";
  return [badge(isUp ? "reachable" : "failing", last.state), h("span", { class: "note" }, [isUp ? " seen " : " since ", since(isUp ? last.at : last.since)])];
}

function expiry(moment) {
  const days = (Date.parse(moment) - Date.now()) / 86_400_000;
  return days < 30 ? badge(days < 0 ? "failing" : "warning", ago(moment)) : time(moment);
}

function trouble(one) {
  return h("li", { class: "finding failing" }, [
    h("p", {}, [h("strong", {}, one.target), " ", h("code", {}, one.code), h("span", { class: "note" }, [" since ", since(one.since)])]),
    h("p", {}, one.message),
    one.remedy && h("p", { class: "remedy" }, h("strong", {}, "Do: "), one.remedy),
  ]);
}

function versions(known, { source, id, kind }) {
  const rows = known.map((one) => [
    [h("code", {}, one.version.slice(0, 8)), " ", one.present && badge("ok", "present")],
    one.trained ? time(one.trained) : "not known",
    since(one.verifiedAt),
    one.resources.join(", "),
  ]);
  const older = known.find((one) => !one.present);
  return section("versions", "Its versions", [
    table("versions", ["version", "trained", "verified", "in"], rows),
    older && [h("p", {}, "To bring an older one back, send this to POST /api/restores:"), copyable("restore", "request to restore an older version", JSON.stringify({ source, models: [id], kind, version: older.version.slice(0, 8) }))],
  ]);
}

function everyCopy(copies) {
  copies.sort((a, b) => (a.target === b.target ? (a.verifiedAt < b.verifiedAt ? 1 : -1) : a.target < b.target ? -1 : 1));
  const rows = copies.map((one) => [
    one.target,
    h("code", {}, one.targetModelId),
    badge(one.state),
    h("code", {}, one.fingerprint.slice(0, 8)),
    time(one.verifiedAt),
    one.expiresAt ? expiry(one.expiresAt) : "–",
    one.apiVersion,
    h("a", { href: link.run(one.runId), "aria-label": `run that made the copy in ${one.target}` }, "run"),
  ]);
  return section("copies", "Every copy in the catalog", table("copies", ["target", "id there", "state", "version", "verified", "expires", "API version", "made by"], rows));
}

// One model: where it can be used now, its versions, and every copy that the catalog has of it.

import * as api from "./api.js";
import { ago, badge, h, show, time } from "./dom.js";
import { pair } from "./overview.js";
import { store } from "./store.js";

export function model(query) {
  const wanted = { source: query.get("source") ?? "", kind: query.get("kind") ?? "model", id: query.get("id") ?? "" };
  const element = h("div", { class: "model" });
  let asked = -1;
  let answer = null;
  let problem = "";

  async function load(probe = false) {
    const path = `models/${encodeURIComponent(wanted.source)}/${encodeURIComponent(wanted.id)}?kind=${encodeURIComponent(wanted.kind)}`;
    try {
      [answer, problem] = [await api.get(probe ? `${path}&probe=true` : path), ""];
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  function draw() {
    const places = answer?.places ?? [];
    show(element, [
      h("p", {}, h("a", { href: "#models" }, "← all models")),
      h("h1", {}, wanted.id, wanted.kind === "classifier" && h("span", { class: "note" }, " classifier"), h("span", { class: "note" }, ` of ${wanted.source}`)),
      problem && h("p", { class: "error", role: "alert" }, problem),
      !answer && !problem && h("p", { class: "note" }, "Loading …"),
      places.length > 0 && failover(places, () => load(true)),
      trouble(),
      answer?.versions && versions(answer.versions),
      copies(),
    ]);
  }

  function trouble() {
    const found = store.plans.flatMap((plan) => [...(plan.failing.models), ...(plan.notCovered.models)].filter((one) => plan.source === wanted.source && one.modelId === wanted.id && one.kind === wanted.kind));
    if (!found.length) return null;
    return h("section", { "aria-labelledby": "trouble" }, [
      h("h2", { id: "trouble" }, "What it needs"),
      h("ul", { class: "findings" }, found.map((one) => h("li", { class: "finding degraded" }, [h("p", {}, [h("strong", {}, one.target), " ", h("code", {}, one.code), h("span", { class: "note" }, ` since ${ago(one.since)}`)]), h("p", {}, one.message), one.remedy && h("p", { class: "remedy" }, h("strong", {}, "Do: "), one.remedy)]))),
    ]);
  }

  function copies() {
    const rows = (store.replicas ?? []).filter((one) => one.source === wanted.source && one.modelId === wanted.id && one.kind === wanted.kind);
    if (!rows.length) return null;
    rows.sort((a, b) => (a.verifiedAt < b.verifiedAt ? 1 : -1));
    return h("section", { "aria-labelledby": "copies" }, [
      h("h2", { id: "copies" }, "Its copies"),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "copies" }, [
        h("table", {}, [
          h("thead", {}, h("tr", {}, ["target", "id there", "state", "verified", "API version", "run"].map((text) => h("th", { scope: "col" }, text)))),
          h("tbody", {}, rows.map((one) => h("tr", {}, [h("th", { scope: "row" }, one.target), h("td", {}, h("code", {}, one.targetModelId)), h("td", {}, badge(one.state)), h("td", {}, time(one.verifiedAt)), h("td", {}, one.apiVersion), h("td", {}, h("a", { href: `#run?id=${encodeURIComponent(one.runId)}` }, "run"))]))),
        ]),
      ]),
    ]);
  }

  function update() {
    if (asked === store.version) return;
    asked = store.version;
    load();
  }

  draw();
  return { element, title: wanted.id || "Model", update };
}

// The answer that an application needs in an outage, to copy.
function failover(places, probe) {
  const [best] = places;
  const text = JSON.stringify({ endpoint: best.endpoint, modelId: best.modelId, apiVersion: best.apiVersion }, null, 2);
  const said = h("span", { role: "status", class: "note" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "copied";
    } catch {
      said.textContent = "the browser does not allow it: select the text";
    }
  };
  return h("section", { "aria-labelledby": "failover" }, [
    h("h2", { id: "failover" }, "Use it now"),
    h("pre", { id: "answer", tabindex: "0", role: "region", "aria-label": "where to use the model now" }, text),
    h("p", {}, [h("button", { id: "copy", type: "button", onclick: copy }, "Copy"), " ", h("button", { id: "probe", type: "button", class: "quiet", onclick: probe }, "Ask all places now"), " ", said]),
    h("ol", { class: "places" }, places.map(place)),
  ]);
}

function place(one) {
  const seen = one.lastSeen;
  return h("li", {}, [
    h("strong", {}, one.resource),
    ` (${one.region}) `,
    h("code", {}, one.modelId),
    " ",
    one.role === "source" ? h("span", { class: "badge plain" }, "source") : badge(one.state),
    " ",
    seen ? badge(seen.state === "reachable" ? "reachable" : "failing", seen.state) : h("span", { class: "note" }, "never called"),
    one.verifiedAt && h("span", { class: "note" }, ` verified ${ago(one.verifiedAt)}`),
    one.expiresAt && h("span", { class: "note" }, ` expires ${ago(one.expiresAt)}`),
  ]);
}

function versions(known) {
  if (known.length < 2) return null;
  return h("section", { "aria-labelledby": "versions" }, [
    h("h2", { id: "versions" }, "Its versions"),
    h("ul", { class: "plain-list" }, known.map((one) => h("li", {}, [h("code", {}, one.version.slice(0, 8)), one.present ? badge("ok", "present") : "", h("dl", {}, [...pair("trained", one.trained ?? "not known"), ...pair("verified", time(one.verifiedAt)), ...pair("in", one.resources.join(", "))])]))),
  ]);
}

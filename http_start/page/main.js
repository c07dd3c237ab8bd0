// The frame of the page: sign-in, views by address, and the line that says how fresh all is.

import * as api from "./api.js";
import { ago, duration, h, show } from "./dom.js";
import { ask, start, stop, store, wantTable } from "./store.js";
import { overview } from "./overview.js";
import { models } from "./models.js";
import { model } from "./model.js";
import { run } from "./run.js";
import { runs } from "./runs.js";

const VIEWS = { overview, models, model, runs, run };
const SECTIONS = { model: "models", run: "runs" };
const main = document.getElementById("main");
const away = document.getElementById("away");
const nav = document.getElementById("nav");
const freshness = document.getElementById("freshness");
let view = null;
let where = null;

// #model?source=forms-westeurope&id=invoices: the name of a view, and what it shows. There is never a key in it.
function readAddress() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: Object.hasOwn(VIEWS, name) ? name : "overview", query: new URLSearchParams(query) };
}

function open() {
  // a key that is being tried opens nothing yet
  if (!api.hasKey() || !store.health) {
    if (!document.getElementById("key")) signIn();
    return;
  }
  const { name, query } = readAddress();
  nav.hidden = false;
  for (const link of nav.querySelectorAll("a")) {
    if (link.hash === `#${SECTIONS[name] ?? name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if ((view?.address ?? where) !== location.hash) {
    view?.close?.();
    view = VIEWS[name](query);
    where = location.hash;
    main.replaceChildren(view.element);
    document.title = `${view.title} – Model backup`;
    wantTable(Boolean(view.needsTable));
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  view.update();
}

function signIn(problem = "") {
  view?.close?.();
  [view, where] = [null, null];
  [nav.hidden, away.hidden, freshness.textContent] = [true, true, ""];
  document.title = "Sign in – Model backup";
  const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "key-problem key-note" });
  const error = h("p", { id: "key-problem", class: "error", role: "alert" }, problem);
  const button = h("button", { type: "submit" }, "Open");
  const form = h("form", { class: "sign-in", onsubmit: submit }, [
    h("h1", {}, "Model backup"),
    h("label", { for: "key" }, "Function key"),
    field,
    button,
    error,
    h("p", { id: "key-note", class: "note" }, "In the Azure portal it is under App keys of the function app; with make serve it is in .local/serve.json. This tab forgets the key when it is closed or loaded again."),
  ]);
  main.replaceChildren(form);
  field.focus();

  async function submit(event) {
    event.preventDefault();
    [button.disabled, error.textContent] = [true, ""];
    api.setKey(field.value.trim());
    let health;
    try {
      health = await api.get(api.CALLS.health(), { accept503: true });
    } catch (failure) {
      api.setKey("");
      const isRefused = failure instanceof api.Refused;
      [button.disabled, error.textContent] = [false, isRefused ? "The app refuses this key. Copy it again, whole." : `No answer: ${failure.message}. Try again.`];
      field.select();
      return;
    }
    field.value = "";
    start(refresh, expire, health);
    open();
  }
}

function expire() {
  stop();
  api.setKey("");
  signIn("The app does not accept this key any more. Type the present one.");
}

function refresh() {
  if (!api.hasKey()) return;
  open();
  tick();
}

// What changes with the seconds alone.
function tick() {
  if (!api.hasKey() || !store.health) return;
  const isOld = store.away !== null;
  freshness.textContent = store.seenAt ? `as of ${ago(new Date(store.seenAt).toISOString())}` : "loading …";
  away.hidden = !isOld;
  if (!isOld) return;
  const next = Math.max(0, Math.round((store.away.next - Date.now()) / 1000));
  const shown = store.seenAt ? ` What you see is ${duration((Date.now() - store.seenAt) / 1000)} old.` : "";
  // the seconds are no news for a screen reader
  show(away, h("span", { role: "alert" }, `The app does not answer: ${store.away.why}.`), h("span", {}, `${shown} Next try in ${next} s. `), h("button", { id: "again", type: "button", onclick: ask }, "Try now"));
}

addEventListener("hashchange", open);
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault(); // the address says which view is shown
  main.focus();
};
addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  const search = document.getElementById("search");
  if (event.key === "/" && search && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
setInterval(tick, 1000);
open();

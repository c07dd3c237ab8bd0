// The frame of the page: sign-in, views by address, and the line that says how fresh all is.

import * as api from "./api.js";
import { ago, duration, h, show } from "./dom.js";
import { ask, start, stop, store } from "./store.js";
import { overview } from "./overview.js";
import { models } from "./models.js";
import { model } from "./model.js";
import { run, runs } from "./runs.js";

const VIEWS = { overview, models, model, runs, run };
const main = document.getElementById("main");
const away = document.getElementById("away");
const freshness = document.getElementById("freshness");
let view = null;
let where = null;
let isStarted = false;

// #model?source=forms-westeurope&id=invoices: the name of a view, and what it shows. There is never a key in it.
export function readAddress() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  return { name: name in VIEWS ? name : "overview", query: new URLSearchParams(query) };
}

function open() {
  if (!api.hasKey()) return signIn();
  const { name, query } = readAddress();
  document.getElementById("nav").hidden = false;
  for (const link of document.querySelectorAll("#nav a")) {
    const isHere = link.hash === `#${name}` || (link.hash === "#models" && name === "model") || (link.hash === "#runs" && name === "run");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (where !== location.hash) {
    view?.close?.();
    view = VIEWS[name](query);
    where = location.hash;
    main.replaceChildren(view.element);
    document.title = `${view.title} – Model backup`;
    if (isStarted) main.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  view.update();
}

function signIn(problem = "") {
  view?.close?.();
  [view, where] = [null, null];
  document.getElementById("nav").hidden = true;
  away.hidden = true;
  freshness.textContent = "";
  document.title = "Sign in – Model backup";
  const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "key-note" });
  const error = h("p", { class: "error", role: "alert" }, problem);
  const button = h("button", { type: "submit" }, "Open");
  const form = h("form", { class: "sign-in", onsubmit: submit }, [
    h("h1", {}, "Model backup"),
    h("label", { for: "key" }, "Function key"),
    field,
    button,
    error,
    h("p", { id: "key-note", class: "note" }, "The key of the function app: in the portal under App keys, or in .local/serve.json. This tab forgets it when it is closed or loaded again."),
  ]);
  main.replaceChildren(form);
  field.focus();

  async function submit(event) {
    event.preventDefault();
    [button.disabled, error.textContent] = [true, ""];
    api.setKey(field.value.trim());
    try {
      await api.get("health", { accept503: true });
    } catch (failure) {
      if (failure instanceof api.Refused) {
        api.setKey("");
        [button.disabled, error.textContent] = [false, "The app refuses this key. Copy it again, whole."];
        field.select();
        return;
      }
      if (failure instanceof api.Away) {
        api.setKey("");
        [button.disabled, error.textContent] = [false, `No answer from the app: ${failure.message}. Try again.`];
        return;
      }
    }
    isStarted = false;
    start(refresh, () => {
      stop();
      api.setKey("");
      signIn("The app does not accept this key any more. Type the present one.");
    });
    open();
    isStarted = true;
  }
}

function refresh() {
  if (api.hasKey()) {
    open();
    tick();
  }
}

// What changes with the seconds alone.
function tick() {
  if (!api.hasKey()) return;
  freshness.textContent = store.seenAt ? `as of ${ago(new Date(store.seenAt).toISOString())}` : "loading …";
  away.hidden = store.away === null;
  if (!store.away) return;
  const next = Math.max(0, Math.round((store.away.next - Date.now()) / 1000));
  const shown = store.seenAt ? ` What you see is ${duration((Date.now() - store.seenAt) / 1000)} old.` : "";
  show(away, `No answer for ${duration((Date.now() - store.away.since) / 1000)}: ${store.away.why}.${shown} Asked again in ${next} s. `, h("button", { id: "again", type: "button", onclick: ask }, "Ask now"));
}

addEventListener("hashchange", open);
addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
  const search = document.getElementById("search");
  if (event.key === "/" && search && !isTyping) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
setInterval(tick, 1000);
open();

"""A stage with the page open on it, and what must hold of the page in every state."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from backup.document_models import Kind
from backup.records import Replica
from backup.states import ReplicaState
from local.inprocess import SOURCE, resource_id, setting
from tests.nights import Nights

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

KEY = "the-function-key-of-these-tests"
ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / ".local" / "dashboard"
"""Each test leaves pictures of the states that it goes through: look at them after a change of the page."""

WATCH = """
  window.violations = [];
  addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""
STORED = """async () => JSON.stringify([
  location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, history.state, window.name,
  await indexedDB.databases(), await caches.keys(), document.documentElement.outerHTML,
  [...document.querySelectorAll("input")].map((one) => one.value),
])"""
AUDIT = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map((one) =>
  `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html} ${node.any.map((each) => each.message)}`).join(" | ")}`)"""


class PlansStage(Nights):
    """A stage with more resources than are simulated: ``more`` of them are configured, and nothing calls them."""

    def __init__(self, folder: Path, *arguments: Any, more: Sequence[str] = (), **options: Any) -> None:
        self._more = list(more)
        keys = {setting(name): f"{number:032x}" for number, name in enumerate(more, start=0x123456)}
        super().__init__(folder, *arguments, settings=keys, **options)

    def configuration(self) -> dict[str, Any]:
        """See :class:`local.inprocess.Stage`."""
        document = super().configuration()
        for name in self._more:
            document["resources"][name] = {
                "endpoint": f"https://{name}.cognitiveservices.azure.com",
                "region": "swedencentral",
                "resourceId": resource_id(name),
                "apiVersions": self._versions,
                "keySetting": setting(name),
            }
        return document

    def put_replicas(self, models: int, targets: Sequence[str], **facts: Any) -> None:
        """Write replicas into the catalog, as many runs would."""
        now = self.clock.now()
        for number in range(models):
            for target in targets:
                known: dict[str, Any] = {
                    "model_id": f"model-{number:05}",
                    "target_model_id": f"model-{number:05}",
                    "state": ReplicaState.READY,
                    "verified_at": now - timedelta(hours=5),
                    **facts,
                }
                replica = Replica(
                    source=SOURCE,
                    kind=Kind.MODEL,
                    target=target,
                    api_version="2024-11-30",
                    fingerprint="f" * 24,
                    digest="d" * 64,
                    run_id="backups-20251231t0200-00000000",
                    **known,
                )
                self.services.catalog.replicas.put(replica, None)


class Shown:
    """The page of a stage in a browser of its own."""

    def __init__(self, stage: PlansStage, browser: Browser, size: tuple[int, int]) -> None:
        self.stage = stage
        self.url = stage.host.base_url
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="light"
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)

    def __enter__(self) -> Self:
        self.page.add_init_script(WATCH)
        self.page.on(
            "request", lambda request: self.requests.append(request)
        )  # not the method: Playwright marks its handlers
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Check what must hold in every state; not after a failure, which it would hide."""
        try:
            if kind is None:
                self.check()
        finally:
            self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        # Chromium itself reports every answer that is no success
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def check(self) -> None:
        """No error, no violation of the policy, no call of another origin, and the key in nothing but a header of calls."""
        addresses = [one.url for one in self.requests]
        with_key = [one.url for one in self.requests if "x-functions-key" in one.headers]
        wrong = {
            "errors": self.errors,
            "violations of the policy": self.page.evaluate("() => window.violations"),
            "other origins": [url for url in addresses if not url.startswith(f"{self.url}/")],
            "key in an address": [url for url in addresses if KEY in url or "code=" in url],
            "key sent for a file": [url for url in with_key if "/api/dashboard" in url],
            "key kept": [text for text in [self.page.evaluate(STORED)] if KEY in text],
        }
        found = {name: what for name, what in wrong.items() if what}
        assert not found, found

    def open(self, view: str = "", key: str | None = KEY) -> Self:
        """Open the page at ``view``, such as ``#models``, and sign in."""
        self.page.clock.install(time=self.stage.clock.now())
        self.page.goto(f"{self.url}/api/dashboard{view}")
        if key is not None:
            self.sign_in(key)
        return self

    def sign_in(self, key: str = KEY) -> None:
        """Type the key."""
        self.page.locator("#key").fill(key)
        self.page.get_by_role("button", name="Open").click()

    def go(self, view: str) -> None:
        """Show another view, as a link does."""
        self.page.evaluate("(hash) => { location.hash = hash; }", view)

    def at(self, selector: str, text: str | re.Pattern[str] = "") -> Locator:
        """Wait for an element, with ``text`` if one is given, and return it."""
        found = self.page.locator(selector)
        if text:
            found = found.filter(has_text=text)
        found.first.wait_for()
        return found

    def says(self, text: str) -> Locator:
        """Wait until the page shows ``text``."""
        found = self.page.locator("body").get_by_text(text)
        found.first.wait_for()
        return found

    def later(self, seconds: float) -> None:
        """Let time pass in the browser, and as much of it for the app."""
        self.stage.let_pass(seconds)
        self.page.clock.fast_forward(int(seconds * 1000))

    def calls(self) -> list[str]:
        """Return the paths of the calls so far, without their queries."""
        paths = [one.url.removeprefix(f"{self.url}/api/").partition("?")[0] for one in self.requests]
        return [path for path in paths if not path.startswith("dashboard")]

    def focused(self) -> str:
        """Return the text or the id of what has the focus."""
        text: str = self.page.evaluate("() => document.activeElement.id || document.activeElement.innerText")
        return text.strip()

    def press(self, *keys: str) -> str:
        """Press keys, and return what has the focus then."""
        for key in keys:
            self.page.keyboard.press(key)
        return self.focused()

    def shoot(self, name: str, *, whole: bool = False) -> None:
        """Take a picture of the state, light and dark, and let axe look for what keeps people from using it."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.page.screenshot(path=PICTURES / f"{name}-{scheme}.png", full_page=whole)
            found = self.audit()
            assert not found, f"{name}, {scheme}: {found}"
        self.page.emulate_media(color_scheme="light")

    def audit(self) -> list[str]:
        """Return what axe finds."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[str] = self.page.evaluate(AUDIT)
        return found


MakeShown = Callable[..., Shown]

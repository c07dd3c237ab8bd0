"""The docs name files that exist, link to pages and headings that exist, and tell the way of a request as the code goes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup import names

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.is_file()
)
PAGES_WITH_PATHS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/claims.md",
    "docs/decisions/0002-claims.md",
    "docs/decisions/0007-rooms-and-one-frame.md",
    "docs/glossary.md",
    "docs/host-json.md",
    "docs/how-it-works.md",
    "docs/security.md",
]
HOW_IT_WORKS = "docs/how-it-works.md"
MOST_SENTENCES = 10

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MODULE = re.compile(r"\b\w+(?:/\w+)+\.py\b")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(page: str) -> str:
    return FENCE.sub("", text_of(page))


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: list[str] = []
    for heading in HEADING.findall(prose_of(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")
        seen = sum(1 for other in found if re.sub(r"-\d+$", "", other) == slug)
        found.append(f"{slug}-{seen}" if seen else slug)
    return set(found)


def paths_in(page: str) -> set[str]:
    """Code spans that name a file or a folder of this repository."""
    spans = CODE.findall(prose_of(page))
    is_path = re.compile(r"\.?\w[\w.-]*(/[\w.-]*)+|[a-zA-Z]\w*\.(py|md)")
    return {span for span in spans if is_path.fullmatch(span) and not span.startswith(".local/")}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    broken = []
    for link in LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors_of(str(path.resolve().relative_to(ROOT)))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES_WITH_PATHS)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = paths_in(page) | set(MODULE.findall(text_of(page)))
    assert named, f"{page} names no file"
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_what_the_glossary_finds_in_a_file_is_there() -> None:
    """The glossary writes a file with what to look for in it: `path` (`name`)."""
    entries = re.findall(r"`([\w/]+\.py)` \(`(\w+)`\)", text_of("docs/glossary.md"))
    assert entries
    missing = [
        entry for entry in entries if not re.search(rf"(class|def) {entry[1]}\b|\b{entry[1]}:", text_of(entry[0]))
    ]
    assert missing == []


def test_the_readme_names_every_room() -> None:
    table = text_of("README.md").partition("## Where things are")[2]
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert {f"`{room}/`" for room in rooms} <= set(re.findall(r"`[^`]+`", table))


# calls


def registered_calls() -> set[str]:
    """The calls that the HTTP functions register, such as ``GET /api/plans/{name}``."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "http_start").glob("*.py"))
    found = re.findall(r'^@endpoint\(\s*blueprint,\s*"\w+",\s*"([A-Z]+)",\s*"([^"]+)"', sources, flags=re.MULTILINE)
    # the files of the status page are no calls of the API
    found += [
        (method, route)
        for route, method in re.findall(
            r'^@blueprint\.route\("([^"]+)", methods=\["([A-Z]+)"\]', sources, flags=re.MULTILINE
        )
    ]
    return {f"{method} /api/{route}" for method, route in found}


@pytest.mark.parametrize("page", ["README.md", "docs/http-api.md"])
def test_the_tables_have_every_call(page: str) -> None:
    """And no other one: a call is in the first cell of its row."""
    cells = re.findall(r"^\|([^|]*)\|", text_of(page), flags=re.MULTILINE)
    listed = {call for cell in cells for call in re.findall(r"`([A-Z]+ /api/[^`?]*)[`?]", cell)}
    assert listed == registered_calls()


def test_every_call_that_a_page_names_exists() -> None:
    """Names in braces may differ."""
    calls = {re.sub(r"\{\w+\}", "{}", call) for call in registered_calls()}
    unknown = [
        (page, call)
        for page in PAGES
        for call in re.findall(r"`([A-Z]+ /api/[^`?\s]*)", text_of(page))
        if re.sub(r"\{\w+\}", "{}", call) not in calls
    ]
    assert unknown == []


# how it works


def items() -> list[str]:
    """The numbered sentences."""
    return re.findall(r"^\d+\. (.+(?:\n   .+)*)$", prose_of(HOW_IT_WORKS), flags=re.MULTILINE)


def imports_of(path: str) -> Iterator[str]:
    """The modules that a module imports; for a name that a package passes on, the module that it comes from."""
    for node in ast.walk(ast.parse(text_of(path))):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        module = node.module.replace(".", "/")
        yield f"{module}.py"
        package = ROOT / module / "__init__.py"
        if package.exists():
            imported = {alias.name for alias in node.names}
            for inner in ast.parse(package.read_text(encoding="utf-8")).body:
                if (
                    isinstance(inner, ast.ImportFrom)
                    and inner.module
                    and imported & {alias.name for alias in inner.names}
                ):
                    yield f"{inner.module.replace('.', '/')}.py"


def functions_named_in(path: str) -> set[str]:
    """The functions of the app that a module registers or calls, by their names in ``backup.names``."""
    used = {node.id for node in ast.walk(ast.parse(text_of(path))) if isinstance(node, ast.Name)}
    return {name for name in used if name.isupper() and re.fullmatch("[a-z_]+", str(getattr(names, name, "")))}


def test_a_request_is_told_in_ten_sentences() -> None:
    sentences = [re.findall(r"[.!?](?=\s|$)", CODE.sub("code", item)) for item in items()]
    assert 0 < len(sentences) <= MOST_SENTENCES
    assert [len(ends) for ends in sentences] == [1] * len(sentences)
    assert "```mermaid\n" in text_of(HOW_IT_WORKS)


def test_each_sentence_names_its_file() -> None:
    assert [item for item in items() if not MODULE.search(item)] == []


def test_the_way_of_a_request_is_that_of_the_code() -> None:
    """Each module that is named is imported, or called by name, by one that was named before it."""
    way = list(dict.fromkeys(path for item in items() for path in MODULE.findall(item)))
    assert way[0] == "http_start/copies.py"
    assert way[-1] == "form_recognizer/transport.py"
    reached = set(imports_of(way[0]))
    called = functions_named_in(way[0])
    unreached = []
    for path in way[1:]:
        if path not in reached and not called & functions_named_in(path):
            unreached.append(path)
        reached |= set(imports_of(path))
        called |= functions_named_in(path)
    assert unreached == []

"""Shows the workbook of ``infra/monitoring`` as a page, as far as that can be done without Azure.

``python -m local.workbook RESULTS > page.html``: ``RESULTS`` is a JSON file with the rows of each query. The page is made from the
workbook's own JSON: its titles, widths, charts and icons.
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

WORKBOOK = Path(__file__).parents[1] / "infra" / "monitoring" / "workbook.json"

Rows = Sequence[Mapping[str, Any]]

_ICONS = {
    "success": ("●", "#107c10"),
    "critical": ("●", "#d13438"),
    "warning": ("▲", "#db7500"),
    "pending": ("◌", "#605e5c"),
    "cancelled": ("○", "#605e5c"),
    "more": ("·", "#605e5c"),
}
_COLOURS = ("#0078d4", "#d13438", "#107c10", "#8764b8")
_STYLE = """body{font:13px "DejaVu Sans",sans-serif;margin:16px;color:#323130;width:1240px}
h1{font-size:20px}h2{font-size:14px;margin:14px 0 6px}
.items{display:flex;flex-wrap:wrap}.item{box-sizing:border-box;padding-right:16px}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:3px 8px;border-bottom:1px solid #edebe9;vertical-align:top}th{font-weight:600;border-bottom-color:#8a8886}
.none{color:#605e5c}code{background:#f3f2f1}"""


def page(workbook: Mapping[str, Any], results: Mapping[str, Rows]) -> str:
    """Return the page. ``results`` has the rows of each query of the workbook."""
    items = "".join(_item(item, results) for item in workbook["items"])
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><div class="items">{items}</div>'


def _item(item: Mapping[str, Any], results: Mapping[str, Rows]) -> str:
    content, width = item["content"], item.get("customWidth", "100")
    if "json" in content:
        heading, _, rest = content["json"].partition("\n")
        body = f"<h1>{html.escape(heading.lstrip('# '))}</h1><p>{html.escape(rest)}</p>"
    elif "query" in content:
        rows = results[content["query"]]
        shown = _table(content, rows) if content["visualization"] == "table" else _chart(content, rows)
        none = f'<p class="none">{html.escape(content["noDataMessage"])}</p>'
        body = f"<h2>{html.escape(content['title'])}</h2>{shown if rows else none}"
    else:
        return ""
    return f'<div class="item" style="width:{width}%">{body}</div>'


def _table(content: Mapping[str, Any], rows: Rows) -> str:
    formatters = {one["columnMatch"]: one for one in content.get("gridSettings", {}).get("formatters", [])}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    lines = (
        "".join(f"<td>{_cell(formatters.get(name), _text(value))}</td>" for name, value in row.items()) for row in rows
    )
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(formatter: Mapping[str, Any] | None, text: str) -> str:
    if formatter is None:
        return html.escape(text)
    for threshold in formatter["formatOptions"]["thresholdsGrid"]:
        if threshold["operator"] == "Default" or threshold["thresholdValue"] == text:
            mark, colour = _ICONS[threshold["representation"]]
            return f'<span style="color:{colour}">{mark}</span> {html.escape(text)}'
    return html.escape(text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    is_time = len(text) > 19 and text[4] == "-" and text[13] == ":"
    return text[:19] if is_time else text[:60] + "…" if len(text) > 60 else text


def _chart(content: Mapping[str, Any], rows: Rows) -> str:
    """Draw bars for each row: the workbook's chart draws the same numbers."""
    settings = content["chartSettings"]
    group, high = settings.get("group"), 120
    most = max((float(row[name] or 0) for row in rows for name in settings["yAxis"]), default=0) or 1
    series = [*dict.fromkeys((str(row[group]) if group else "", name) for row in rows for name in settings["yAxis"])]
    bars, labels = [], []
    step = min(120, 560 // max(1, len(rows)))
    for number, row in enumerate(rows):
        for shift, name in enumerate(settings["yAxis"]):
            value = float(row[name] or 0)
            colour = _COLOURS[series.index((str(row[group]) if group else "", name)) % len(_COLOURS)]
            wide = max(6, step // (len(settings["yAxis"]) + 2))
            left, tall = number * step + 10 + shift * (wide + 2), value / most * high
            bars.append(
                f'<rect x="{left}" y="{high - tall + 14:.1f}" width="{wide}" height="{tall:.1f}" fill="{colour}"/>'
            )
            bars.append(f'<text x="{left}" y="{high - tall + 10:.1f}" font-size="10">{value:g}</text>')
        label = html.escape(_text(row[settings["xAxis"]])[:16])
        labels.append(f'<text x="{number * step + 10}" y="{high + 28}" font-size="10">{label}</text>')
    return f'<svg width="590" height="{high + 36}">{"".join(bars + labels)}</svg>{_legend(series)}'


def _legend(series: Iterable[tuple[str, str]]) -> str:
    marks = (
        f'<span style="color:{_COLOURS[number % len(_COLOURS)]}">■</span> {html.escape(" ".join(filter(None, names)))} '
        for number, names in enumerate(series)
    )
    return f"<div>{''.join(marks)}</div>"


def main() -> None:
    """Write the page to standard output."""
    results = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.stdout.write(page(json.loads(WORKBOOK.read_text(encoding="utf-8")), results))


if __name__ == "__main__":
    main()

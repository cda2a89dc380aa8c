"""Dashboards ask for metrics and labels that there are: those of docs/telemetry.md, which has those of the code."""
import json
import re

from common import DEPLOY, ROOT

CODE = "crates/observe/src/metrics.rs"
# Prometheus adds these to whatever it reads
ADDED = {"instance", "job"}


def documented():
    """Kind and labels of each metric."""
    rows = re.findall(r"^\| `(laurel_\w+)` \| (\w+) \| ([^|]+) \|", (ROOT / "docs" / "telemetry.md").read_text(), re.MULTILINE)
    return {metric: (kind, set(re.findall(r"`(\w+)`", labels))) for metric, kind, labels in rows}


def series(metrics):
    """Labels of what Prometheus makes of them."""
    found = {}
    for metric, (kind, labels) in metrics.items():
        if kind == "histogram":
            found |= {f"{metric}_bucket": labels | {"le"}, f"{metric}_sum": labels, f"{metric}_count": labels}
        else:
            found[metric] = labels
    return {name: labels | ADDED for name, labels in found.items()}


def undefined(metrics):
    """Where table and code disagree."""
    text = (ROOT / CODE).read_text()
    defined = set(re.findall(r'define\(\s*&mut registry,\s*"(\w+)"', text))
    fields = set(re.findall(r"^    (\w+): (?:String|&'static str),$", text, re.MULTILINE))
    told = {metric.removeprefix("laurel_").removesuffix("_total") for metric in metrics}
    labels = set().union(*(labels for _, labels in metrics.values()))
    return [f"docs/telemetry.md and {CODE} disagree about {what}" for what in sorted((told ^ defined) | (labels - fields))]


def unknown(query, legend, known):
    """Metrics and labels of a query that there are not."""
    asked = re.findall(r"\b(laurel_\w+)(?:\{([^}]*)\})?", query)
    if not asked:
        return ["nothing of ours"]
    problems, labels = [], set()
    for metric, selector in asked:
        labels |= known.get(metric, set())
        problems += [] if metric in known else [metric]
        problems += [f"{metric}{{{label}}}" for label in re.findall(r"(\w+)\s*[=!]~?", selector) if label not in known.get(metric, set())]
    grouped = re.findall(r"\b(by|without|on|ignoring)\s*\(([^)]*)\)", query)
    problems += [f"{word} ({label})" for word, group in grouped for label in re.findall(r"\w+", group) if label not in labels]
    # what a query groups by is what is left to show
    left = {label for word, group in grouped if word == "by" for label in re.findall(r"\w+", group)} or labels
    return problems + [f"{{{{{label}}}}}" for label in re.findall(r"{{\s*(\w+)\s*}}", legend) if label not in left]


def check():
    metrics = documented()
    known, problems = series(metrics), undefined(metrics)
    for path in sorted((DEPLOY / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        if not board.get("panels") or not board.get("uid"):
            problems.append(f"{path.name}: no panels, or no uid")
        for panel in board.get("panels", []):
            for target in panel.get("targets") or [{}]:
                found = unknown(target.get("expr", ""), target.get("legendFormat", ""), known)
                problems += [f"{path.name}: panel {panel.get('title')} asks for {what}" for what in found]
    return problems

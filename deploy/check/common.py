"""What the checks share: the services, and how to read rendered objects."""
import re
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent.parent
ROOT = DEPLOY.parent
SETTINGS = ROOT / "docs" / "configuration.md"


def services():
    """Port of each service, and whom it calls, from the table of docs/configuration.md."""
    rows = re.findall(r"^\| (\w+) \| (\d+) \| ([\w, ]+) \|$", SETTINGS.read_text(), re.MULTILINE)
    ports = {service: int(port) for service, port, _ in rows}
    return ports, {service: [] if calls == "nobody" else calls.split(", ") for service, _, calls in rows}


PORTS, CALLS = services()
HEALTH, METRICS, OTLP, POSTGRES = 7610, 9464, 4317, 5432


def misdirected(service, variables, host):
    """Whom a service is told to call, if that is not whom it calls; `host` is where another service is."""
    wanted = {f"LAUREL_{u.upper()}_URL": f"{host(u)}:{PORTS[u]}" for u in CALLS[service]}
    told = {v: value for v, value in variables.items() if v in {f"LAUREL_{u.upper()}_URL" for u in PORTS}}
    return [] if told == wanted else [f"calls {told}, not {wanted}"]


def of_kind(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def name(thing):
    return thing["metadata"]["name"]


def template(workload):
    return workload["spec"]["template"]


def workloads_of(objects):
    """Whatever makes pods."""
    return of_kind(objects, "Deployment", "StatefulSet", "Job")


def matches(selector, labels):
    """Whether a label selector selects these labels; an empty one selects everything."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        if rule["operator"] != "In" or labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def environment(container, objects):
    """Every variable of a container by name, with those that come from config maps."""
    maps = {name(o): o.get("data") or {} for o in of_kind(objects, "ConfigMap")}
    found = {}
    for source in container.get("envFrom") or []:
        if "configMapRef" in source:
            found.update(maps.get(source["configMapRef"]["name"], {}))
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("configMapKeyRef")
        if reference:
            found[variable["name"]] = maps.get(reference["name"], {}).get(reference["key"], "")
        else:
            found[variable["name"]] = variable.get("value", "")
    return found

"""What the checks share: the services, and how to read rendered objects."""
PORTS = {"attribution": 7601, "orders": 7602, "journeys": 7603, "rewards": 7604}
# who calls whom: the arrows of ARCHITECTURE.md
CALLS = {"attribution": [], "orders": ["attribution"], "journeys": ["attribution", "orders"], "rewards": ["attribution", "journeys"]}
HEALTH, METRICS, OTLP, POSTGRES = 7610, 9464, 4317, 5432


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

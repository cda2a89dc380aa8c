"""Network policies allow exactly the arrows of docs/configuration.md, at both ends."""
from common import CALLS, METRICS, OTLP, PORTS, POSTGRES, name, of_kind, matches, template, workloads_of

# peers in other namespaces, by how a policy names them
NEIGHBOURS = [
    ("clients", {"laurel.dev/client": "true"}, {"laurel.dev/client": "true"}),
    ("monitoring", {"laurel.dev/monitoring": "true"}, None),
    ("dns", {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}),
]


def expected(overlay, pods):
    """(who opens the connection, to whom, port), for all that may."""
    services = list(PORTS)
    migrations = [f"migrate-{service}" for service in services]
    database = "postgres" if overlay == "development" else "outside"
    wanted = {(pod, "dns", port) for pod in pods for port in ("UDP 53", "TCP 53")}
    wanted |= {(caller, called, f"TCP {PORTS[called]}") for caller in CALLS for called in CALLS[caller]}
    wanted |= {("clients", service, f"TCP {PORTS[service]}") for service in services}
    wanted |= {("monitoring", service, f"TCP {METRICS}") for service in services}
    wanted |= {(service, "collector", f"TCP {OTLP}") for service in services}
    wanted |= {(pod, database, f"TCP {POSTGRES}") for pod in services + migrations}
    if overlay != "development":
        wanted |= {(service, "outside", "TCP 443") for service in services}
        wanted.add(("collector", "outside", f"TCP {OTLP}"))
    return wanted


def peers(peer, pods):
    """The names behind one peer of a policy."""
    if "ipBlock" in peer:
        return ["outside"]
    if "namespaceSelector" in peer:
        for neighbour, namespace, pod in NEIGHBOURS:
            if peer == {"namespaceSelector": {"matchLabels": namespace}} | ({"podSelector": {"matchLabels": pod}} if pod else {}):
                return [neighbour]
        return [f"namespaces {peer}"]
    return [pod for pod, labels in pods.items() if matches(peer["podSelector"], labels)] or [f"nobody, by {peer}"]


def allowed(rules, side, pods):
    """(peer, port) of the rules of one direction; a rule without peers or ports allows any."""
    for rule in rules or []:
        ports = [f"{p.get('protocol', 'TCP')} {p.get('port', 'any')}" + ("+" if "endPort" in p else "") for p in rule.get("ports") or []]
        for peer in rule.get(side) or [None]:
            for found in peers(peer, pods) if peer else ["anybody"]:
                for port in ports or ["any port"]:
                    yield found, port


def check(objects, overlay):
    pods = {name(w).removeprefix("laurel-"): template(w)["metadata"]["labels"] for w in workloads_of(objects)}
    opened, accepted = set(), set()
    shut = {"Ingress": set(), "Egress": set()}
    for policy in of_kind(objects, "NetworkPolicy"):
        spec = policy["spec"]
        selected = [pod for pod, labels in pods.items() if matches(spec["podSelector"], labels)]
        for direction in spec.get("policyTypes", []):
            shut[direction].update(selected)
        for pod in selected:
            opened |= {(pod, peer, port) for peer, port in allowed(spec.get("egress"), "to", pods)}
            accepted |= {(peer, pod, port) for peer, port in allowed(spec.get("ingress"), "from", pods)}
    wanted = expected(overlay, pods)
    problems = []
    for direction, covered in shut.items():
        problems += [f"no policy shuts the {direction.lower()} of {pod}" for pod in pods if pod not in covered]
    # an end outside of the namespace is not ours to open
    sides = [
        ("leave", opened, {a for a in wanted if a[0] in pods}),
        ("enter", accepted, {a for a in wanted if a[1] in pods}),
    ]
    for verb, have, want in sides:
        problems += [f"{a} -> {b} {port} may {verb}, but is no arrow of docs/configuration.md" for a, b, port in sorted(have - want)]
        problems += [f"{a} -> {b} {port} may not {verb}" for a, b, port in sorted(want - have)]
    return problems

"""Rules for what runs in a cluster."""
import re
import tomllib
from urllib.parse import urlsplit

import files
from common import CALLS, HEALTH, PORTS, environment, matches, misdirected, name, of_kind, template, workloads_of

# made by whoever deploys; deploy/README.md says how
MADE_BY_HAND = {"laurel-jwks"}
ADMIN = "laurel-database-admin"
SECRET = re.compile(r"://[^/\s:@]+:[^/\s@]+@|PRIVATE KEY|\beyJ[\w-]{10,}\.")
TENANT_LIMITS = ["LAUREL_TENANT_IN_FLIGHT", "LAUREL_TENANT_STREAMS", "LAUREL_TENANT_PER_SECOND"]
PROBES = {"startupProbe": "startup", "livenessProbe": "live", "readinessProbe": "ready"}


def check(objects, overlay):
    problems = namespaces(objects) + secrets(objects)
    for workload in workloads_of(objects):
        where = f"{workload['kind']} {name(workload)}"
        problems += [f"{where}: {what}" for what in pod(workload) + variables(workload, objects)]
    for deployment in of_kind(objects, "Deployment"):
        where = f"Deployment {name(deployment)}"
        problems += [f"{where}: {what}" for what in companions(deployment, objects)]
    for service in PORTS:
        problems += [f"{service}: {what}" for what in one_service(service, objects, overlay)]
    return problems


def namespaces(objects):
    problems = []
    for namespace in of_kind(objects, "Namespace"):
        for mode in ("enforce", "audit", "warn"):
            if namespace["metadata"].get("labels", {}).get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                problems.append(f"namespace {name(namespace)}: pod security is not restricted ({mode})")
    known = {name(n) for n in of_kind(objects, "Namespace")}
    for o in objects:
        if o["kind"] != "Namespace" and o["metadata"].get("namespace") not in known:
            problems.append(f"{o['kind']} {name(o)}: its namespace is not made here")
    return problems


def secrets(objects):
    """Secrets are referred to, and never contained."""
    problems = [f"Secret {name(o)} is contained; refer to it instead" for o in of_kind(objects, "Secret")]
    for o in objects:
        if SECRET.search(str(o)):
            problems.append(f"{o['kind']} {name(o)}: contains a password, a key or a token")
    readme = (files.DEPLOY / "README.md").read_text()
    for secret in sorted({s for w in workloads_of(objects) for s in secrets_of(w)}):
        pattern = re.sub(r"attribution|orders|journeys|rewards", "SERVICE", secret)
        if f"`{secret}`" not in readme and f"`{pattern}`" not in readme:
            problems.append(f"secret {secret} is not in the table of deploy/README.md")
    return problems


def secrets_of(workload):
    for volume in template(workload)["spec"].get("volumes") or []:
        if "secret" in volume:
            yield volume["secret"]["secretName"]
    for container in template(workload)["spec"]["containers"]:
        for variable in container.get("env") or []:
            if "secretKeyRef" in (variable.get("valueFrom") or {}):
                yield variable["valueFrom"]["secretKeyRef"]["name"]


def pod(workload):
    """The restricted profile of pod security, and some habits of ours."""
    spec = template(workload)["spec"]
    security = spec.get("securityContext") or {}
    problems = []

    def must(holds, what):
        if not holds:
            problems.append(what)

    must(spec.get("automountServiceAccountToken") is False, "mounts a token of the Kubernetes API")
    must(spec.get("enableServiceLinks") is False, "gets LAUREL_ variables that Kubernetes makes up (enableServiceLinks)")
    must(security.get("runAsNonRoot") is True and security.get("runAsUser"), "may run as root")
    must((security.get("seccompProfile") or {}).get("type") == "RuntimeDefault", "no seccomp profile")
    must(not any(spec.get(host) for host in ("hostNetwork", "hostPID", "hostIPC")), "shares a namespace with its host")
    must(not any("hostPath" in v for v in spec.get("volumes") or []), "mounts a path of its host")
    for container in (spec.get("initContainers") or []) + spec["containers"]:
        own, resources = container.get("securityContext") or {}, container.get("resources") or {}
        must(own.get("allowPrivilegeEscalation") is False and not own.get("privileged"), "may gain privileges")
        must(own.get("readOnlyRootFilesystem") is True, "may write to its root file system")
        must((own.get("capabilities") or {}) == {"drop": ["ALL"]}, "keeps capabilities")
        must(not {"runAsUser", "runAsNonRoot", "seccompProfile"} & own.keys(), "a container overrides its pod's security context")
        must({"cpu", "memory"} <= (resources.get("requests") or {}).keys(), "requests no CPU or memory")
        must("memory" in (resources.get("limits") or {}), "no limit on memory")
        must(files.tagged(container["image"]), f"image {container['image']} has no tag that stays")
        if workload["kind"] != "Job":
            must(PROBES.keys() <= container.keys(), "lacks a startup, liveness or readiness probe")
    return problems


def variables(workload, objects):
    problems = []
    maps = {name(o) for o in of_kind(objects, "ConfigMap")} | MADE_BY_HAND
    for container in template(workload)["spec"]["containers"]:
        found = environment(container, objects)
        problems += [f"{v} is no setting of docs/configuration.md" for v in found if v.startswith("LAUREL_") and not files.known(v)]
        problems += [f"{v} is empty" for v, value in found.items() if not value]
        problems += [f"{v} is a secret in plain sight; use a file" for v in found if v in ("LAUREL_DATABASE_URL", "POSTGRES_PASSWORD")]
        mounted = [m["mountPath"] for m in container.get("volumeMounts") or []]
        for variable, value in found.items():
            if value.startswith("/etc/laurel/") and not any(value.startswith(path + "/") for path in mounted):
                problems.append(f"{variable} names {value}, where nothing is mounted")
        used = [s["configMapRef"]["name"] for s in container.get("envFrom") or []]
        used += [v["configMap"]["name"] for v in template(workload)["spec"].get("volumes") or [] if "configMap" in v]
        problems += [f"config map {m} is not made here" for m in used if m not in maps]
    return problems


def companions(deployment, objects):
    """Every deployment may be disrupted, scaled, reached and spread in a planned way."""
    problems = []
    labels = template(deployment)["metadata"]["labels"]
    spec = deployment["spec"]

    def some(kind, what, fits):
        if not any(fits(o["spec"]) for o in of_kind(objects, kind)):
            problems.append(what)

    some("PodDisruptionBudget", "no disruption budget", lambda s: matches(s["selector"], labels))
    some("HorizontalPodAutoscaler", "no autoscaler", lambda s: s["scaleTargetRef"]["name"] == name(deployment))
    some("Service", "no service", lambda s: matches({"matchLabels": s["selector"]}, labels))
    some("NetworkPolicy", "no network policy of its own",
         lambda s: s["podSelector"] and set(s.get("policyTypes", [])) == {"Ingress", "Egress"} and matches(s["podSelector"], labels))
    accounts = {name(a): a for a in of_kind(objects, "ServiceAccount")}
    account = accounts.get(template(deployment)["spec"].get("serviceAccountName"))
    if not account or account.get("automountServiceAccountToken") is not False:
        problems.append("no service account of its own without a token")
    if "replicas" in spec:
        problems.append("sets replicas, which is the autoscaler's to do")
    if (spec.get("strategy") or {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
        problems.append("a roll may take replicas away (maxUnavailable)")
    spread = template(deployment)["spec"].get("topologySpreadConstraints") or []
    if not spread or not all(matches(s["labelSelector"], labels) and "app.kubernetes.io/name" in s["labelSelector"]["matchLabels"] for s in spread):
        problems.append("its pods are not spread over nodes")
    return problems


def one_service(service, objects, overlay):
    """What each of the four must be like."""
    by_name = {(o["kind"], name(o)): o for o in objects}
    deployment, job = by_name.get(("Deployment", f"laurel-{service}")), by_name.get(("Job", f"laurel-migrate-{service}"))
    headless = by_name.get(("Service", f"laurel-{service}"))
    if not (deployment and job and headless):
        return ["lacks its deployment, its service or its migration job"]
    problems = []

    def must(holds, what):
        if not holds:
            problems.append(what)

    spec = template(deployment)["spec"]
    container, = spec["containers"]
    settings = environment(container, objects)
    port = PORTS[service]
    must(headless["spec"].get("clusterIP") == "None", "its service is not headless, so clients cannot balance")
    must([p["port"] for p in headless["spec"]["ports"]] == [port], f"its service is not on port {port}")
    must(settings.get("LAUREL_LISTEN") == f"0.0.0.0:{port}", f"does not listen on port {port}")
    must({"containerPort": port, "name": "grpc"} in container["ports"], f"port {port} has not the name grpc")
    must(not matches({"matchLabels": headless["spec"]["selector"]}, template(job)["metadata"]["labels"]), "its service selects migrations")
    for probe, asked in PROBES.items():
        must((container.get(probe) or {}).get("grpc") == {"port": HEALTH, "service": asked}, f"{probe} does not ask gRPC health for `{asked}`")
    must(settings.get("LAUREL_HEALTH_LISTEN") == f"0.0.0.0:{HEALTH}", "no listener for probes")
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    must(spec["terminationGracePeriodSeconds"] > pause + int(settings["LAUREL_DRAIN_SECONDS"]), "is killed before it has drained")
    must(settings.get("LAUREL_JWKS"), "no authentication, so it would refuse to listen")
    must(settings.get("LAUREL_MIGRATE") == "never", "migrates by itself")
    mine, its = set(secrets_of(deployment)), set(secrets_of(job))
    must(f"laurel-{service}-database" in mine and ADMIN not in mine, "does not use its own login")
    must(its == {ADMIN}, "its migration does not use the administrator's login")
    others = [s for s in mine if not s.startswith(f"laurel-{service}-")]
    must(not others, f"uses secrets of others: {others}")
    must(template(job)["spec"]["containers"][0]["image"] == container["image"], "migrates with another image than it runs")
    scheme = "http" if overlay == "development" else "https"
    problems += misdirected(service, settings, lambda upstream: f"{scheme}://laurel-{upstream}")
    if "LAUREL_TLS_CLIENT_CA" in settings:
        opened = {scope.split(".")[0] for rule in rules(settings, objects, service) for scope in rule["scopes"]}
        must(opened == set(CALLS[service]), f"its certificate opens {sorted(opened)}, and it calls {CALLS[service]}")
        must({"LAUREL_CLIENT_CERT", "LAUREL_CLIENT_KEY"} <= settings.keys(), "has no certificate for its calls")
        must("LAUREL_TOKEN_FILE" not in settings, "has a token, which goes before its certificate")
    else:
        must(("LAUREL_TOKEN_FILE" in settings) == bool(CALLS[service]), "has no token for its calls, or one without calls")
    if overlay != "development":
        must({"LAUREL_TLS_CERT", "LAUREL_TLS_KEY", "LAUREL_TLS_CA"} <= settings.keys(), "no TLS")
        must(urlsplit(settings.get("LAUREL_JWKS", "")).scheme == "https", "its keys do not come from an issuer")
        must({"LAUREL_ISSUER", "LAUREL_AUDIENCE"} <= settings.keys(), "takes tokens of any issuer, or for anybody")
        unbounded = [v for v in TENANT_LIMITS if int(settings.get(v, "0")) == 0]
        must(not unbounded, f"one tenant may take all there is, for want of {unbounded}")
    return problems


def rules(settings, objects, service):
    """What the file of LAUREL_CONFIG lets this service do by the name in its certificate."""
    file = settings.get("LAUREL_CONFIG", "").rpartition("/")[2]
    found = [tomllib.loads(o["data"][file]) for o in of_kind(objects, "ConfigMap") if file in (o.get("data") or {})]
    return [r for c in found for r in c["certificates"] if r.get("service") == service and r["name"] == f"laurel-{service}"]

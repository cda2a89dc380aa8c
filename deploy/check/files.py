"""Rules for the Dockerfile, compose and the collector's settings."""
import re

import yaml

from common import DEPLOY, PORTS, ROOT, SETTINGS, misdirected

KNOWN = set(re.findall(r"^\|\s*`(LAUREL_[A-Z_]+)`", SETTINGS.read_text(), re.MULTILINE))


def known(variable):
    return variable in KNOWN


def tagged(image):
    """Whether an image says which one it is."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    return "@sha256:" in image or tag not in ("", "latest")


def check():
    return dockerfile() + compose() + collector() + mentioned()


def dockerfile():
    text = (DEPLOY / "Dockerfile").read_text()
    channel = re.search(r'channel = "([^"]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    problems = []
    if f"FROM rust:{channel}-" not in text or f"RUSTUP_TOOLCHAIN={channel}\n" not in text:
        problems.append(f"Dockerfile: does not build with Rust {channel}, as rust-toolchain.toml says")
    if re.search(r"^ARG TARGET\w+=", text, re.MULTILINE):
        problems.append("Dockerfile: the default of a TARGET argument hides what the builder says, and other platforms get the wrong program")
    stages = re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    by_name = {stage: (base, body) for base, stage, body in stages}
    base, body = by_name.get("base", ("", ""))
    if base != "scratch" or "USER 65532:65532" not in body:
        problems.append("Dockerfile: stage base is not from scratch, or runs as root")
    for target in [*PORTS, "laurel"]:
        base, body = by_name.get(target, ("", ""))
        if base != "base" or "USER" in body:
            problems.append(f"Dockerfile: {target} is no final stage on base")
        if target in PORTS and f"EXPOSE {PORTS[target]}" not in body:
            problems.append(f"Dockerfile: {target} does not expose {PORTS[target]}")
    problems += [f"Dockerfile: {image} has no tag" for image, _, _ in stages if image not in by_name and image != "scratch" and not tagged(image)]
    return problems


def compose():
    problems = []
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for service, spec in services.items():
        def must(holds, what):
            if not holds:
                problems.append(f"compose: {service}: {what}")

        must(spec.get("read_only") and spec.get("cap_drop") == ["ALL"], "is not read-only without capabilities")
        must("no-new-privileges:true" in spec.get("security_opt", []), "may gain privileges")
        must(tagged(spec["image"]), f"image {spec['image']} has no tag")
        must(all(str(p).startswith("127.0.0.1:") for p in spec.get("ports", [])), "is published to more than this machine")
        variables = spec.get("environment", {})
        must(not {"LAUREL_DATABASE_URL", "POSTGRES_PASSWORD"} & variables.keys(), "a secret in plain sight")
        for variable in variables:
            must(not variable.startswith("LAUREL_") or known(variable), f"{variable} is no setting")
        if service in PORTS:
            must(f"migrate-{service}" in spec["depends_on"], "does not wait for its migration")
            must("LAUREL_JWKS" in variables, "no authentication, so it would refuse to listen")
            problems += [f"compose: {service}: {what}" for what in misdirected(service, variables, lambda upstream: f"http://{upstream}")]
    problems += [f"compose: no {wanted}" for wanted in [*PORTS, *(f"migrate-{s}" for s in PORTS), "postgres", "collector"] if wanted not in services]
    return problems


def collector():
    """The file and what production adds to it: pipelines name only what is there, and get what services send: traces."""
    settings = yaml.safe_load((DEPLOY / "collector" / "config.yaml").read_text())
    added = yaml.safe_load((DEPLOY / "kustomize" / "overlays" / "production" / "collector.yaml").read_text())
    problems = []
    exporters = settings["exporters"].keys() | added["exporters"].keys()
    for source in (settings, added):
        for signal, pipeline in source["service"]["pipelines"].items():
            receivers = settings["service"]["pipelines"].get(signal, {}).get("receivers", [])
            if set(receivers) <= (set() if signal == "traces" else {"otlp"}):
                problems.append(f"collector: nobody sends {signal} into its pipeline")
            for part, there in [("receivers", settings["receivers"]), ("processors", settings["processors"]), ("exporters", exporters)]:
                problems += [f"collector: {signal} names {p}, which is not among the {part}" for p in pipeline.get(part, []) if p not in there]
    return problems


def mentioned():
    """Settings that the documents speak of exist."""
    problems = []
    for path in sorted(DEPLOY.rglob("*.md")):
        for variable in sorted(set(re.findall(r"\bLAUREL_[A-Z_]*[A-Z]\b", path.read_text()))):
            if not known(variable):
                problems.append(f"{path.relative_to(ROOT)}: {variable} is no setting of docs/configuration.md")
    return problems

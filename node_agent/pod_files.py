"""The files that every container of a pod gets: hosts, hostname, resolv.conf, and its termination message."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node_agent.runtimes.base import Mount
from timonel.api.types import core_v1

MESSAGE_LIMIT = 4096
MESSAGES_LIMIT = 12 * 1024
"""Bytes of a container's termination message, and of all of a pod's together."""

DEFAULT_MESSAGE_PATH = "/dev/termination-log"
_LONGEST_HOSTNAME = 63
_HOSTS = """# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def hostname_of(pod: core_v1.Pod, cluster_domain: str) -> str:
    """The pod's hostname; with setHostnameAsFQDN the whole name."""
    if pod.spec.hostNetwork:
        return socket.gethostname()
    if pod.spec.hostnameOverride:
        return pod.spec.hostnameOverride
    name = (pod.spec.hostname or pod.metadata.name)[:_LONGEST_HOSTNAME].rstrip("-.")
    domain = domain_of(pod, cluster_domain)
    return f"{name}.{domain}" if pod.spec.setHostnameAsFQDN and domain else name


def domain_of(pod: core_v1.Pod, cluster_domain: str) -> str:
    """The domain of a pod with a subdomain, else empty."""
    if not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}"


def hosts_text(pod: core_v1.Pod, addresses: Sequence[str], cluster_domain: str) -> str:
    """The pod's /etc/hosts."""
    if pod.spec.hostNetwork:
        text = "# Kubernetes-managed hosts file (host network).\n" + _read_or_empty(Path("/etc/hosts"))
    else:
        name, domain = hostname_of(pod, cluster_domain), domain_of(pod, cluster_domain)
        names = f"{name}.{domain}\t{name}" if domain and not pod.spec.setHostnameAsFQDN else name
        text = _HOSTS + "".join(f"{address}\t{names}\n" for address in addresses)
    if pod.spec.hostAliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join(f"{alias.ip}\t" + "\t".join(alias.hostnames) + "\n" for alias in pod.spec.hostAliases)
    return text


def resolv_text(pod: core_v1.Pod, host: str) -> str:
    """The pod's /etc/resolv.conf, from the host's (until the cluster has a DNS) and the pod's dnsConfig."""
    servers, searches, options = _parse_resolv("" if pod.spec.dnsPolicy == "None" else host)
    config = pod.spec.dnsConfig
    if config is not None:
        servers = list(dict.fromkeys([*servers, *config.nameservers]))
        searches = list(dict.fromkeys([*searches, *config.searches]))
        options |= {o.name: o.value for o in config.options}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append(
            "options " + " ".join(name if value is None else f"{name}:{value}" for name, value in options.items())
        )
    return "\n".join(lines) + "\n"


def _parse_resolv(text: str) -> tuple[list[str], list[str], dict[str, str | None]]:
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str | None] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *names]:
                searches = names
            case ["options", *words]:
                for word in words:
                    name, colon, value = word.partition(":")
                    options[name] = value if colon else None
            case _:
                pass
    return servers, searches, options


@dataclass(frozen=True, slots=True)
class PodFiles:
    """The files of one pod, in the pod's directory."""

    directory: Path
    cluster_domain: str

    def write(self, pod: core_v1.Pod, addresses: Sequence[str]) -> None:
        """Write the shared files. Raises OSError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.write_hosts(pod, addresses)
        _write_in_place(self.directory / "hostname", hostname_of(pod, self.cluster_domain) + "\n")
        _write_in_place(self.directory / "resolv.conf", resolv_text(pod, _read_or_empty(Path("/etc/resolv.conf"))))

    def write_hosts(self, pod: core_v1.Pod, addresses: Sequence[str]) -> None:
        """Write /etc/hosts anew, in place: containers have it mounted. Raises OSError."""
        _write_in_place(self.directory / "etc-hosts", hosts_text(pod, addresses, self.cluster_domain))

    def mounts(self, container: core_v1.Container, attempt: int) -> list[Mount]:
        """The files as mounts, but for places where the container mounts something of its own. Raises OSError."""
        message = self.message_file(container.name, attempt)
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)
        own = {mount.mountPath for mount in container.volumeMounts}
        shared = {
            "/etc/hosts": self.directory / "etc-hosts",
            "/etc/hostname": self.directory / "hostname",
            "/etc/resolv.conf": self.directory / "resolv.conf",
            container.terminationMessagePath or DEFAULT_MESSAGE_PATH: message,
        }
        return [Mount(str(path), place) for place, path in shared.items() if place not in own]

    def message_file(self, container: str, attempt: int) -> Path:
        """Where a container's attempt leaves its termination message."""
        return self.directory / "containers" / container / str(attempt)

    def read_message(self, container: str, attempt: int, containers: int) -> str:
        """The message that an attempt left, cut to its share; empty when there is none."""
        limit = min(MESSAGE_LIMIT, MESSAGES_LIMIT // max(containers, 1))
        try:
            with self.message_file(container, attempt).open("rb") as file:
                return file.read(limit).decode(errors="replace")
        except OSError:
            return ""

    def drop_message(self, container: str, attempt: int) -> None:
        """Remove an attempt's message."""
        self.message_file(container, attempt).unlink(missing_ok=True)


def _write_in_place(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
    path.chmod(0o644)


def _read_or_empty(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

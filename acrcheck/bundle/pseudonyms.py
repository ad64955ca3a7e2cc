"""Names and addresses replaced by others, the same one by the same one wherever it stands.

What a verdict depends on stays: whether an address is private, which have a meaning of their own, and the names
that Kubernetes, AKS and the charts give everywhere.
"""

import hashlib
import ipaddress
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from acrcheck.bundle.names import TOKEN

V4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
V6 = r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:|::)[0-9a-fA-F:]*:?(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{1,4}|(?<=:))(?![\w:])"
ADDRESS = re.compile(rf"{TOKEN.pattern}|{V4}|{V6}")
OWN_MEANING = frozenset({"168.63.129.16", "169.254.169.254", "fd00:ec2::254"})
"""The same in every cloud, or on every machine of one."""
SHARED = ipaddress.ip_network("100.64.0.0/10")
PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
RETIRED = "192.88.99."
"""Nobody's addresses any more (RFC 7526), and not private: they stand for public ones."""
WORD = re.compile(rf"{TOKEN.pattern}|[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")
HOST = re.compile(
    r"(?<![\w.-])([a-z0-9][a-z0-9-]{2,62})\.(?:[a-z0-9-]+\.data\.|privatelink\.)?az[a-z]{2,8}cr\.[a-z]{2,4}\b",
    re.IGNORECASE,
)
"""Registries of Azure, by their domain or one that was nearly written like it."""
AZURE_HOST = re.compile(
    r"(?<![\w.-])([a-z0-9][a-z0-9-]{2,62})(?:\.[a-z0-9-]+){0,3}\."
    r"(?:azmk8s\.io|(?:blob|queue|table|file|vault|database|servicebus)\.(?:core\.)?(?:azure|windows)\.net)\b",
    re.IGNORECASE,
)
"""API servers of AKS, and what else of Azure is named by its owner."""
JOINT = re.compile(r"([._])")
"""What joins names to host names, and to the names of the kubelet's log files."""
LONGEST = 24
"""Pieces of which a name may be made: a name has no more dots."""
PART = re.compile(
    r"/(?:resourceGroups|virtualMachineScaleSets|userAssignedIdentities|registries|managedClusters|virtualMachines"
    r"|storageAccounts|vaults|virtualNetworks|subnets|workspaces)/([A-Za-z0-9][\w.()-]*)",
    re.IGNORECASE,
)
MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
NAME = re.compile(r"[A-Za-z0-9](?:[\w.()@+-]*[A-Za-z0-9)])?")
PLACES = frozenset(
    {
        *("namespace", "context", "workload", "node", "nodename", "pod", "hostname", "serviceaccountname"),
        *("com.coder.username", "com.coder.user.username", "com.coder.workspace.name"),
    }
)
"""Keys that name something of the cluster's owner: fields, and the labels of Coder's workspaces."""
PUBLIC = re.compile(
    r"(?:.+-)?(?:nmi|mic)(?:-.*)?|kube-.*|default|coder|coderd|cemanager|envbox|environments|docker|library|system|aks|local(?:host)?"
    r"|azure-.*|aad-.*|aadpodid.*|workload-identity-.*|acr|registry|kubernetes|coredns.*|metrics-server.*|konnectivity.*"
    r"|replications|omsagent.*|ama-.*|cloud-node-manager.*|csi-.*|calico-.*|cilium.*|[0-9.]+"
    r"|apps|batch|core|policy|identity|workload|pods?|nodes?|events|images?|secrets?|client|token|metadata|management"
    r"|labels?|name|namespaces?|data|login|svc|cluster|com|net|org|api|www|http|https",
    re.IGNORECASE,
)
"""Names that say nothing of whose cluster it is: those that checks look for, and the words of APIs and host names."""
SHORTEST = 3


class Pseudonyms:
    """Gives and remembers the other names. Safe for threads."""

    def __init__(self, salt: bytes, *, ips: bool, names: bool) -> None:
        self._salt = salt
        self._ips, self._names = ips, names
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._ordered = False
        self._given: set[str] = set()
        self._public: dict[str, str] = {}

    def learn(self, value: Any) -> None:
        """Take the names from a JSON value: of objects and where they are, of registries and of Azure's resources."""
        if not self._names:
            return
        if isinstance(value, str):
            self._learn_text(value)
        elif isinstance(value, Mapping):
            metadata = value.get("metadata")
            if isinstance(metadata, Mapping):
                self._add(metadata.get("name"))
                self._add(metadata.get("namespace"))
            for key, item in value.items():
                if str(key).lower() in PLACES:
                    self._add(item)
                self.learn(item)
        elif isinstance(value, list | tuple):
            for item in value:
                self.learn(item)

    @property
    def given(self) -> dict[str, list[str]]:
        """What stands in place of names and addresses, by kind. Never what it stands for."""
        with self._lock:
            addresses = set(self._public.values())
            return {"ip": sorted(addresses), "name": sorted(self._given - addresses)}

    def _learn_text(self, text: str) -> None:
        if "cr." in text.lower():
            for found in HOST.finditer(text):
                self._add(found[1], "registry")
        if "azmk8s.io" in text or ".net" in text:
            for found in AZURE_HOST.finditer(text):
                self._add(found[1])
        for found in PART.finditer(text):
            self._add(found[1])
        if "@" in text:
            for found in MAIL.finditer(text):
                self._add(found[0], "user-")

    def _add(self, name: Any, kind: str = "name-") -> None:
        if (
            not isinstance(name, str)
            or len(name) < SHORTEST
            or PUBLIC.fullmatch(name)
            or not NAME.fullmatch(name)
        ):
            return
        name = name.lower()
        with self._lock:
            if name in self._given or (name in self._known and (self._ordered or kind == "name-")):
                return
            self._known[name] = kind if not self._ordered else self._give(f"{kind}{self._digest(name)[:8]}")

    def _give(self, pseudonym: str) -> str:
        self._given.add(pseudonym)
        return pseudonym

    def _order(self) -> None:
        """Number the names known when the first text is read in their order: what is first stays first."""
        with self._lock:
            if not self._ordered:
                self._ordered = True
                for number, (name, kind) in enumerate(sorted(self._known.items()), 1):
                    self._known[name] = self._give(f"{kind}{number:04}")

    def replace(self, text: str, count: Callable[[str], None]) -> str:
        """Give a text with other names and addresses, each counted by its kind."""

        def named(word: str) -> str:
            other = self._known.get(word.lower())
            if other is None:
                return word
            count("name")
            return other if word == word.lower() else other.upper() if word == word.upper() else other.title()

        def words(found: re.Match[str]) -> str:
            word = found[0]
            whole = word.lower() in self._known or not JOINT.search(word)
            return named(word) if whole else "".join(map(named, self._parts(word)))

        def address(found: re.Match[str]) -> str:
            other = self._address(found[0])
            if other != found[0]:
                count("ip")
            return other

        if self._names:
            self._learn_text(text)
            self._order()
            text = MAIL.sub(lambda found: named(found[0]), text) if "@" in text else text
            text = WORD.sub(words, text)
        if self._ips:
            text = ADDRESS.sub(address, text)
        return text

    def _parts(self, word: str) -> Iterator[str]:
        """Take a host name, or the name of a log file, apart: at each place the longest name that is known."""
        pieces, at = JOINT.split(word), 0
        while at < len(pieces):
            ends = range(min(len(pieces), at + LONGEST), at + 1, -1)
            end = next((end for end in ends if "".join(pieces[at:end]).lower() in self._known), at + 1)
            yield "".join(pieces[at:end])
            at = end

    def _address(self, text: str) -> str:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        plain = address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
        if plain or text in OWN_MEANING or text.startswith("255.") or text in self._given:
            return text
        with self._lock:
            other = self._public.get(str(address)) or self._other(address)
            self._public[str(address)] = other
            self._given.add(other)
        return other

    def _other(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
        digest = self._digest(str(address))
        if isinstance(address, ipaddress.IPv6Address):
            start = "fd00" if address.is_private else "200"
            return f"{start}:{digest[:4]}:{digest[4:8]}::{digest[8:12]}"
        for network in PRIVATE:
            if address in network:
                hosts = int(digest[:8], 16) % (network.num_addresses - 2) + 1
                return str(ipaddress.ip_address(int(network.network_address) + hosts))
        number = 1 + sum(other.startswith(RETIRED) for other in self._public.values())
        return f"{RETIRED}{number}" if number < 255 else f"<ip:{digest[:8]}>"  # noqa: PLR2004 - the last of a network

    def _digest(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._salt, digest_size=8).hexdigest()

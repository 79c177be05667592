"""Where a steward's line may reach: the addresses behind a name are looked up once, judged, and only those are spoken to."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import psutil

from sanqu.ground.city import City
from sanqu.ground.errors import Refused
from sanqu.ground.i18n import Text
from sanqu.ground.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Where clouds tell a machine its own secrets; most lie in link-local networks, these do not.
METADATA = frozenset(ip_address(one) for one in ("100.100.100.200", "192.0.0.192", "fd00:ec2::254"))
THIS_NETWORK = IPv4Network("0.0.0.0/8")
# Addresses that carry an IPv4 address in their last 32 bits: translated (RFC 6052) and compatible ones (RFC 4291).
CARRIERS = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
NETWORKED = re.compile(r"(postgres|postgresql(\+psycopg)?|(mysql|mariadb)(\+pymysql)?)://.+")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
# Other parameters of a URL can name sockets, files and hosts anew.
HARMLESS = frozenset({"application_name", "charset", "connect_timeout", "sslmode"})


@dataclass(frozen=True)
class Fence:
    """What no steward's line may speak to, beside what is shut everywhere: `own` machines and `closed` networks."""

    own: frozenset[Address] = frozenset()
    closed: tuple[Network, ...] = ()

    def why_shut(self, address: Address) -> Text | None:
        """Why `address` is shut, None when it is open."""
        inner = _inner(address)
        if inner is not None:
            return self.why_shut(inner)
        if address.is_loopback or address.is_unspecified or address in THIS_NETWORK:
            return Text(zh="是这台机器自己", en="is this machine itself")
        if address in METADATA or address.is_link_local:
            return Text(zh="是只在本机网段里有效的地址", en="is valid on this machine's own link only")
        if address.is_multicast or address == IPv4Address("255.255.255.255"):
            return Text(zh="是广播或组播地址", en="is a broadcast or multicast address")
        if address in self.own:
            return Text(zh="是这座城市自己的机器", en="is a machine of the city's own")
        if any(address in network for network in self.closed):
            return Text(zh="在城市关闭的网段里（closed_networks）", en="lies in a network that the city closed (closed_networks)")
        return None

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of `host`, each of them open.

        Raises `Refused` naming the host and the first address that is shut, `OSError` when the name leads nowhere.
        """
        found = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        for address in found:
            why = self.why_shut(ip_address(address))
            if why is not None:
                raise _shut(host, address, why)
        return found


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address) or address.is_loopback or address.is_unspecified:
        return None
    if any(address in carrier for carrier in CARRIERS):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _shut(host: str, address: str, why: Text) -> Refused:
    named = address if host == address else f"{host} → {address}"
    return Refused(
        "lines.closed-address",
        Text(zh=f"没有管理员批准，不能到达 {named}：它{why.zh}", en=f"Unless an administrator approves, the city may not reach {named}: it {why.en}"),
        Text(
            zh="写一个别处的网址，或请管理员在它的页面上批准",
            en="Name an address elsewhere, or ask an administrator to approve this one on its page",
        ),
        host,
        facts={"address": address},
    )


def fence_of(city: City) -> Fence:
    """The fence of this city: its machine's addresses, those of its database and bus, and what its settings close."""
    return Fence(frozenset([*_of_this_machine(), *_of_services(city.settings)]), networks(city.settings.closed_networks))


def networks(said: str) -> tuple[Network, ...]:
    """Networks and addresses parted by commas or spaces; raises `ValueError` for one that is none."""
    return tuple(ip_network(one, strict=False) for one in said.replace(",", " ").split())


def _of_this_machine() -> Iterable[Address]:
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                yield ip_address(entry.address.partition("%")[0])


def _of_services(settings: Settings) -> Iterable[Address]:
    for url in (settings.database_url, settings.nats_url):
        for host in _hosts(url):
            try:
                entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            except OSError:
                continue
            yield from (ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries)


def _hosts(urls: str) -> Iterable[str]:
    for url in urls.split(","):
        host = urlsplit(url.strip()).hostname if "://" in url else None
        if host:
            yield host


def is_elsewhere(url: str) -> bool:
    """Whether `url` names a database server elsewhere on the network: no file, no socket, nothing of this machine.

    The city's own PostgreSQL trusts whoever reaches its socket.
    """
    # SQLAlchemy takes long to load and is needed for lines from databases only.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if NETWORKED.fullmatch(url) is None:
        return False
    try:
        named = make_url(url)
    except (ArgumentError, ValueError):
        return False
    host = named.host or ""
    return _is_another_host(host) and "=" not in (named.database or "") and set(named.query) <= HARMLESS


def _is_another_host(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        named = HOST.fullmatch(host) is not None and not host.replace(".", "").isdigit() and not host.lower().startswith("0x")
        return named and host.lower().split(".")[-1] != "localhost"
    return not (address.is_loopback or address.is_unspecified or address.is_link_local)


def without_password(url: str) -> str:
    """`url` without its password."""
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:…@", url)

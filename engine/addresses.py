"""Which addresses are those of the public internet. A pure function over IANA's tables."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# IANA's special-purpose registries (https://www.iana.org/assignments/iana-ipv4-special-registry and
# .../iana-ipv6-special-registry), written out because `ipaddress.is_global` differs between Python versions and says
# True for multicast and for translated forms of private addresses.
NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # public by number, but on Azure it is the host's own metadata service
        ),
    )
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        ("2001::/23", "2001:db8::/32", "3fff::/20"),  # the first has Teredo (RFC 4380) in it, which no receiver uses
    )
)
SIX_TO_FOUR = IPv6Network("2002::/16")
NAT64 = IPv6Network("64:ff9b::/96")  # 64:ff9b:1::/48, for local use (RFC 8215), lies outside 2000::/3


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, and so is the IPv4 address that it may embed.

    Args:
        address: as a socket takes it; anything else is not public.
    """
    parsed = read_address(address)
    if parsed is None:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in NOT_PUBLIC_V4)
    embedded = parsed.ipv4_mapped
    if parsed in NAT64:
        embedded = IPv4Address(int(parsed) & 0xFFFF_FFFF)
    elif parsed in SIX_TO_FOUR:
        embedded = parsed.sixtofour
    if embedded is not None:
        return is_public(str(embedded))
    return parsed in GLOBAL_UNICAST and not any(parsed in network for network in NOT_PUBLIC_V6)


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """The address that ``text`` writes, without its zone; None when it writes none. IPv4 addresses have no zone."""
    address, percent, _zone = text.partition("%")
    try:
        return ip_address(address if ":" in address or not percent else text)
    except ValueError:
        return None

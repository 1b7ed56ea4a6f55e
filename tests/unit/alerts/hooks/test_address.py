"""Addresses that a hook may reach, and those that it never may, in every form they are written in."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.hooks.address import fault, host_fault

ALLOWED = [
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "8.8.8.8",
    "198.51.100.7",
    "::1",
    "fd12:3456::1",
    "2606:4700::1111",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
]
REFUSED = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",
    "0.1.2.3",
    "255.255.255.255",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::254%1",
    "fd20:ce::254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2001:0:a9fe:a9fe::1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "::169.254.169.254",
    "::ffff:224.0.0.1",
    "100::1",
    "4000::1",
    "5f00::1",
]


@pytest.mark.parametrize("ip", ALLOWED)
def test_private_loopback_and_public_addresses_are_the_operators_choice(ip):
    assert fault(ip) is None


@pytest.mark.parametrize("ip", REFUSED)
def test_what_no_deployment_tool_lives_at_is_refused(ip):
    assert fault(ip)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_an_address_and_its_mapped_form_are_ruled_alike(ip):
    assert fault(ip) == fault(IPv6Address(f"::ffff:{ip}"))
    assert host_fault(str(ip)) == fault(ip) == host_fault(f"::ffff:{ip}")


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_nothing_passes_through_a_translator(ip):
    for form in (0x64FF9B << 96 | int(ip), 0x2002 << 112 | int(ip) << 80, 0x20010000 << 96 | (int(ip) ^ 0xFFFFFFFF)):
        assert fault(IPv6Address(form))


@given(st.ip_addresses())
def test_multicast_link_local_and_unspecified_are_always_refused(ip):
    if ip.is_multicast or ip.is_link_local or ip.is_unspecified or ip == IPv4Address("255.255.255.255"):
        assert fault(ip)


@pytest.mark.parametrize(
    "host", ["2130706433", "127.1", "0x7f.0.0.1", "0x7f000001", "017700000001", "1.2.3.400", "::x"]
)
def test_an_address_in_disguise_is_refused(host):
    assert host_fault(host)


@pytest.mark.parametrize("host", ["deploy.internal", "localhost", "4.example", "1x", "127.0.0.1", "::1"])
def test_a_name_is_left_to_its_resolution(host):
    assert host_fault(host) is None

"""The vetted resolver: every address counts, and one bad one is named."""

import pytest

from alerts.hooks.resolver import RefusedAddressError, VettedResolver
from tests.fakes.hook_server import FixedNames


async def test_good_addresses_are_handed_on():
    resolver = VettedResolver(FixedNames("127.0.0.1", "::1"))
    assert [found["host"] for found in await resolver.resolve("deploy.test", 80)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("bad", ["169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%2"])
async def test_one_bad_address_among_good_ones_refuses_them_all(bad):
    resolver = VettedResolver(FixedNames("127.0.0.1", bad, "10.0.0.1"))
    with pytest.raises(RefusedAddressError, match=r"deploy\.test leads to") as caught:
        await resolver.resolve("deploy.test", 80)
    assert bad in str(caught.value)


async def test_a_name_without_addresses_is_an_error():
    with pytest.raises(OSError, match="no address"):
        await VettedResolver(FixedNames()).resolve("deploy.test", 80)


async def test_real_names_are_looked_up():
    assert {found["host"] for found in await VettedResolver().resolve("localhost", 80)} <= {"127.0.0.1", "::1"}

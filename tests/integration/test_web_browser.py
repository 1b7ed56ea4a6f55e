"""The pages in a real browser: signing in and out, what it lets in, and no line that is wider than a telephone."""

from __future__ import annotations

import struct
import zlib

import pytest

from monitor.domain.verdict import Level
from monitor.store.tables import outbox, picture
from monitor.web import sessions
from tests.fakes.browser import browser
from tests.fakes.daemon import ACT, OPEN, READ, TOKENS
from tests.fakes.incident_scenes import DEPLOY, offered
from tests.fakes.programs import installed
from tests.fakes.scenes import HOSTILE, decided, of_judges, provider_cause


@pytest.fixture(autouse=True)
def _chromium() -> None:
    installed("chromium", package="chromium")


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


WIDE = png(1200, 300)
SIGN_IN = "document.querySelector('#token').value = {!r}; document.querySelector('form').requestSubmit(); true"


async def test_signing_in_and_out(daemon, tmp_path):
    web = daemon(OPEN)
    async with browser(tmp_path / "profile") as page:
        await page.go(f"http://127.0.0.1:{web.port}/")
        assert await page.run("location.pathname") == "/login"
        await page.run(SIGN_IN.format("wrong"))
        await page.until("document.body.innerText.includes('This token is not known.')")
        await page.run(SIGN_IN.format(READ))
        await page.until("location.pathname === '/' && document.readyState === 'complete'")
        assert "How your models stand" in await page.run("document.body.innerText")
        assert await page.run("document.cookie") == ""
        await page.run("document.querySelector('form').requestSubmit(); true")
        await page.until("location.pathname === '/login' && document.readyState === 'complete'")
        await page.go(f"http://127.0.0.1:{web.port}/")
        assert await page.run("location.pathname") == "/login"
        # The refused login is one: its status is 403.
        assert [one for one in page.complaints if "403" not in one] == []


@pytest.mark.parametrize("width", [360, 768, 1440])
async def test_nothing_is_kept_out_and_nothing_is_wider_than_the_window(daemon, house, tmp_path, width):
    long = {"causes": provider_cause("y" * 400), "judged": of_judges("z" * 400 + HOSTILE)}
    decided(house, "ft", "run-1", Level.ROLLBACK, reasons=("x" * 400, HOSTILE), **long)
    offered(house, "w" * 400)
    with house.database.write() as connection:
        connection.execute(picture.insert(), {"alert_id": "alert-incident-1", "png": WIDE, "alt": "A wide picture"})
    web = daemon(DEPLOY)
    web.is_ill(configuration="/a/very/long/path" * 20)
    async with browser(tmp_path / "profile") as page:
        await page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        await page.go(f"http://127.0.0.1:{web.port}/")
        await page.run("for (const one of document.querySelectorAll('details')) one.open = true; true")
        assert await page.run("document.documentElement.scrollWidth") <= width
        # The style was let in: the page is not in the browser's own.
        assert "rgb(244, 245, 247)" in await page.run("getComputedStyle(document.body).backgroundColor")
        assert await page.run("document.scripts.length") == 0
        await page.call("Network.setCookie", **session(web))
        for path in ("/incidents", "/incidents/incident-1", "/incidents/incident-1/approve", "/runs/run-1"):
            await page.go(f"http://127.0.0.1:{web.port}{path}")
            assert await page.run("document.documentElement.scrollWidth") <= width, path
            assert await page.run("document.querySelectorAll('h1, h2').length") > 0
        assert page.complaints == []


def session(web):
    """The cookie of who has signed in and may act."""
    value = sessions.begin(TOKENS["operations"], web.house.clock.now, "0" * 32)
    return {"name": "heldout", "value": value, "url": f"http://127.0.0.1:{web.port}/"}


async def test_a_rollback_is_approved_by_hand(daemon, house, tmp_path):
    offered(house)
    web = daemon(OPEN + DEPLOY)
    async with browser(tmp_path / "profile") as page:
        await page.go(f"http://127.0.0.1:{web.port}/incidents/incident-1")
        await page.run(SIGN_IN.format(ACT))
        await page.until("location.pathname === '/incidents/incident-1' && document.readyState === 'complete'")
        await page.run("document.querySelector('#ack').form.requestSubmit(); true")
        await page.until(r"/seen to by\s+operations/.test(document.body.innerText)")
        await page.run("document.querySelector('a.main').click(); true")
        await page.until("location.pathname.endsWith('/approve') && document.readyState === 'complete'")
        assert "to roll ft back to prompt" in await page.run("document.body.innerText")
        await page.run("document.querySelector('button.main').click(); true")
        await page.until("document.body.innerText.includes('Rollback under way')")
        assert page.complaints == []
    assert [row.channel for row in house.rows(outbox) if row.hook_id] == ["hook:deploy"]

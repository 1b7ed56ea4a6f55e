"""The pages in a real browser: signing in and out, what it lets in, and no line that is wider than a telephone."""

from __future__ import annotations

import pytest

from monitor.domain.verdict import Level
from tests.fakes.browser import browser
from tests.fakes.daemon import OPEN, READ
from tests.fakes.programs import installed
from tests.fakes.scenes import HOSTILE, decided, of_judges, provider_cause


@pytest.fixture(autouse=True)
def _chromium() -> None:
    installed("chromium", package="chromium")


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
    web = daemon()
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
        assert page.complaints == []

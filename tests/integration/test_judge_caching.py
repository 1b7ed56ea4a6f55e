"""What providers' caches save: 200 answers judged in a run through each SDK, by what the server itself counted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor import wiring
from monitor.config.load import load_config
from monitor.rounds import run_now
from monitor.store.database import open_database
from monitor.store.tables import judgement
from tests.fakes import databases
from tests.fakes.judging import by_reference, judging
from tests.fakes.prefix_cache import PrefixCache
from tests.fakes.provider_server import ProviderServer, SamplingModel

SAMPLE = Path(wiring.__file__).parent / "sample" / "support.jsonl"
TOML = """
[suites.support]
cases = "{cases}"
metrics = ["contains"]
rubrics = ["support_answer"]
headline = {{ support_answer = 1.0 }}
[targets.bot]
provider = "http"
url = "{target}/answer"
body = '{{"question": {{{{ input | tojson }}}}}}'
answer = "result.text"
suites = ["support"]
concurrency = 32
[judges.strict]
provider = "{provider}"
model = "m"
base_url = "{judge}"
api_key = {{ env = "KEY" }}
concurrency = 32
price = {{ input = 1.0, output = 5.0, cached_input = 0.1 }}
[judging]
panel = ["strict"]
"""


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_most_of_the_input_of_a_run_of_200_cases_is_read_from_the_cache(tmp_path: Path, provider: str) -> None:
    cache = PrefixCache()
    ruling = judging(by_reference())
    async with ProviderServer(SamplingModel()) as target, ProviderServer(judge=ruling, cache=cache) as judge:
        root = f"{judge.url}/v1" if provider == "openai" else judge.url
        text = TOML.format(cases=SAMPLE, target=target.url, provider=provider, judge=root)
        (tmp_path / "config.toml").write_text(text, encoding="utf-8")
        database = open_database(databases.filled(tmp_path))
        app = wiring.build(load_config(tmp_path / "config.toml", {}), {"KEY": "k-0123"}, database)
        (done,) = (await run_now(app, list(app.sites.values()))).done
        with database.read() as connection:
            rows = list(connection.execute(judgement.select()))
        database.close()
    assert done.verdict.judged is not None
    assert (done.verdict.answers, len(rows), judge.count) == (200, 200, 200)
    given, read = (sum(getattr(row, name) for row in rows) for name in ("input_tokens", "cached_input_tokens"))
    assert (given, read) == (cache.input, cache.cached)
    print(f"{provider}: {read / given:.1%} of {given} tokens of input came from the cache")
    assert read / given >= 0.6
    # Of all questions the first alone wrote what the others read.
    assert [row.cached_input_tokens for row in rows].count(0) == 1
    said = sum(row.output_tokens for row in rows)
    assert done.verdict.judged.usd == pytest.approx((given - 0.9 * read + 5.0 * said) / 1e6)
    assert datetime.now(UTC) >= rows[-1].judged_at

"""The configuration in force: read at the start and at each reload; a bad file changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from monitor import wiring
from monitor.config.faults import ConfigError, FaultsError
from monitor.config.load import load_config, read_content
from monitor.config.outputs import database_url
from monitor.config.places import fault_at
from monitor.config.secrets import SecretError
from monitor.store import postgresql
from monitor.web.service import Token

if TYPE_CHECKING:
    from monitor.config.models import Config

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InForce:
    """One good reading: the file's bytes, what they mean, the secrets of the tokens, and where the database is."""

    content: bytes
    config: Config
    tokens: Mapping[str, Token]
    url: str = field(repr=False)


class Settings:
    """What the daemon works by. `fault` says why the newest file was refused, where it was."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        """Raises FaultsError or SecretError where the file cannot be used at all."""
        self._path = path
        self._environ = environ
        self.fault: str | None = None
        self._now = self._read()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._now.config

    @property
    def content(self) -> bytes:
        """The file's bytes as they were when they were good: what a child works by, whatever the file holds by then."""
        return self._now.content

    @property
    def tokens(self) -> Mapping[str, Token]:
        """The tokens in force, by name."""
        return self._now.tokens

    def reload(self) -> bool:
        """Read the file again; False, with `fault` set and everything as it was, where it cannot be used."""
        try:
            new = self._read()
            self._same_database(new)
        except (FaultsError, SecretError) as error:
            self.fault = str(error)
            logger.error(
                "the configuration was not reloaded, the one before stays in force", extra={"fault": str(error)}
            )
            return False
        for what in self._needs_a_restart(new):
            logger.warning("this change takes a restart", extra={"setting": what})
        self.fault = None
        self._now = new
        logger.info("the configuration was reloaded", extra={"path": str(self._path)})
        return True

    def _read(self) -> InForce:
        content = read_content(self._path)
        config = load_config(self._path, self._environ, content)
        url = database_url(config, self._environ)
        return InForce(content, config, wiring.tokens(config, self._environ), url)

    def _same_database(self, new: InForce) -> None:
        """Refuse another database: a child would go over to it at once, and ask anew what the old one has stored."""
        if postgresql.describe(make_url(new.url)) != postgresql.describe(make_url(self._now.url)):
            why = "names another database, which takes a restart of `heldout serve`"
            raise ConfigError([fault_at(self._path, ("database", "url"), why)])

    def _needs_a_restart(self, new: InForce) -> list[str]:
        keys = []
        # Another password for the same database, or other options.
        if new.url != self._now.url:
            keys.append("[database] url")
        if new.config.web.listen != self._now.config.web.listen:
            keys.append("[web] listen")
        return keys

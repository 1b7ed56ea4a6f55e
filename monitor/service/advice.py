"""What an administrator is told beside the unit files: what will not work as it stands, and each step to take."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from monitor.config.fields import Secret
from monitor.config.listening import split_listen
from monitor.config.models import CommandTarget, Config
from monitor.config.outputs import database_url
from monitor.config.places import fault_at
from monitor.config.secrets import references
from monitor.service import sandbox
from monitor.service.units import CREDENTIALS, STATE, Service, place

# Where systemd looks for units of the system.
LOOKED_AT = tuple(map(Path, ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system")))
_ENVIRONMENT = {"STATE_DIRECTORY": str(STATE)}


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do, and the commands for it."""

    what: str
    commands: tuple[str, ...]


def credentials(config: Config) -> tuple[str, ...]:
    """The names of the credentials that the configuration refers to, in its order, each once."""
    return tuple(dict.fromkeys(secret.credential for _, secret in references(config) if secret.credential is not None))


def database(config: Config) -> str:
    """Where the service's database is, in words."""
    url = config.database.url
    if isinstance(url, Secret):
        return f"at the address in {url}"
    if not url.lower().startswith("sqlite"):
        return url
    return unquote(database_url(config, _ENVIRONMENT).removeprefix("sqlite:///"))


def warnings(config: Config, service: Service) -> list[str]:
    """What the service could not do, or not see, with the remedy; one sentence or two each."""
    return [
        *_secrets(config, service),
        *_files(config, service),
        *_database(config),
        *_programs(config),
        *_port(config),
    ]


def _secrets(config: Config, service: Service) -> Iterator[str]:
    for where, secret in references(config):
        if secret.env is not None:
            remedy = (
                f'a service has none of your shell\'s variables. Better: {{ credential = "{secret.env.lower()}" }}, '
                "then this command again. Else put a file with NAME=value into a drop-in, as EnvironmentFile=, of both "
                "services."
            )
            yield str(fault_at(config.path, where, f"{secret}: {remedy}"))
        elif secret.file is not None and _out_of_reach(secret.file, service):
            remedy = f"the service cannot read it, nor should its user. Better: {{ credential = … }}; see {CREDENTIALS}"
            yield str(fault_at(config.path, where, f"{secret}: {remedy}."))


def _out_of_reach(path: Path, service: Service) -> bool:
    seen = not sandbox.is_hidden(path) or any(path.is_relative_to(top) for top in service.shown)
    return not seen or sandbox.unreadable(path, service.shown) is not None


def _files(config: Config, service: Service) -> Iterator[str]:
    for path in (service.program, config.path, *sandbox.input_paths(config)):
        closed = sandbox.unreadable(path, service.shown)
        if closed is not None:
            how = "a+rx" if closed.is_dir() or closed == service.program else "a+r"
            there = "" if closed == path else f", because of {closed}"
            yield f"{path} cannot be read by the service's user{there}: chmod {how} {shlex.quote(str(closed))}"
    lost = [path for path in (service.program, config.path) if sandbox.is_temporary(path)]
    if lost:
        yield f"{lost[0]} lies where files are deleted when the machine starts: install heldout in /opt/heldout."
    elif service.shown:
        shown = ", ".join(map(str, service.shown))
        yield f"heldout lies where services see nothing; the units show, read-only: {shown}. /opt is a better place."


def _database(config: Config) -> Iterator[str]:
    url = config.database.url
    if isinstance(url, Secret) or not url.startswith("sqlite:///"):
        return
    path = Path(unquote(url.removeprefix("sqlite:///")))
    if path.is_absolute() and not path.is_relative_to(STATE):
        yield (
            f"[database] url: the service may write below {STATE} alone, and {path} is not there: name it "
            f'relative, as in "sqlite:///{path.name}".'
        )
        return
    here = config.path.parent / path
    if not path.is_absolute() and here.is_file():
        yield (
            f"{here} is there already. The service begins with a database of its own; to go on with this one, before "
            f"the first start: sudo install -D -m 600 {shlex.quote(str(here))} {shlex.quote(str(STATE / path))}"
        )


def _programs(config: Config) -> Iterator[str]:
    for name, target in config.targets.items():
        if isinstance(target, CommandTarget) and sandbox.is_hidden(Path(target.command[0])):
            remedy = "install it in /usr/local or /opt"
            yield f"[targets.{name}] command: the service does not see {target.command[0]}: {remedy}."


def _port(config: Config) -> Iterator[str]:
    _, port = split_listen(config.web.listen)
    if 0 < port < 1024:
        yield f"[web] listen: the service may not open port {port}: name one from 1024 on, behind a reverse proxy."


def steps(config: Config, service: Service, directory: Path) -> list[Step]:
    """What to do now, in this order; the commands can be copied."""
    program, path = shlex.quote(str(service.program)), shlex.quote(str(service.config))
    found: list[Step] = []
    if directory not in LOOKED_AT:
        units = shlex.join(
            str(directory / name) for name in ("heldout.service", "heldout-run.service", "heldout-run.timer")
        )
        found.append(Step("Put the units where systemd looks.", (f"sudo cp {units} {LOOKED_AT[0]}/",)))
    if service.credentials:
        what = "Write each secret into a file that only root reads (paste it, Enter, Ctrl-D); systemd hands it on."
        to = (f"sudo install -D -m 600 /dev/stdin {CREDENTIALS / name}" for name in service.credentials)
        found.append(Step(what, (f"sudo install -d -m 700 {CREDENTIALS}", *to)))
    as_service = _as_service(service)
    look = f"sudo STATE_DIRECTORY={STATE} {program}"
    return [
        *found,
        Step(
            "Start them now, and at every start of the machine: the daemon, and the hourly pass that stands in for it.",
            ("sudo systemctl daemon-reload", "sudo systemctl enable --now heldout.service heldout-run.timer"),
        ),
        Step(
            "See how it stands, and what it says.",
            ("systemctl status heldout", "journalctl -u heldout -u heldout-run -f"),
        ),
        Step(
            f"Ask with the service's own settings: the database is {database(config)}.",
            (f"{look} status --config {path}",),
        ),
        Step(
            "What writes, such as a baseline, runs as the service's user.",
            (f"{as_service} {program} baseline collect TARGET SUITE --config {path}",),
        ),
        Step(
            "After a change of the configuration; a bad one is refused, and the old one stays.",
            ("sudo systemctl reload heldout",),
        ),
    ]


def _as_service(service: Service) -> str:
    """How to start a program as the service's user: what root wrote in its folder, the service could not change."""
    settings = ["DynamicUser=yes", "User=heldout", "StateDirectory=heldout", "UMask=0077"]
    settings += [f"LoadCredential={name}:{CREDENTIALS / name}" for name in service.credentials]
    if service.shown:
        settings += ["ProtectHome=tmpfs", *(f"BindReadOnlyPaths={place(str(path))}" for path in service.shown)]
    return "sudo systemd-run --pty --collect " + " ".join(f"-p {shlex.quote(setting)}" for setting in settings)

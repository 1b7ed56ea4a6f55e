"""`heldout install-service`: the units for this installation, written and explained."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor import process, session
from monitor.options import CONFIG, AsJson, ConfigPath

if TYPE_CHECKING:
    from monitor.service.advice import Step
    from monitor.service.install import File

# A remedy that can be copied, at the end of a warning.
_COMMAND = re.compile(r"(?<=: )(?:sudo|chmod) .*$")
_DIRECTORY = Path("/etc/systemd/system")


def install_service(
    config: ConfigPath = CONFIG,
    directory: Annotated[Path, typer.Option("--directory", help="Where the units go.")] = _DIRECTORY,
    force: Annotated[bool, typer.Option("--force", help="Also replace files that somebody has changed.")] = False,
    print_only: Annotated[bool, typer.Option("--print", help="Print the units, and write nothing.")] = False,
    json: AsJson = False,
) -> None:
    """Write the systemd units of this installation, say what will not work, and what to do next."""
    from monitor import __version__
    from monitor.service import advice, install, sandbox
    from monitor.service.shipped import UNITS, shipped
    from monitor.service.units import Service, fit

    loaded = session.load(config)
    program = _program()
    directory = directory.absolute()
    service = Service(program, loaded.path, advice.credentials(loaded), sandbox.to_show(program, loaded))
    texts = {name: install.marked(fit(shipped(name), service), __version__) for name in UNITS}
    if print_only:
        files = [install.File(directory / name, text, "new") for name, text in texts.items()]
    else:
        files = install.plan(directory, texts)
        install.write(directory, files, force=force, remedy=_remedy(program, loaded.path))
    said = advice.warnings(loaded, service)
    steps = advice.steps(loaded, service, directory)
    with process.result_stands():
        if json:
            _as_json(files, said, steps, advice.database(loaded), printed=print_only)
        elif print_only:
            _print(files, said)
        else:
            _explain(files, said, steps)


def _program() -> Path:
    """The `heldout` that is running, without links: the service starts this one."""
    from monitor.service.units import executable

    found = shutil.which(sys.argv[0])
    if found is None:
        raise typer.BadParameter(f"{sys.argv[0]} is no program that a service could start: call it as `heldout`")
    program = Path(found).resolve()
    try:
        executable(str(program))
    except ValueError as error:
        raise typer.BadParameter(f"{program}: {error}: install heldout elsewhere, such as in /opt/heldout") from None
    return program


def _remedy(program: Path, config: Path) -> str:
    import shlex

    command = shlex.join([str(program), "install-service", "--config", str(config)])
    return f"say `sudo {command}`; or write elsewhere with --directory, or see the units with --print"


def _print(files: list[File], warnings: list[str]) -> None:
    for file in files:
        typer.echo(f"# {file.path.name}\n{file.text}")
    for warning in warnings:
        typer.echo(f"! {warning}", err=True)


def _explain(files: list[File], warnings: list[str], steps: list[Step]) -> None:
    from monitor import show

    words = {"new": "wrote", "same": "unchanged:", "update": "updated", "changed": "replaced"}
    for file in files:
        typer.echo(f"{words[file.state]} {show.plain(str(file.path))}")
    for warning in warnings:
        remedy = _COMMAND.search(warning)
        show.line(f"! {warning[: remedy.start()] if remedy else warning}", colour="yellow")
        if remedy:
            typer.echo(f"   {show.plain(remedy[0])}")
    for number, step in enumerate(steps, 1):
        typer.echo()
        show.line(f"{number}. {step.what}")
        for command in step.commands:
            # Not wrapped: it is there to be copied.
            typer.echo(f"   {show.plain(command)}")


def _as_json(files: list[File], warnings: list[str], steps: list[Step], database: str, *, printed: bool) -> None:
    from monitor import show

    told = [
        {
            "path": str(file.path),
            "state": "printed" if printed else file.state,
            **({"text": file.text} if printed else {}),
        }
        for file in files
    ]
    todo = [{"what": step.what, "commands": list(step.commands)} for step in steps]
    show.json_out({"schema": 1, "files": told, "warnings": warnings, "database": database, "steps": todo})

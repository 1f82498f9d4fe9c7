"""All commands of `datacentre`, each a thin reading of one stage or service."""

import logging

import typer

from datacentre.cli import (
    agreement,
    alerts,
    audit,
    backfill,
    backup,
    contract,
    demo,
    docs,
    erase,
    extract,
    gateway,
    hold,
    ingest,
    marts,
    persons,
    pull,
    quarantine,
    registry,
    release,
    resume,
    serve,
    services,
    status,
    trace,
    upkeep,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="The common data centre: agency records from Kafka through a checked lake to shared marts.",
)

# What a client library says of a lost connection reaches the user as one line of ours.
logging.getLogger("kafka").setLevel(logging.CRITICAL)

for command in (
    services.up,
    services.down,
    status.status,
    alerts.alerts,
    services.supervise,
    ingest.send,
    pull.pull,
    ingest.simulate,
    ingest.sink,
    resume.resume,
    gateway.gateway,
    serve.serve,
    extract.extract,
    persons.lookup,
    persons.who_read,
    marts.check,
    marts.build,
    marts.examine,
    marts.query,
    trace.trace,
    ingest.verify,
    marts.forget,
    upkeep.upkeep,
    upkeep.retain,
    backfill.backfill,
    backup.backup,
    backup.restore,
    demo.demo,
):
    app.command()(command)
app.add_typer(audit.app, name="audit")
app.add_typer(agreement.app, name="agreement")
app.add_typer(contract.app, name="contract")
app.add_typer(docs.app, name="docs")
app.add_typer(erase.app, name="erase")
app.add_typer(hold.app, name="hold")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(registry.app, name="registry")
app.add_typer(release.app, name="release")
app.add_typer(gateway.keys, name="gateway-key")
app.add_typer(serve.keys, name="access-key")

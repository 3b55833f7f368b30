"""`c4 demo up`: deploy, place calls through each tenant, and kill a router during a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from demo import report
from demo.calls import Exchange, Round
from demo.cluster import Health, LocalDeployment
from demo.deploy import Deploying, deploy, log_file, settle
from demo.fault import kill_router
from demo.internet import Internet
from demo.router_confd import provision, record_counts
from demo.scenarios import others
from demo.voice import voice
from host.progress import Board
from lab.api import Lab
from settings import Deployment, Tenant

VOICE_SECONDS = 5
OTHER_CALLS, OTHER_RATE = 5, 5.0  # of each further kind through each SBC, per second
RECORDS_LIMIT_S = 25.0


def up(
    console: Console, lab: Lab, deployment: Deployment, deployment_file: Path, *, calls: bool = True
) -> bool:
    """Deploy and place calls. True when every instance is healthy and no call failed.

    Raises `CommandError` or `HostError` when it cannot continue.
    """
    began = time.monotonic()
    cluster = LocalDeployment(lab, deployment)
    log = log_file(lab)
    reports: list[report.TenantReport] = []
    with Board(console, log) as board, ThreadPoolExecutor(thread_name_prefix="apply") as pool:
        rolled_out = settle(board, lab)
        deploying = deploy(board, pool, lab, deployment, deployment_file)
        try:
            if rolled_out:  # Terraform may be about to replace instances
                _finish(board, deploying)
            with board.step("Consul checks") as step:
                cluster.wait_healthy(step.say, check=deploying.check)
            setup_s = time.monotonic() - began
            if calls:
                internet = Internet.of(lab)
                for tenant in deployment.tenants:
                    reports.append(call_tenant(board, cluster, tenant, internet))
            with board.step("Consul checks at the end") as step:
                health = cluster.wait_healthy(step.say, check=deploying.check)
            _finish(board, deploying)
        finally:
            for future in deploying.futures.values():
                future.cancel()
    total_s = time.monotonic() - began
    judged = lab.judged()
    lines = [
        *report.judged(judged),
        f"from the command to all checks passing: {setup_s:.0f} s; with all calls: {total_s:.0f} s",
    ]
    report.show(console, cluster, health, reports, lines, report.further(lab.names.lab, str(log)))
    return verdict(console, health, reports, denied=judged.denied)


def call_tenant(
    board: Board,
    cluster: LocalDeployment,
    tenant: Tenant,
    internet: Internet,
    *,
    fault: bool = True,
) -> report.TenantReport:
    """Place calls of every kind through one tenant."""
    result = report.TenantReport(tenant.name)
    folder = cluster.lab.names.state / "calls" / tenant.name
    with board.step(f"{tenant.name}: routing data in router-confd") as step:
        step.say(provision(cluster, tenant))
    with Exchange(cluster, tenant, internet, folder) as exchange:
        with board.step(f"{tenant.name}: inbound calls") as step:
            for place in (exchange.by_did, exchange.by_domain):
                result.rounds.append(place(calls=10))
                step.say(_progress(result.rounds))
        with board.step(f"{tenant.name}: outbound and refused calls, a call with voice") as step:
            kinds = others(exchange.outbound)
            with exchange.placing(kinds, OTHER_CALLS, OTHER_RATE) as placing:
                result.voice = voice(exchange, VOICE_SECONDS, step.say)
                result.rounds += placing.wait()
            step.say(_progress(result.rounds[-len(kinds) :]))
        if fault:
            with board.step(f"{tenant.name}: power cut of a router during a call") as step:
                result.failover = kill_router(cluster, tenant, exchange, step.say)
    with board.step(f"{tenant.name}: call records") as step:
        _wait_for_records(cluster, tenant, result, step.say)
    return result


def _progress(rounds: list[Round]) -> str:
    succeeded = sum(round.succeeded for round in rounds)
    return f"{succeeded} of {sum(round.placed for round in rounds)} calls ended as expected"


def _wait_for_records(
    cluster: LocalDeployment,
    tenant: Tenant,
    result: report.TenantReport,
    say: Callable[[str], None],
) -> None:
    """Wait for the records of all calls; a router sends unconfirmed ones again after 10 s."""
    end = time.monotonic() + RECORDS_LIMIT_S
    while True:
        result.records = record_counts(cluster, tenant)
        say(f"{sum(result.recorded(r) for r in result.all_rounds)} records of these calls")
        if result.records_ok or time.monotonic() > end:
            return
        time.sleep(1)


def _finish(board: Board, deploying: Deploying) -> None:
    """Wait until Terraform has applied the remaining stacks."""
    if deploying.running:
        with board.step("Terraform's own waits") as step:
            while deploying.running:
                step.say(f"still applying: {', '.join(deploying.running)}")
                time.sleep(0.5)
    deploying.check()


def verdict(
    console: Console, health: Health, reports: list[report.TenantReport], *, denied: int
) -> bool:
    """Print and return whether everything succeeded; `denied` is the number of calls to AWS."""
    failed = sum(round.failed for one in reports for round in one.all_rounds)
    placed = sum(round.placed for one in reports for round in one.all_rounds)
    ok = health.ok and all(one.ok for one in reports) and not denied
    if ok:
        kinds = {round.kind.title for one in reports for round in one.all_rounds}
        recorded = sum(one.recorded(round) for one in reports for round in one.all_rounds)
        calls = (
            f"; {placed} calls of {len(kinds)} kinds, none failed; {recorded} call records"
            if reports
            else ""
        )
        console.print(f"[bold green]OK[/]: {health.summary}{calls}", soft_wrap=True)
    else:
        calls = f"; {failed} of {placed} calls failed" if reports else ""
        if not all(one.records_ok for one in reports):
            calls += "; call records are missing or double"
        if denied:
            calls += f"; IAM denied {denied} calls of instances to AWS"
        console.print(f"[bold red]FAILED[/]: {health.summary}{calls}", soft_wrap=True)
    return ok

"""A snapshot as metrics.

Amounts are in ether, as floating point numbers; `infernet status --json` has the exact ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from infernet.chain.endpoints import EndpointStatus
from infernet.chain.records import Wei

from .snapshot import Duty, Role, Snapshot, Turn

_WEI_PER_ETHER = 10**18
# A counter that only appears with its first fault would hide that one from `increase`.
_FAULTS = ("refused", "timeout", "http", "throttled", "malformed", "stale", "disagrees")

Samples = Mapping[str, float]


def families(snapshot: Snapshot, age_seconds: float) -> Iterator[Metric]:
    """Yield everything that a snapshot of so many seconds ago says."""
    yield from _tasks(snapshot)
    yield from _money(snapshot)
    yield from _disputes(snapshot, age_seconds)
    yield from _transactions(snapshot)
    yield from _coverage(snapshot)
    yield gauge("infernet_head_block", "Latest block that was seen", snapshot.block)


def network(endpoints: Sequence[EndpointStatus]) -> Iterator[Metric]:
    """Yield how the nodes fare."""
    text = "Failures of a node: " + ", ".join(_FAULTS)
    faults = CounterMetricFamily("infernet_rpc_faults", text, labels=["endpoint", "kind"])
    for endpoint in endpoints:
        for kind, count in {**dict.fromkeys(_FAULTS, 0), **endpoint.faults}.items():
            faults.add_metric([endpoint.name, kind], count)
    yield faults
    shunned = {endpoint.name: float(endpoint.is_shunned) for endpoint in endpoints}
    yield gauges("infernet_rpc_shunned", "1 while others are asked first", "endpoint", shunned)
    delays = {e.name: e.latency_seconds for e in endpoints if e.latency_seconds is not None}
    yield gauges("infernet_rpc_latency_seconds", "Smoothed time to answer", "endpoint", delays)


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, label: str, samples: Samples) -> Metric:
    """Return a gauge with one label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in samples.items():
        family.add_metric([value], number)
    return family


def counters(name: str, text: str, label: str, samples: Samples) -> Metric:
    """Return a counter with one label."""
    family = CounterMetricFamily(name, text, labels=[label])
    for value, number in samples.items():
        family.add_metric([value], number)
    return family


def ether(amount: Wei) -> float:
    """Return an amount in ether, rounded to a floating point number."""
    return amount / _WEI_PER_ETHER


def _tasks(snapshot: Snapshot) -> Iterator[Metric]:
    tasks = snapshot.tasks
    open_now = {"claimed": tasks.claimed, "asserted": tasks.asserted, "disputed": tasks.disputed}
    ended = {"final": tasks.final, "slashed": tasks.slashed, "expired": tasks.expired}
    accepted = {model.name: model.accepted for model in snapshot.models}
    yield gauges("infernet_tasks", "Own tasks that are open, by state", "state", open_now)
    yield counters("infernet_tasks_ended", "Own tasks that ended", "outcome", ended)
    yield counters("infernet_results_accepted", "Own final results", "model", accepted)
    if snapshot.capacity:
        most, stake = snapshot.capacity.max_tasks, ether(snapshot.capacity.stake_wei)
        yield gauge("infernet_tasks_in_work", "Tasks claimed or not final", tasks.in_work)
        yield gauge("infernet_tasks_max", "Tasks that may be in work", most)
        yield gauge("infernet_task_stake_ether", "Stake that one more task needs", stake)


def _money(snapshot: Snapshot) -> Iterator[Metric]:
    money = snapshot.money
    income = {"fee": money.fees_wei, "reward": money.rewards_wei, "other": money.other_wei}
    losses = {"paid": money.paid_wei, "burned": money.burned_wei}
    yield gauge("infernet_wallet_ether", "Held outside the vault", ether(money.wallet_wei))
    yield gauge("infernet_vault_free_ether", "Free in the vault", ether(money.free_wei))
    yield gauge("infernet_vault_locked_ether", "Locked in the vault", ether(money.locked_wei))
    yield gauge("infernet_reserve_ether", "Gas of one dispute today", ether(money.reserve_wei))
    in_ether = {kind: ether(amount) for kind, amount in income.items()}
    yield counters("infernet_income_ether", "What others paid, in the vault", "kind", in_ether)
    in_ether = {kind: ether(amount) for kind, amount in losses.items()}
    yield counters("infernet_losses_ether", "What was paid or burned", "kind", in_ether)
    if money.gas_wei is not None:
        spent = ether(money.gas_wei)
        yield CounterMetricFamily("infernet_gas_ether", "What transactions paid", value=spent)


def _disputes(snapshot: Snapshot, age_seconds: float) -> Iterator[Metric]:
    turns = Counter(dispute.turn for dispute in snapshot.disputes)
    ended = {"won": snapshot.games_won, "lost": snapshot.games_lost}
    least: dict[str, float] = {}
    for due in snapshot.dues:
        least.setdefault(due.duty, due.seconds_left - age_seconds)
    waiting = {str(turn): float(turns[turn]) for turn in Turn}
    yield gauges("infernet_disputes", "Games that are not settled", "turn", waiting)
    yield counters("infernet_disputes_ended", "Games that were decided", "outcome", ended)
    duties = ", ".join(Duty)
    text = f"Least time left for an own duty ({duties}); absent when there is none"
    yield gauges("infernet_due_seconds", text, "duty", least)


def _transactions(snapshot: Snapshot) -> Iterator[Metric]:
    found = snapshot.transactions
    if found:
        states = {"waiting": found.waiting, "unconfirmed": found.unconfirmed}
        yield gauges("infernet_transactions_open", "Transactions not settled", "state", states)
        results = {"succeeded": found.included - found.failed, "failed": found.failed}
        yield counters("infernet_transactions", "Transactions in blocks", "result", results)


def _coverage(snapshot: Snapshot) -> Iterator[Metric]:
    if snapshot.role is not Role.FISHERMAN or snapshot.coverage is None:
        return
    found = snapshot.coverage
    outcomes = {
        "checked": found.checked,
        "late": found.late,
        "skipped": found.skipped,
        "unheld": found.unheld,
    }
    yield counters("infernet_results_seen", "Results of others, by outcome", "outcome", outcomes)
    false = found.false
    yield CounterMetricFamily("infernet_results_false", "Results found false", value=false)

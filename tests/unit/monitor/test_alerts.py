"""Which reports and errors become alerts, how often, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from infernet.actors.report import Position, Report
from infernet.chain.errors import ChainUnavailable, InsufficientBalance, RetryableChainError
from infernet.chain.records import Address, AssertionId, GameId, Seconds
from infernet.monitor.alerts import SEVERITIES, Alert, Alerts, LogSink, Severity

ADDRESS = Address("0x00000000000000000000000000000000000000Aa")


@dataclass
class Drawer:
    """A sink that keeps what it is given."""

    alerts: list[Alert] = field(default_factory=list)

    def put(self, alert: Alert) -> None:
        self.alerts.append(alert)

    @property
    def events(self) -> list[str]:
        return [alert.event for alert in self.alerts]


def report(event: str, assertion: int = 1, position: Position | None = None) -> Report:
    assertion_id = AssertionId(bytes([assertion]) * 32)
    what = "does something"
    return Report(
        actor="fisherman",
        address=ADDRESS,
        event=event,
        what=what,
        assertion_id=assertion_id,
        position=position,
    )


def test_an_alert_names_what_it_is_about() -> None:
    drawer = Drawer()
    position = Position(GameId(b"\x07" * 32), 0, 9, Seconds(1), Seconds(2), Seconds(3))
    Alerts([drawer]).on_report(report("turn_due_soon", position=position))
    (alert,) = drawer.alerts
    assert alert.severity is Severity.ERROR
    assert alert.summary == "fisherman does something"
    assert alert.ids == {
        "account": ADDRESS,
        "assertion_id": "0x" + "01" * 32,
        "game_id": "0x" + "07" * 32,
    }


def test_what_needs_nobody_is_no_alert() -> None:
    drawer = Drawer()
    alerts = Alerts([drawer])
    for event in ("result_checked", "dissected", "overtaken", "result_skipped"):
        alerts.on_report(report(event))
    assert drawer.alerts == []


def test_a_matter_is_told_once_and_another_for_itself() -> None:
    drawer = Drawer()
    alerts = Alerts([drawer])
    for number in range(5):
        alerts.on_report(report("too_costly", 1))
        alerts.on_report(report("too_costly", 2))
        # Of these a stranger could cause any number.
        alerts.on_report(report("insufficient_funds", number))
    assert drawer.events == ["too_costly", "too_costly", "insufficient_funds"]
    assert alerts.raised == {"too_costly": 2, "insufficient_funds": 1}


def test_a_matter_that_goes_on_is_told_again() -> None:
    drawer = Drawer()
    alerts = Alerts([drawer], repeat_seconds=0)
    for _ in range(3):
        alerts.on_report(report("too_costly"))
    assert drawer.events == ["too_costly"] * 3


def test_a_flood_of_matters_does_not_fill_the_memory() -> None:
    alerts = Alerts([])
    for number in range(3_000):
        assertion = AssertionId(number.to_bytes(32))
        alerts.on_report(
            Report(actor="f", address=ADDRESS, event="too_costly", what="", assertion_id=assertion)
        )
    assert len(alerts._told) == 1_000
    assert alerts.raised == {"too_costly": 3_000}


def test_an_endpoint_that_fails_in_passing_is_no_alert_but_a_row_of_failures_is_one() -> None:
    drawer = Drawer()
    alerts = Alerts([drawer])
    alerts.on_error(RetryableChainError("once"))
    alerts.on_tick(0.1)
    assert drawer.events == []
    for _ in range(9):
        alerts.on_error(ChainUnavailable("gone"))
    assert drawer.events == ["rpc_trouble"]
    alerts.on_tick(0.1)
    alerts.on_tick(0.1)
    assert drawer.events == ["rpc_trouble", "rpc_back"]


def test_an_empty_purse_is_an_alert_that_says_how_much_is_missing() -> None:
    drawer = Drawer()
    alerts = Alerts([drawer])
    for _ in range(3):
        alerts.on_error(InsufficientBalance("holds 1 ETH, but 2 ETH are needed"))
    (alert,) = drawer.alerts
    assert (alert.event, alert.severity) == ("insufficient_funds", Severity.ERROR)
    assert "2 ETH" in alert.summary


def test_the_log_has_each_alert_at_its_level() -> None:
    with structlog.testing.capture_logs() as logs:
        alerts = Alerts([LogSink()])
        for event in SEVERITIES:
            alerts.on_report(report(event))
    assert {entry["event"]: entry["log_level"] for entry in logs} == {
        event: severity.name.lower() for event, severity in SEVERITIES.items()
    }
    assert all(entry["assertion_id"] == "0x" + "01" * 32 for entry in logs)

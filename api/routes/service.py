"""How the gateway fares: for people, balancers and Prometheus; and what its problems mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ..errors import GatewayError
from ..problems import BY_NAME, ROOT, TABLE, Problem, answer, answers
from ..schemas.views import HealthView, ProblemKindsView, ProblemKindView, StatusView
from ..service.health import Condition
from .seam import OPEN, STORED, Anyone, TheGateway

router = APIRouter(tags=["service"], dependencies=[Anyone])

# A turn may wait for a slow node; one that never comes back is found out after this.
_MOST_IDLE_SECONDS = 60.0


class _UnknownProblem(GatewayError):
    problem = "unknown-problem"


@router.get(
    "/health",
    summary="Whether it works",
    response_model=HealthView,
    responses=answers(*OPEN, *STORED, "not-following"),
)
def get_health(request: Request, gateway: TheGateway) -> HealthView | Response:
    """Answer 200 while the gateway follows the chain, else 503."""
    found = gateway.condition()
    if not found.turns or found.idle_seconds > _MOST_IDLE_SECONDS:
        since = f"for {found.idle_seconds:.0f} s" if found.turns else "yet"
        return answer("not-following", f"no turn went well {since}", request.url.path)
    return HealthView(status="ok")


@router.get(
    "/status",
    summary="How it fares and what it accepts",
    responses=answers(*OPEN, *STORED, "stopping"),
)
def get_status(gateway: TheGateway) -> StatusView:
    """Return figures, addresses and limits."""
    found, limits, contracts = gateway.condition(), gateway.settings, gateway.contracts
    return StatusView(
        chain_id=contracts.chain.chain_id,
        market=contracts.market.address,
        vault=contracts.vault.address,
        account=gateway.wallet.address,
        block=found.block,
        now=gateway.now(),
        waiting=found.waiting,
        listeners=found.listeners,
        idle_seconds=found.idle_seconds,
        disk_bytes=found.blob_bytes,
        most_disk_bytes=found.most_blob_bytes,
        fee_wei=str(limits.fee_wei),
        most_fee_wei=str(limits.most_fee_wei),
        deadline_seconds=limits.deadline_seconds,
        most_batch=limits.most_batch,
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus text",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **answers(*OPEN, *STORED, "stopping"),
    },
)
def get_metrics(request: Request, gateway: TheGateway) -> Response:
    """Return the figures; no label names a task or an account."""
    found = gateway.condition()
    waited = 0 if found.oldest_at is None else max(gateway.now() - found.oldest_at, 0)
    registry = CollectorRegistry()
    registry.register(_Figures(found, waited, request.app.state.answers.copy()))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


@router.get(ROOT, summary="List the kinds of problems", responses=answers(*OPEN))
def get_problems() -> ProblemKindsView:
    """Return every problem that an answer may have."""
    return ProblemKindsView(problems=[_kind(each) for each in TABLE])


@router.get(
    ROOT + "/{name}", summary="Get a kind of problem", responses=answers(*OPEN, "unknown-problem")
)
def get_problem(name: str) -> ProblemKindView:
    """Return what a problem's `type` means and what a client does about it."""
    if name not in BY_NAME:
        raise _UnknownProblem(f"no problem is called '{name[:80]}'")
    return _kind(BY_NAME[name])


def _kind(found: Problem) -> ProblemKindView:
    return ProblemKindView(type=found.type, status=found.status, title=found.title, help=found.help)


class _Figures(Collector):
    """A gateway's condition as metrics."""

    def __init__(
        self, condition: Condition, waited_seconds: int, answers: Mapping[int, int]
    ) -> None:
        self._condition, self._waited_seconds, self._answers = condition, waited_seconds, answers

    def collect(self) -> Iterator[Metric]:
        now = self._condition
        gauges = (
            ("followed_block", "Block up to which the chain was read", now.block),
            ("waiting_tasks", "Tasks accepted and not on chain yet", now.waiting),
            ("pool_members", "Miners that take work from here", now.members),
            (
                "oldest_waiting_seconds",
                "Since the first was accepted",
                self._waited_seconds,
            ),
            ("disk_bytes", "Inputs on disk", now.blob_bytes),
            ("most_disk_bytes", "Inputs that may be on disk", now.most_blob_bytes),
            ("listeners", "Streams of events", now.listeners),
            ("idle_seconds", "Since the last turn that went well, or the start", now.idle_seconds),
        )
        for name, text, value in gauges:
            yield GaugeMetricFamily(f"infernet_gateway_{name}", text, value)
        yield CounterMetricFamily("infernet_gateway_turns", "Turns that went well", now.turns)
        told = CounterMetricFamily("infernet_gateway_answers", "Answers", labels=["status"])
        # A counter that begins at one would show no increase.
        for status, count in sorted({202: 0, 500: 0, **self._answers}.items()):
            told.add_metric([str(status)], count)
        yield told
        text = "Turns spoiled, by the error's name"
        errors = CounterMetricFamily("infernet_gateway_errors", text, labels=["kind"])
        for kind, count in now.errors.items():
            errors.add_metric([kind], count)
        yield errors

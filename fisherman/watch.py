"""Notice results as they appear on chain, and decide which to check."""

from __future__ import annotations

from infernet.chain.connection import Chain, translated
from infernet.chain.feed import UNSETTLED_BLOCKS
from infernet.chain.market import AssertionFound
from infernet.chain.records import AssertionId, ProgramRoot, TaskId
from infernet.store.checks import Finding, Result

from .choose import is_sampled
from .means import Means


class Watch:
    """Enters every new result in the table; looks only when the chain has a new head."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._secret = means.signer.secret(b"infernet sample")
        self._is_new = means.checks.last_block() == 0
        self._next_block: int | None = None
        self._head: tuple[int, bytes] | None = None

    def look(self) -> None:
        """Enter what is new on chain."""
        contracts, checks = self._means.contracts, self._means.checks
        head = contracts.chain.head()
        if head == self._head:
            return
        if self._next_block is None:
            self._next_block = self._first_block()
            self._take_up()
        # A block that replaces one already read may bring what that one did not hold.
        since = max(contracts.deployment.block, self._next_block - UNSETTLED_BLOCKS)
        found = contracts.market.assertions(since)
        new = [self._entry(each) for each in found if not checks.knows(each.assertion_id)]
        self._enter([entry for entry in new if entry])
        for event in contracts.market.events("Revealed", since):
            checks.reveal(event["taskId"], event["assertionId"], event["windowEnd"])
        self._next_block, self._head, self._is_new = head[0] + 1, head, False

    def _first_block(self) -> int:
        """Return where to begin: after an absence whatever was missed is counted.

        A first start leaves alone what cannot be challenged any more.
        """
        if last := self._means.checks.last_block():
            return last
        means, contracts = self._means, self._means.contracts
        constants, games = contracts.market_constants, contracts.game_constants
        steps = max((held.header.most_steps for held in means.holdings.values()), default=0)
        window = constants.window_seconds + games.run_seconds(steps)
        longest = 2 * window + constants.reveal_seconds
        oldest = contracts.chain.next_timestamp() - longest
        return first_block_at(contracts.chain, oldest, contracts.deployment.block)

    def _take_up(self) -> None:
        """Turn to results of models that were not held when they were noticed."""
        means, new = self._means, []
        for result in means.checks.unheld(means.now()):
            if result.program_root in means.holdings:
                attempts = means.contracts.market.assertions(taskId=result.task_id)
                same = [each for each in attempts if each.assertion_id == result.assertion_id]
                new += [self._entry(each) for each in same]
        self._enter([entry for entry in new if entry])

    def _enter(self, entries: list[tuple[Result, Finding]]) -> None:
        self._means.checks.add(entries)
        for result, finding in entries:
            if finding is Finding.UNSAMPLED:
                self._means.say(
                    "result_skipped",
                    "leaves a result out of its sample",
                    task_id=TaskId(result.task_id),
                    assertion_id=AssertionId(result.assertion_id),
                )

    def _entry(self, found: AssertionFound) -> tuple[Result, Finding] | None:
        market = self._means.contracts.market
        requests = market.events("Requested", taskId=found.task_id)
        if not requests:
            # The node has not caught up with itself; the block is read again.
            return None
        request = requests[0]
        claims = market.events("Claimed", taskId=found.task_id, executor=found.executor)
        stakes = [c["stake"] for c in claims if c.block_number <= found.block_number]
        result = Result(
            found.assertion_id,
            found.task_id,
            bytes(request["programRoot"]),
            request["requester"] == found.executor,
            float(request["fee"] + (stakes[-1] if stakes else 0)),
            self._window_end(found),
            found.block_number,
        )
        return result, self._finding(result)

    def _window_end(self, found: AssertionFound) -> int:
        """Return when a result's window ends: a reveal begins it again."""
        contracts = self._means.contracts
        with contracts.feed.as_it_is():
            revealed = contracts.market.events("Revealed", assertionId=found.assertion_id)
        return int(revealed[-1]["windowEnd"]) if revealed else found.window_end

    def _is_over(self, result: Result) -> bool:
        """Say whether a window is over that no reveal can begin again."""
        if result.window_end >= self._means.now():
            return False
        contracts, named = self._means.contracts, {"assertionId": result.assertion_id}
        with contracts.feed.as_it_is():
            is_demanded = contracts.market.has_event("RevealDemanded", **named)
            ends = ("Revealed", "RevealTimedOut")
            is_ended = any(contracts.market.has_event(name, **named) for name in ends)
        return is_ended or not is_demanded

    def _finding(self, result: Result) -> Finding:
        if ProgramRoot(result.program_root) not in self._means.holdings:
            return Finding.UNHELD
        if self._is_new and self._is_over(result):
            # Its time was over before this fisherman began.
            return Finding.MOOT
        share = self._means.policy.sample
        is_chosen = is_sampled(self._secret, AssertionId(result.assertion_id), share)
        return Finding.UNCHECKED if is_chosen else Finding.UNSAMPLED


def first_block_at(chain: Chain, timestamp: int, low: int) -> int:
    """Return the first block from `low` on that is not older than `timestamp`."""
    high = chain.block_number()
    while low < high:
        middle = (low + high) // 2
        with translated("looking for a block by its time", chain.name):
            found = int(chain.web3.eth.get_block(middle)["timestamp"])
        low, high = (middle + 1, high) if found < timestamp else (low, middle)
    return low

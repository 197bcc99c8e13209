"""A task has its page from the moment that a gateway accepted it."""

from __future__ import annotations

from api.explorer.explorer import ChainExplorer
from api.store.records import TaskState
from tests.anvil import Anvil
from tests.api.office import ACCOUNT, funded_key, gateway_on, model_of, until, wish
from tests.survival.town import new_town


def test_a_task_is_shown_before_a_block_holds_it_and_follows_the_chain_after(
    anvil: Anvil, tmp_path
):
    town = new_town(anvil)
    with gateway_on(town, tmp_path, funded_key(anvil)) as gateway:
        explorer = ChainExplorer(gateway.contracts, [model_of(town.program)], gateway.task)
        anvil.automine(False)
        (task_id,) = gateway.accept(wish(town, 1), ACCOUNT).result(30).task_ids
        key = f"0x{task_id.hex()}"
        waiting = explorer.task(key)
        assert (waiting.state, waiting.history) == (TaskState.QUEUED, ())
        assert waiting.trouble
        assert waiting.model.name == "plain"
        anvil.automine(True)
        anvil.mine()
        until(lambda: bool(explorer.task(key).history), "the request's page from the chain")
        assert explorer.task(key).trouble == ""

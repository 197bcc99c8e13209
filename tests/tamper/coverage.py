"""What a design for disputes has to withstand, and which rows or other tests try it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """Something to try: names of rows, and tests elsewhere, of Python or Solidity."""

    what: str
    rows: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


def _item(what: str, *rows: str, tests: tuple[str, ...] = ()) -> Item:
    return Item(what, rows, tests)


ITEMS = (
    _item("another output", "cnn first byte", "encoder swapped", "decoder first token"),
    _item(
        "another halted flag",
        "cnn halted",
        "encoder halted",
        "decoder cut flag",
        "decoder set flag",
        "decoder denied flag",
    ),
    _item(
        "fewer or more iterations",
        "decoder one iteration less",
        "decoder stops before its end",
        "requests an iteration too many",
    ),
    _item(
        "the end of another task's run",
        "cnn other task",
        "encoder other task",
        "decoder other task",
    ),
    _item(
        "false at the first step, at the last",
        "cnn first step",
        "cnn last step",
        "decoder first step",
        "decoder last step",
    ),
    _item("false where a tensor begins", "cnn begin", "encoder begin", "decoder begin"),
    _item(
        "false in a step that reduces",
        "cnn conv reduce",
        "encoder matmul reduce",
        "decoder squares",
    ),
    _item(
        "false in a step that finishes", "cnn conv finish", "encoder logit", "decoder matmul finish"
    ),
    _item("false in a map", "cnn add", "encoder scale", "decoder rotate"),
    _item("false in a copy, an append", "encoder copy", "decoder copy", "decoder append"),
    _item(
        "false in what is kept and freed",
        "decoder keep",
        "cnn free",
        "encoder free",
        "decoder free",
    ),
    _item(
        "false in HALT, or after it",
        "decoder stop ignored",
        "decoder stop too early",
        "decoder stop in the prompt",
        "decoder halted tail",
    ),
    _item(
        "another weight, scale, rounding, entry of a table",
        "cnn weight",
        "cnn scale",
        "encoder rounding",
        "encoder table",
        "decoder embedding",
    ),
    _item(
        "another revision under the same name",
        "cnn weight",
        "encoder weight",
        "decoder weight",
        tests=("unit/models/test_models_store",),
    ),
    _item(
        "dirt behind the end of a tensor",
        "cnn padding",
        "encoder padding",
        "decoder padding",
        "roots dirty padding",
        "reveals dirty bytes",
    ),
    _item("a result cut or grown", "cuts a result", "cuts a story", "grows a result"),
    _item("a dissection of one part, or of too many", "one part", "a part less", "a part more"),
    _item("a dissection that stays at its length", "cuts the whole again", "cuts a single step"),
    _item("an end that the opponent said", "same end", "opens with the asserted end"),
    _item("another start", "another start", "another path", "the neighbour's place"),
    _item("a level left out", "skips a level", "proves too soon", "an inner node as a part"),
    _item(
        "out of turn, twice", "moves out of turn", "moves twice", "a friend moves", "opens twice"
    ),
    _item("late", "answers late", "answers late as challenger", "opens late", "asserts late"),
    _item(
        "a proof with too little gas",
        "starves a proof",
        "starves a proof more",
        "starves a proof as executor",
        tests=("twin/test_steps",),
    ),
    _item(
        "a challenger that lies",
        "cnn zeros",
        "encoder maximum",
        "decoder token challenge",
        "raves as challenger",
    ),
    _item(
        "one that says nothing more",
        "opens and stalls",
        "never answers",
        "never opens",
        "claims and is silent",
    ),
    _item(
        "many at once",
        "commits a hundred",
        "opens eight games",
        tests=("survival/test_crowd",),
    ),
    _item(
        "both sides by one player, to earn",
        "challenges itself",
        "challenges itself falsely",
        "shields itself",
    ),
    _item("another account after the reward", "comes second", "comes second to a commit"),
    _item(
        "another's challenge, copied", "copies a commit", "a friend opens", "claims priority late"
    ),
    _item("a commit in the last second", "commits in the last second", "opens in the last second"),
    _item("a commit opened in its own block", tests=("game/DisputeGame.t",)),
    _item("a result after its time", "asserts late", "claims and is silent"),
    _item("a claim twice", "claims twice", "claims another's task", "stakes twice"),
    _item(
        "a locked stake withdrawn",
        "withdraws a claim's stake",
        "withdraws a stake",
        "withdraws a lost stake",
        "withdraws its bond",
        "withdraws the fee",
    ),
    _item(
        "a signature used again, for another chain or market",
        "relays twice",
        "relays to another chain",
        "relays to another market",
        "relays the other form",
        tests=("attack/test_gateway",),
    ),
    _item("an input that nobody has", "hides an input", "hides a prompt", "reveals another input"),
    _item("a demand that delays", "demands for delay", "demands twice", "demands carried bytes"),
    _item(
        "paid, settled or final twice",
        "finalises twice",
        "takes a reward twice",
        "settles twice",
        "slashes twice",
        "reclaims twice",
    ),
    _item("an id used again", "requests the same again", "commits twice", "registers again"),
    _item(
        "a program that does not fit",
        "bends a descriptor",
        "understates its steps",
        "registers other operators",
    ),
    _item("a module's or a deployer's powers", "pays itself", "voids a result", "pauses requests"),
    _item(
        "a reorganisation that drops or replaces",
        tests=("attack/test_reorg", "survival/test_rpc"),
    ),
    _item("a node that lies, lags, fails, repeats", tests=("survival/test_rpc",)),
    _item("a restart in every state", tests=("survival/test_kill",)),
)

"""A gateway with models of text over HTTP, on a node of its own, and a miner that serves them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from openai import OpenAI

from api.access.guard import Scope
from api.access.keys import changing
from api.app import create_app, send_away
from api.opening import Office
from api.service.gateway import Gateway
from executor.actor import Executor
from executor.policy import Policy
from executor.registration import carry_out, plan
from infernet.actors.holdings import Holding, hold
from infernet.backend.conformance import require_conformance
from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.chain.connection import connect
from infernet.chain.deploy import deploy
from infernet.chain.deployment import Contracts
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import ProgramRoot, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config
from infernet.config.tables import DataTable
from infernet.models.pipeline import Model
from infernet.models.sequence.decoder import DecoderShape
from infernet.models.sequence.seeded import EncoderShape, seeded_encoder
from infernet.models.store import load_model, save_model
from infernet.models.text import Codec, Sampling
from infernet.models.text_import import TextOptions, import_decoder, import_encoder
from infernet.models.text_tokenizers import of_bytes
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from interpreter.program import Program
from tests.anvil import Anvil
from tests.api.explorer.scene import served
from tests.api.office import SETTINGS, funded_key, until
from tests.survival.town import BRISK
from tests.unit.models.plain_decoder import seeded

CONTEXT = 64
TALKER, EMBEDDER, SORTER = "talker", "embedder", "sorter"
# Tokens that the talker makes after "go" before its end token.
MADE = 7
_SEED = 5
_MOST_TASKS = 200
_RATE = 100_000.0
_POLL_SECONDS = 0.05
_SHAPE = DecoderShape(32, 40, 2, 4, 2, 258, CONTEXT)
_ENCODER = EncoderShape(64, 64, 2, 1, 258, 64, 2)


@dataclass
class Village:
    """The gateway as clients see it. `key`: may do all; `miner`: works while `is_open` is set."""

    url: str
    node: Anvil
    gateway: Gateway
    key: str
    reader: str
    poor: str
    data: Path
    models: dict[str, Model]
    codecs: dict[str, Codec]
    contracts: Contracts
    is_open: threading.Event = field(default_factory=threading.Event)

    def client(self, key: str | None = None) -> OpenAI:
        """Return the official client."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, timeout=60)

    def get(self, path: str) -> Any:
        """Return what the gateway answers in JSON."""
        answer = httpx.get(f"{self.url}{path}", headers=self.headers, timeout=20)
        assert answer.is_success, answer.text
        return answer.json()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def input(self, task_id: str) -> bytes:
        """Return the bytes that a task's program runs on."""
        return self.gateway.input(TaskId(bytes.fromhex(task_id[2:])))

    @contextmanager
    def later(self, act: Callable[[], object], seconds: float) -> Iterator[None]:
        """Do something after so long, while what is inside goes on."""
        timer = threading.Timer(seconds, act)
        timer.start()
        try:
            yield
        finally:
            timer.join()

    @staticmethod
    def until(is_so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        until(is_so, "what was waited for")

    def close_windows(self) -> None:
        """Let the time of challenges pass."""
        self.node.skip(BRISK.market.window_seconds + 1)


def models_in(folder: Path) -> dict[str, Path]:
    """Make a model that talks in bytes, one that embeds and one that classifies, and store them."""
    parts, calibration = of_bytes(is_encoder=False), list(range(200)) * 2
    options = TextOptions(TALKER, "seeded", positions=CONTEXT)
    _, talker = import_decoder(seeded(_SHAPE, _SEED), parts, options, calibration, folder=folder)
    # An end token that it makes soon, so that runs halt.
    asked = Codec.of(talker).encode_request("go", Sampling(12))
    output = open_engine(load_model(talker).program).run(asked.data, asked.iterations).output
    made = output.view("<i4")[len(asked.prompt) - 1 :].tolist()
    assert made.index(made[MADE]) == MADE
    parts = replace(parts, end_tokens=(made[MADE],))
    _, talker = import_decoder(
        seeded(_SHAPE, _SEED), parts, options, calibration, folder=folder, replace=True
    )
    found = {TALKER: talker}
    sentences = "one two three\nfour five\nsix seven eight nine"
    for name, has_classes in ((EMBEDDER, False), (SORTER, True)):
        real = seeded_encoder(_ENCODER, 3)
        real = real if has_classes else replace(real, classifier=None)
        labels = ("bad", "good") if has_classes else ()
        chosen = TextOptions(name, "seeded", positions=32, labels=labels)
        tokenizer = of_bytes(is_encoder=True)
        encoder = import_encoder(real, tokenizer, chosen, sentences)
        found[name] = save_model(encoder, folder=folder, tokenizer=tokenizer.tokenizer)
    return found


@contextmanager
def village_on(node: Anvil, folder: Path, places: dict[str, Path]) -> Iterator[Village]:
    """Deploy, register the models, serve the gateway and let a miner work."""
    models = [load_model(place) for place in places.values()]
    codecs = {name: Codec.of(place) for name, place in places.items()}
    deployer = node.wallet()
    contracts = deploy(deployer, BRISK)
    for model in models:
        contracts.registry.register(deployer, model.program)
    with _gateway_on(node, folder, models, codecs, contracts) as village, _working(village, models):
        yield village


@contextmanager
def _gateway_on(
    node: Anvil,
    folder: Path,
    models: list[Model],
    codecs: dict[str, Codec],
    contracts: Contracts,
) -> Iterator[Village]:
    with changing(folder) as keys:
        _, key = keys.create("all", list(Scope), rate=_RATE)
        _, reader = keys.create("reader", [Scope.TASKS_READ], rate=_RATE)
        _, poor = keys.create("poor", list(Scope), rate=_RATE, budget_wei=Wei(1))
    held: list[Gateway] = []
    secret = funded_key(node)

    @contextmanager
    def opener(config: Config) -> Iterator[Office]:
        chain, signer = connect(node.url), KeySigner.of_key(secret)
        file = account_file(folder, chain.chain_id, signer.address)
        with closing(open_database(file)) as database:
            journal = Journal(database, signer.address)
            wallet = Wallet(chain, signer, journal=journal, policy=SendPolicy(confirmations=0))
            view = Contracts(chain, contracts.deployment, database)
            settings = replace(SETTINGS, top_up_wei=Wei(10**18))
            gateway = Gateway.open(view, wallet, folder, models, settings, codecs)
            held.append(gateway)
            with closing(gateway):
                yield Office(gateway, models)

    app = create_app(Config(data=DataTable(dir=folder)), opener)
    with served(app, lambda: send_away(app)) as url:
        by_name = {model.manifest.name: model for model in models}
        yield Village(url, node, held[0], key, reader, poor, folder, by_name, codecs, contracts)


@contextmanager
def _working(village: Village, models: list[Model]) -> Iterator[None]:
    """Let a miner work on a thread while the village is open."""
    executor, is_over = _miner(village, models), threading.Event()

    def work() -> None:
        while not is_over.wait(_POLL_SECONDS):
            if village.is_open.is_set():
                executor.tick()

    village.is_open.set()
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(30)


def _miner(village: Village, models: list[Model]) -> Executor:
    node, wallet = village.node, village.node.wallet(100_000)
    view = Contracts(node.connect(), village.contracts.deployment)
    held = dict[ProgramRoot, Holding]()
    for model in models:
        held |= hold(view, model.program, partial(_run, model.program))
    stake = max(view.registry.floor(model.program) for model in models)
    policy, programs = (
        Policy(stake, _MOST_TASKS),
        {model.manifest.name: model.program for model in models},
    )
    carry_out(view, wallet, plan(view, wallet, policy, programs), programs)
    return Executor(view, wallet, held, policy, require_conformance())


def _run(program: Program, data: bytes, iterations: int = 1) -> Trace:
    return Trace(program, data, open_engine(program), iterations)

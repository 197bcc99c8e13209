"""A gateway as the settings ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from infernet.actors.opening import (
    open_account_database,
    open_chain,
    open_contracts,
    unlock,
    use_data_dir,
)
from infernet.backend.hashing import hash_bytes
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.config import Config
from infernet.models.pipeline import Model
from infernet.models.store import list_models, load_model
from infernet.models.text import Codec
from infernet.store.journal import Journal

from .access.limits import Limits
from .service.gateway import Gateway
from .service.pool import PoolSettings
from .service.terms import Settings

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Office:
    """A gateway and the models that are stored beside it."""

    gateway: Gateway
    models: Sequence[Model]


@contextmanager
def opened(config: Config) -> Iterator[Office]:
    """Give the gateway of the settings' account, not started, and close it afterwards.

    Raises ConfigError, KeyStoreError, ChainError, ModelError or StoreError.
    """
    folder = use_data_dir(config)
    names = config.infernet.models or [entry.name for entry in list_models()]
    models = [load_model(name, hash_bytes) for name in names]
    codecs = {
        model.manifest.name: Codec.of(name)
        for name, model in zip(names, models, strict=True)
        if model.manifest.text
    }
    chain = open_chain(config)
    signer = KeySigner(unlock(config))
    with closing(open_account_database(config, chain, signer.address)) as database:
        contracts = open_contracts(config, chain, database)
        fee = None if config.network.max_fee is None else Wei(config.network.max_fee)
        policy = SendPolicy(confirmations=config.network.confirmations, max_fee=fee)
        journal = Journal(database, signer.address)
        wallet = Wallet(chain, signer, journal=journal, policy=policy)
        gateway = Gateway.open(contracts, wallet, folder, models, settings_of(config), codecs)
        with closing(gateway):
            yield Office(gateway, models)


def limits_of(config: Config) -> Limits:
    """Return what the settings let a request take."""
    most = config.api.most_body_mib * _MIB
    return Limits(most_body_bytes=most, most_held_bytes=max(Limits().most_held_bytes, most))


def settings_of(config: Config) -> Settings:
    """Return the limits and defaults that the settings name."""
    api = config.api
    return Settings(
        fee_wei=Wei(api.fee),
        most_fee_wei=Wei(api.most_fee),
        deadline_seconds=api.deadline_seconds,
        most_waiting=api.most_waiting,
        most_blob_bytes=api.most_disk_mib * _MIB,
        senders=api.senders,
        poll_seconds=config.network.poll_seconds,
        most_listeners=api.most_listeners,
        are_inputs_carried=api.carry_inputs,
        public_url=(api.public_url or f"http://{api.host}:{api.port}").rstrip("/"),
        pool=PoolSettings(head_start_seconds=api.head_start_seconds),
    )

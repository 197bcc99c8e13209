"""How a liar changes a move that would be legal."""

from __future__ import annotations

from dataclasses import replace

from interpreter.merkle import Hash
from interpreter.program import Step

from .false_steps import false_from
from .ground import Party
from .twists import Call, Change, Play

# Openings


def other_salt(call: Call, play: Play) -> Call:
    """Open with another salt."""
    return replace(call, salt=bytes(32))


def other_end(call: Call, play: Play) -> Call:
    """Open with another end than was committed to."""
    return replace(call, hashes=(*call.hashes[:-1], Hash(bytes(32))))


def asserted_end(call: Call, play: Play) -> Call:
    """Open with the very end that is challenged."""
    return replace(call, hashes=(*call.hashes[:-1], call.end))


def friend_opens(call: Call, play: Play) -> Call:
    """Have somebody else open."""
    return replace(call, sender=Party.FRIEND)


def late(call: Call, play: Play) -> Call:
    """Send it after the deadline."""
    play.case.ground.pass_until(play.game.deadline)
    return call


def hurried(call: Call, play: Play) -> Call:
    """Call for the opponent's timeout while there is time."""
    return replace(call, function="timeout")


def settled_early(call: Call, play: Play) -> Call:
    """Ask for the bond while the game goes on."""
    return replace(call, function="settle")


def forfeited(call: Call, play: Play) -> Call:
    """Have a game that is open declared unopened."""
    return replace(call, function="forfeit")


# Dissections


def one_part_less(call: Call, play: Play) -> Call:
    """Leave a hash out."""
    return replace(call, hashes=call.hashes[1:])


def one_part_more(call: Call, play: Play) -> Call:
    """Put a hash more in."""
    return replace(call, hashes=(call.hashes[0], *call.hashes))


def one_part(call: Call, play: Play) -> Call:
    """Do not cut at all."""
    return replace(call, hashes=call.hashes[-1:])


def same_end(call: Call, play: Play) -> Call:
    """Agree with the end that is disputed, to win time."""
    return replace(call, hashes=(*call.hashes[:-1], call.end))


def other_start(call: Call, play: Play) -> Call:
    """Name another start than the agreed one."""
    return replace(call, start=Hash(bytes(31) + b"\1"))


def other_segment_end(call: Call, play: Play) -> Call:
    """Name another end than the opponent said."""
    return replace(call, end=Hash(bytes(31) + b"\1"))


def other_siblings(call: Call, play: Play) -> Call:
    """Name a part under another path."""
    return replace(call, siblings=(bytes(32), *call.siblings[1:]))


def short_path(call: Call, play: Play) -> Call:
    """Name an inner node of the last dissection as a part of it."""
    return replace(call, siblings=call.siblings[1:])


def beyond(call: Call, play: Play) -> Call:
    """Name a part behind the last."""
    return replace(call, segment=play.game.last.parts)


def neighbour(call: Call, play: Play) -> Call:
    """Name the neighbour's place with this part's ends."""
    return replace(call, segment=call.segment ^ 1)


def level_skipped(call: Call, play: Play) -> Call:
    """Cut a part of a part, as if the opponent had cut it already."""
    part = play.game.last.segment(call.segment)
    inner = Step(part.start + max(1, part.length // play.game.k))
    return replace(call, end=play.claim.state_hashes([inner])[0])


def whole_again(call: Call, play: Play) -> Call:
    """Cut the whole of the last dissection again, to stay at its length."""
    last = play.game.last
    return replace(call, start=last.hashes[0], end=last.hashes[-1])


def proof_too_soon(call: Call, play: Play) -> Call:
    """Prove a part of many steps by its first."""
    part = play.game.last.segment(call.segment)
    return replace(call, function="prove", proof=play.claim.proof(part.start))


# Turns


def out_of_turn(call: Call, play: Play) -> Call:
    """Move although it is the opponent's turn."""
    return call


def as_friend(call: Call, play: Play) -> Call:
    """Have somebody else move."""
    return replace(call, sender=Party.FRIEND)


# Proofs


def true_proof(call: Call, play: Play) -> Call:
    """Prove the step truly: it shows that the opponent is right."""
    part = play.game.last.segment(call.segment)
    return replace(call, proof=play.case.truth.proof(part.start))


def flipped(byte: int) -> Change:
    """Return the change of one byte of a proof."""

    def change(call: Call, play: Play) -> Call:
        proof = bytearray(true_proof(call, play).proof)
        proof[byte] ^= 1
        return replace(call, proof=bytes(proof))

    return change


def false_state(call: Call, play: Play) -> Call:
    """Prove the step from a state that a lie before it makes."""
    part = play.game.last.segment(call.segment)
    lie = false_from(play.case.truth, Step(part.start - 1))
    return replace(call, proof=lie.proof(part.start))


def other_step(call: Call, play: Play) -> Call:
    """Prove the step before."""
    part = play.game.last.segment(call.segment)
    return replace(call, proof=play.case.truth.proof(Step(part.start - 1)))


def other_inputs_step(call: Call, play: Play) -> Call:
    """Prove the same step of another input's run."""
    part = play.game.last.segment(call.segment)
    return replace(call, proof=play.case.network.other.proof(part.start))


def cut_proof(call: Call, play: Play) -> Call:
    """Leave the proof's last byte out."""
    return replace(call, proof=true_proof(call, play).proof[:-1])


def grown_proof(call: Call, play: Play) -> Call:
    """Put a byte behind the proof."""
    return replace(call, proof=true_proof(call, play).proof + b"\0")


def empty_proof(call: Call, play: Play) -> Call:
    """Send no proof at all."""
    return replace(call, proof=b"")


def starved(gas: int) -> Change:
    """Return the change that gives the true proof little gas, so that what it calls fails."""

    def change(call: Call, play: Play) -> Call:
        return replace(true_proof(call, play), gas=gas)

    return change


def cut_at_one(call: Call, play: Play) -> Call:
    """Cut a part of one step instead of proving it."""
    return replace(call, function="dissect", hashes=(Hash(bytes(32)),))

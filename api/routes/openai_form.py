"""What differs between a chat and a plain completion: bodies, and events of streams."""

from __future__ import annotations

from typing import Protocol

from infernet.models.text import FinishReason

from ..schemas.openai_views import (
    ChatChoiceView,
    ChatChunkView,
    ChatPartView,
    ChatView,
    ChoiceView,
    CompletionView,
    DeltaView,
    Headed,
    MessageView,
    UsageView,
)


class Form(Protocol):
    """How an answer is put. `head`: what it begins with."""

    prefix: str

    def whole(self, head: Headed, text: str, reason: FinishReason, usage: UsageView) -> Headed:
        """Return the body of an answer that does not stream."""

    def begin(self, head: Headed) -> Headed:
        """Return the first event of a stream, before there is text."""

    def piece(self, head: Headed, text: str) -> Headed:
        """Return an event with text."""

    def end(self, head: Headed, reason: FinishReason) -> Headed:
        """Return the event that ends the text."""

    def note(self, head: Headed, usage: UsageView | None) -> Headed:
        """Return an event without a choice: another finality, or the usage."""


class ChatForm:
    """A message of the assistant's."""

    prefix = "chatcmpl-"

    def whole(self, head: Headed, text: str, reason: FinishReason, usage: UsageView) -> Headed:
        """Return the message."""
        choice = ChatChoiceView(message=MessageView(content=text), finish_reason=reason)
        return ChatView(**dict(head), choices=[choice], usage=usage)

    def begin(self, head: Headed) -> Headed:
        """Return who speaks."""
        return self._chunk(head, DeltaView(role="assistant", content=""))

    def piece(self, head: Headed, text: str) -> Headed:
        """Return what is added to the message."""
        return self._chunk(head, DeltaView(content=text))

    def end(self, head: Headed, reason: FinishReason) -> Headed:
        """Return why the message ends."""
        return self._chunk(head, DeltaView(), reason)

    def note(self, head: Headed, usage: UsageView | None) -> Headed:
        """Return a chunk without a choice."""
        return ChatChunkView(**dict(head), choices=[], usage=usage)

    def _chunk(
        self, head: Headed, delta: DeltaView, reason: FinishReason | None = None
    ) -> ChatChunkView:
        part = ChatPartView(delta=delta, finish_reason=reason)
        return ChatChunkView(**dict(head), choices=[part])


class PlainForm:
    """Text that goes on from a prompt."""

    prefix = "cmpl-"

    def whole(self, head: Headed, text: str, reason: FinishReason, usage: UsageView) -> Headed:
        """Return the text."""
        choice = ChoiceView(text=text, finish_reason=reason)
        return CompletionView(**dict(head), choices=[choice], usage=usage)

    def begin(self, head: Headed) -> Headed:
        """Return no text yet."""
        return self.piece(head, "")

    def piece(self, head: Headed, text: str) -> Headed:
        """Return what is added to the text."""
        return CompletionView(**dict(head), choices=[ChoiceView(text=text)])

    def end(self, head: Headed, reason: FinishReason) -> Headed:
        """Return why the text ends."""
        return CompletionView(**dict(head), choices=[ChoiceView(text="", finish_reason=reason)])

    def note(self, head: Headed, usage: UsageView | None) -> Headed:
        """Return a chunk without a choice."""
        return CompletionView(**dict(head), choices=[], usage=usage)

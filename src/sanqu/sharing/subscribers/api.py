"""Subscriptions over HTTP: make, look, pause, resume, end; try the receiver; dead letters and sending them again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response

from sanqu.ground.http import InCity, Paging, SignedIn
from sanqu.sharing.limits import limit_rate
from sanqu.sharing.subscribers import keeping
from sanqu.sharing.subscribers.records import State, Subscription, Wish

router = APIRouter(prefix="/api/subscriptions", tags=["变更订阅 · Change feeds"])

WISHES = {
    "webhook": {"value": {"dataset": "plan-goals", "kind": "webhook", "target": "https://example.org/sanqu", "items": ["period", "value"]}},
    "nats": {"value": {"dataset": "plan-goals", "kind": "nats", "target": "out.plan.goals"}},
}


def shown(one: Subscription) -> dict[str, Any]:
    """A subscription as JSON; its secret is in no answer but the first."""
    return asdict(one) | {"lamp": one.lamp or "grey"}


@router.get("", summary="订阅清单 · Subscriptions")
def list_subscriptions(
    city: InCity, asker: SignedIn, page: Paging, dataset: Annotated[str | None, Query(description="只要这个数据集的 · of this dataset only")] = None,
    state: Annotated[State | None, Query(description="只要这个状态的 · in this state only")] = None,
) -> dict[str, Any]:  # fmt: skip
    """Your own subscriptions, the newest first; for an administrator, everybody's. `lag` is in seconds."""
    person = None if asker.is_admin else asker.user_id
    found = keeping.subscriptions_of(city, person=person, dataset=dataset, state=state, limit=page.limit, offset=page.offset)
    count = keeping.count_subscriptions(city, person=person, dataset=dataset, state=state)
    return {"count": count, "subscriptions": [shown(one) for one in found]}


@router.post("", status_code=201, summary="新建订阅 · Subscribe")
def subscribe(city: InCity, asker: SignedIn, wish: Annotated[Wish, Body(openapi_examples=WISHES)]) -> dict[str, Any]:  # type: ignore[arg-type]
    """Be told of every change of a dataset that you may read, at a webhook or on a subject of the bus.

    `secret` is in this answer only: deliveries are signed with it (Standard Webhooks).
    """
    number, secret = keeping.subscribe(city, asker, wish)
    return shown(keeping.subscription_of(city, asker, number)) | {"secret": secret}


@router.get("/{subscription}", summary="一个订阅 · One subscription")
def one(city: InCity, asker: SignedIn, subscription: int) -> dict[str, Any]:
    """How it stands: state and cause, position, lag, deliveries, dead letters."""
    return shown(keeping.subscription_of(city, asker, subscription))


@router.delete("/{subscription}", status_code=204, summary="退订 · End a subscription")
def unsubscribe(city: InCity, asker: SignedIn, subscription: int) -> Response:
    """Nothing more is delivered; its dead letters go too."""
    keeping.unsubscribe(city, asker, subscription)
    return Response(status_code=204)


@router.post("/{subscription}/pause", summary="暂停 · Pause")
def pause(city: InCity, asker: SignedIn, subscription: int) -> dict[str, Any]:
    """Deliver nothing until it is resumed; what changes meanwhile is told then."""
    return shown(keeping.pause(city, asker, subscription))


@router.post("/{subscription}/resume", summary="继续 · Resume")
def resume(city: InCity, asker: SignedIn, subscription: int) -> dict[str, Any]:
    """Go on where it stands, at once; also one that stopped."""
    return shown(keeping.resume(city, asker, subscription))


@router.post("/{subscription}/approve", summary="批准目标 · Approve the target")
def approve(city: InCity, asker: SignedIn, subscription: int) -> dict[str, Any]:
    """Let it deliver to an address that is shut to all but administrators; by an administrator."""
    return shown(keeping.approve(city, asker, subscription))


@router.post("/{subscription}/test", summary="试投 · Try the receiver")
def test(request: Request, city: InCity, asker: SignedIn, subscription: int) -> dict[str, str]:
    """Send an empty delivery of type `subscription.test` now; the error says what the receiver answered."""
    limit_rate(request, city, asker)
    # What sends is loaded by who sends: a city starts without it.
    from sanqu.sharing.subscribers.deliver import send_test

    send_test(city, keeping.subscription_of(city, asker, subscription).id)
    return {"state": "taken"}


@router.get("/{subscription}/letters", summary="死信 · Dead letters")
def letters(city: InCity, asker: SignedIn, page: Paging, subscription: int) -> dict[str, Any]:
    """Deliveries that were given up, the oldest first, each with its cause."""
    found = keeping.dead_letters(city, asker, subscription, page.limit, page.offset)
    return {"count": keeping.subscription_of(city, asker, subscription).dead, "letters": [asdict(letter) for letter in found]}


@router.post("/{subscription}/letters/replay", summary="重投全部死信 · Send all dead letters again")
def replay_all(city: InCity, asker: SignedIn, subscription: int) -> dict[str, int]:
    """In their order, under the same ids, with the rows as they stand now."""
    return {"replayed": keeping.replay(city, asker, subscription)}


@router.post("/{subscription}/letters/{letter}/replay", summary="重投 · Send a dead letter again")
def replay(city: InCity, asker: SignedIn, subscription: int, letter: str) -> dict[str, int]:
    """Under the same id, with the rows as they stand now."""
    return {"replayed": keeping.replay(city, asker, subscription, letter)}


@router.delete("/{subscription}/letters/{letter}", status_code=204, summary="丢弃死信 · Forget a dead letter")
def drop(city: InCity, asker: SignedIn, subscription: int, letter: str) -> Response:
    """It can be sent no more."""
    keeping.drop_letter(city, asker, subscription, letter)
    return Response(status_code=204)

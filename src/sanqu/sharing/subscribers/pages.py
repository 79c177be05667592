"""The pages of subscriptions: all of one's own, a new one from a dataset, one with its dead letters."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from sanqu.ground.city import City
from sanqu.ground.errors import SanquError
from sanqu.ground.http import InCity, Paging, SignedIn
from sanqu.ground.pages import render
from sanqu.ground.people.askers import Asker
from sanqu.sharing.subscribers import keeping
from sanqu.sharing.subscribers.records import Kind, State, Wish
from sanqu.sharing.views import view_of

pages = APIRouter(prefix="/subscriptions", include_in_schema=False)

STATES = ("on", "paused", "stopped")


@pages.get("")
def subscriptions(
    request: Request, city: InCity, asker: SignedIn, page: Paging, state: Annotated[State | None, Query()] = None,
) -> HTMLResponse:  # fmt: skip
    """One's own subscriptions; an administrator sees everybody's."""
    person = None if asker.is_admin else asker.user_id
    found = keeping.subscriptions_of(city, person=person, state=state, limit=page.limit, offset=page.offset)
    total = keeping.count_subscriptions(city, person=person, state=state)
    return render(request, "sharing/subscriptions.html", subscriptions=found, total=total, page=page, state=state, states=STATES)


@pages.get("/new")
def new_subscription(request: Request, city: InCity, asker: SignedIn, dataset: str, purpose: str = "") -> HTMLResponse:
    """The form for a dataset that the reader may read."""
    wish = Wish(dataset=dataset, target="", purpose=purpose)
    return _form(request, city, asker, wish)


def _form(request: Request, city: City, asker: Asker, wish: Wish, fault: SanquError | None = None) -> HTMLResponse:
    try:
        view, closed = view_of(city, asker, wish.dataset, wish.purpose), None
    except SanquError as refused:
        view, closed = None, refused
        if refused.status == 404:
            raise
    status = fault.status if fault else 200
    return render(request, "sharing/subscription_new.html", status, wish=wish, view=view, closed=closed, fault=fault)


@pages.post("")
def subscribe(
    request: Request, city: InCity, asker: SignedIn, dataset: Annotated[str, Form()], kind: Annotated[Kind, Form()] = "webhook",
    target: Annotated[str, Form(max_length=2000)] = "", purpose: Annotated[str, Form(max_length=200)] = "",
    items: Annotated[tuple[str, ...], Form()] = (),
) -> HTMLResponse:  # fmt: skip
    """Make it; its page shows the secret, this once."""
    wish = Wish(dataset=dataset, kind=kind, target=target.strip(), purpose=purpose.strip(), items=keeping.names_of(",".join(items)))
    try:
        number, secret = keeping.subscribe(city, asker, wish)
    except SanquError as fault:
        return _form(request, city, asker, wish, fault)
    return _page(request, city, asker, number, 201, secret=secret)


def _page(request: Request, city: City, asker: Asker, number: int, status: int = 200, **said: Any) -> HTMLResponse:
    one = keeping.subscription_of(city, asker, number)
    context = {"secret": "", "tested": False, "fault": None} | said
    return render(request, "sharing/subscription.html", status, one=one, letters=keeping.dead_letters(city, asker, number, 100), **context)


@pages.get("/{subscription}")
def one_subscription(request: Request, city: InCity, asker: SignedIn, subscription: int) -> HTMLResponse:
    """How it stands, and its dead letters."""
    return _page(request, city, asker, subscription)


@pages.post("/{subscription}/test")
def try_receiver(request: Request, city: InCity, asker: SignedIn, subscription: int) -> HTMLResponse:
    """Send an empty delivery and say what came of it."""
    one = keeping.subscription_of(city, asker, subscription)
    try:
        # What sends is loaded by who sends: a city starts without it.
        from sanqu.sharing.subscribers.deliver import send_test

        send_test(city, one.id)
    except SanquError as fault:
        return _page(request, city, asker, subscription, fault=fault)
    return _page(request, city, asker, subscription, tested=True)


@pages.post("/{subscription}/{act}")
def change(
    city: InCity, asker: SignedIn, subscription: int, act: Literal["pause", "resume", "approve", "end", "replay"],
) -> Response:  # fmt: skip
    """Pause, resume, approve, end, or send all dead letters again."""
    if act == "end":
        keeping.unsubscribe(city, asker, subscription)
        return RedirectResponse("/subscriptions", 303)
    {"pause": keeping.pause, "resume": keeping.resume, "approve": keeping.approve, "replay": keeping.replay}[act](city, asker, subscription)  # type: ignore[operator]
    return RedirectResponse(f"/subscriptions/{subscription}", 303)


@pages.post("/{subscription}/letters/{letter}/{act}")
def change_letter(city: InCity, asker: SignedIn, subscription: int, letter: str, act: Literal["replay", "drop"]) -> Response:
    """Send a dead letter again, or forget it."""
    if act == "replay":
        keeping.replay(city, asker, subscription, letter)
    else:
        keeping.drop_letter(city, asker, subscription, letter)
    return RedirectResponse(f"/subscriptions/{subscription}", 303)

"""What the load is made of: realistic items of keystone.md §2, the same for every measurement.

75 % are page views and tracks of known cookies, 20 % of cookies never seen before, and 5 %
identify a known cookie, with five attributes. Every second cookie has been identified before. Of
the identifies one in five is a first login, whose shadow collapses into a new anchor; the others
repeat what is known, as SDKs do, and every fifth changes one attribute. A payload has about 300
bytes, and describes one of 5,000 products. A share of the events may be of orders: carts, checkouts
and purchases of three lines. `MARK` stands where every message must differ: its message id, a new cookie.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

MARK = "~"
#: Cookies that exist before anything is measured; every second one belongs to an anchor.
KNOWN = 20_000

_PLANS = ("free", "starter", "team", "enterprise")
_CITIES = ("Chicago", "Miami", "Lisbon", "São Paulo", "Osaka", "Nairobi", "Leeds", "Graz")
_REFERRERS = ("", "https://search.example/", "https://news.example/story/42?ref=home")

Item = dict[str, object]


def draw(rng: random.Random, now_ms: int, orders: float = 0.0) -> Item:
    """Draw one item of the mix; its client's clock says now, give or take two seconds.

    `orders`: which share of the items are of orders.
    """
    chance = rng.random()
    known = f"visitor-{rng.randrange(KNOWN):06d}-4f1c9a"
    if chance < 0.05:
        number = rng.randrange(0, KNOWN, 2) + (rng.random() < 0.2)
        item = _identify(rng, f"visitor-{number:06d}-4f1c9a")
    elif orders and rng.random() < orders / 0.95:
        item = _order(rng, known)
    else:
        item = _behaviour(rng, known if chance < 0.8 else f"new-{MARK}")
    moment = {"timestamp": now_ms - rng.randrange(2_000), "sent_at": now_ms}
    return {**item, **moment, "message_id": f"m-{MARK}", "context": _context(rng)}


def acquaint(rng: random.Random, now_ms: int) -> Iterator[Item]:
    """Yield what makes the known cookies known: one page view each, every second identified."""
    for number in range(KNOWN):
        cookie = f"visitor-{number:06d}-4f1c9a"
        item = _behaviour(rng, cookie) if number % 2 else _identify(rng, cookie)
        yield {**item, "timestamp": now_ms, "message_id": f"m-known-{number}"}


def _behaviour(rng: random.Random, cookie: str) -> Item:
    event = {"event_type": "page"}
    if rng.random() < 0.5:
        event = {"event_type": "track", "event_name": rng.choice(("Product Viewed", "Clicked"))}
    return {"anonymous_id": cookie, **event, "payload": _payload(rng)}


def _order(rng: random.Random, cookie: str) -> Item:
    number = cookie.split("-")[1]
    name = rng.choice(("Cart Updated", "Cart Updated", "Checkout Started", "Order Completed"))
    skus = [rng.randrange(5_000) for _ in range(3)]
    lines = [
        {
            "product_id": f"sku-{sku}",
            "name": f"Trail running shoe, model {sku}, wide fit",
            "price": _price(sku),
            "quantity": rng.randrange(1, 4),
        }
        for sku in skus
    ]
    payload = {"order_id": f"order-{number}", "currency": "EUR", "products": lines}
    return {"anonymous_id": cookie, "event_type": "track", "event_name": name, "payload": payload}


def _price(sku: int) -> float:
    return 5 + sku * 37 % 24_500 / 100


def _identify(rng: random.Random, cookie: str) -> Item:
    number = cookie.split("-")[1]
    attributes = {
        "first_name": f"Name{number}",
        "plan": _PLANS[int(number) % len(_PLANS)],
        "address": {"city": _CITIES[int(number) % len(_CITIES)], "country": "US"},
        "newsletter": int(number) % 2 == 0,
        "visits": rng.randrange(1_000) if rng.random() < 0.2 else 1,
    }
    return {
        "anonymous_id": cookie,
        "identity": f"person{number}@example.com",
        "event_type": "identify",
        "attributes": attributes,
    }


def _payload(rng: random.Random) -> Item:
    sku = rng.randrange(5_000)
    return {
        "product_id": f"sku-{sku}",
        "name": f"Trail running shoe, model {sku}, wide fit",
        "category": "shoes/running/trail",
        "price": _price(sku),
        "currency": "EUR",
        "quantity": rng.randrange(1, 4),
        "variant": rng.choice(("red", "blue", "black")),
        "position": rng.randrange(40),
        "tags": ["sale", "new-season", "outdoor"],
        "experiment": {"name": "list-layout", "group": rng.choice("ab")},
    }


def _context(rng: random.Random) -> Item:
    return {
        "url": f"https://shop.example/c/shoes/{rng.randrange(5_000)}?utm_source=mail&utm_medium=x",
        "referrer": rng.choice(_REFERRERS),
        "title": "Trail running shoes",
        "locale": "en-GB",
        "time_zone": "Europe/Vienna",
    }

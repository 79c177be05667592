"""The phone pages for people who see little or use no pointer: contrast after WCAG 2.2 AA (1.4.3, 1.4.11), and a walk by Tab (2.1.1, 2.1.2, 2.4.7)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sanqu.governance.households import sample_households
from sanqu.governance.villages import confirm, follow, open_vote, publish_notice
from tests.governance.conftest import County
from tests.governance.test_pages import Entering, base, browser, enter

__all__ = ["base", "browser", "enter"]

# What can be read and has less contrast than it needs against what is painted behind it; fields whose edge cannot be seen.
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parsed = new Map();
  function rgba(text) {
    if (!parsed.has(text)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; parsed.set(text, [r, g, b, a / 255]);
    }
    return parsed.get(text);
  }
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  function behind(element) {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  }
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const named = (e) => e.tagName.toLowerCase() + (e.className ? '.' + String(e.className).replaceAll(' ', '.') : '') + ' ' + (e.name || e.textContent.trim().slice(0, 20));
  const seen = (e) => e.checkVisibility({opacityProperty: true, visibilityProperty: true}) && e.getBoundingClientRect().width > 1 && e.getBoundingClientRect().right > 0;
  const faint = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('script, style, option, svg, :disabled') || !seen(element)) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const ground = behind(element), needs = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const found = ratio(over(rgba(style.color), ground), ground);
    if (found < needs) faint.add(named(element) + ' ' + found.toFixed(2));
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]):not([type=checkbox]):not([type=radio]), select, textarea')) {
    if (!seen(field) || field.disabled) continue;
    const style = getComputedStyle(field), ground = behind(field), outside = behind(field.parentElement);
    const edge = ratio(over(rgba(style.borderTopColor), ground), outside);
    if (Math.max(edge, ratio(ground, outside)) < 3) faint.add('edge of ' + named(field) + ' ' + edge.toFixed(2));
    if (ratio(over(rgba(style.color), ground), ground) < 4.5) faint.add('text in ' + named(field));
    if (field.placeholder && ratio(over(rgba(getComputedStyle(field, '::placeholder').color), ground), ground) < 4.5) faint.add('hint in ' + named(field));
  }
  return [...faint];
}"""
# Every control gets a number; those of a group of radio buttons are one stop.
NUMBERED = """() => {
  const groups = new Set(); let n = 0;
  for (const one of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]')) {
    if (one.disabled || one.tabIndex < 0 || !one.checkVisibility({visibilityProperty: true})) continue;
    if (one.type === 'radio') { if (groups.has(one.name)) continue; groups.add(one.name); }
    one.dataset.stop = n++;
  }
  document.activeElement.blur(); window.getSelection().removeAllRanges(); window.scrollTo(0, 0);
  return n;
}"""
AT = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one), box = one.getBoundingClientRect();
  const stop = one.dataset.stop ?? (one.type === 'radio' ? document.querySelector(`[type=radio][name="${one.name}"][data-stop]`).dataset.stop : null);
  const shown = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1) || style.boxShadow !== 'none';
  return {stop: stop === null ? null : Number(stop), shown, inside: box.bottom > 0 && box.top < innerHeight, name: one.outerHTML.slice(0, 80)};
}"""


def walk(page: Page) -> None:
    """By Tab from the top to the end: every control is reached, each time it is seen where one is, and one comes out again."""
    stops = int(page.evaluate(NUMBERED))
    reached: set[int] = set()
    # A field for a date has several stops of its own.
    for _ in range(stops * 2 + 20):
        page.keyboard.press("Tab")
        here: dict[str, Any] | None = page.evaluate(AT)
        if here is None:
            break
        assert here["shown"] and here["inside"], here["name"]
        if here["stop"] is not None:
            reached.add(here["stop"])
        if len(reached) == stops and here["stop"] == 0:
            break
    else:
        pytest.fail(f"nobody comes out of {page.url} by Tab")
    missed = set(range(stops)) - reached
    assert missed == set(), page.evaluate("(n) => document.querySelector(`[data-stop='${n}']`).outerHTML.slice(0, 120)", min(missed))


def look(page: Page, path: str) -> None:
    """Open a page, look at it by day and by night, and walk through it."""
    page.goto(path)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate(FAINT) == [], f"{path} {scheme}"
    walk(page)


def test_the_pages_of_a_resident_are_read_and_used_without_a_pointer(enter: Entering, county: County) -> None:
    village = "330802001001"
    follow(county.city, county.wang, village, "villager")
    assert county.wang.user_id is not None
    confirm(county.city, county.above, village, county.wang.user_id)
    publish_notice(county.city, county.above, village, "周五停水", "上午九点到十二点")
    vote = open_vote(county.city, county.above, village, "修路还是修桥", ["修路", "修桥"], secret=True, days=3)
    event = county.report()
    county.settle(event)
    page = enter(county.wang, phone=True)
    for path in ("/my", "/my/report", "/my/events", f"/my/events/{event.number}", f"/my/votes/{vote.id}"):
        look(page, path)


def test_the_pages_of_those_who_work_there_are_too(enter: Entering, county: County) -> None:
    with county.city.db.connection() as conn:
        sample_households(conn, ["330802001001-g1"], 1)
    event = county.report()
    worker = enter(county.worker, phone=True)
    worker.goto("/grid")
    expect(worker.locator("#households")).to_contain_text("样例户主")
    worker.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for scheme in ("light", "dark"):
        worker.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert worker.evaluate(FAINT) == [], scheme
    walk(worker)
    look(worker, "/events/new")
    town = enter(county.town, phone=True)
    for path in (f"/events/{event.number}", "/events", "/cases"):
        look(town, path)

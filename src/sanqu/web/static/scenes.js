// Pages of scenes: blocks that move as their data do, tables that turn without the page, where a figure comes from.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const shown = (id) => document.querySelectorAll(`[data-block="${CSS.escape(id)}"]`);

  // A chart that stands already takes the new figures: it does not blink.
  function put(section, html) {
    const came = document.createElement("template");
    came.innerHTML = html;
    const before = [...section.querySelectorAll(".chart")], after = [...came.content.querySelectorAll(".chart")];
    const keeps = before.length === after.length && before.every((box) => box.sanquChart);
    after.forEach((box, n) => {
      if (!keeps) return;
      const option = $("script[type='application/json']", box).textContent;
      const held = before[n];
      held.style.cssText = box.style.cssText;
      $("script[type='application/json']", held).textContent = option;
      box.replaceWith(held);
      window.sanqu.redraw(held);
    });
    const open = section.querySelector("details.spoken[open]") !== null;
    section.replaceChildren(...came.content.childNodes);
    if (open && $("details.spoken", section)) $("details.spoken", section).open = true;
    window.sanqu.dress(section);
  }

  function fresh(section) {
    delete section.dataset.fresh;
    void section.offsetWidth;
    section.dataset.fresh = "yes";
  }

  function watch(root) {
    const status = $("[data-live-status]");
    const newest = Math.max(0, ...[...document.querySelectorAll("[data-snapshot]")].map((one) => Number(one.dataset.snapshot)));
    const source = new EventSource(`${root.dataset.live}&at=${newest}`);
    const say = (on) => { if (status) { status.dataset.live = on ? "yes" : "no"; status.textContent = on ? status.dataset.on : status.dataset.lost; } };
    source.addEventListener("begin", () => say(true));
    source.addEventListener("block", (event) => {
      const said = JSON.parse(event.data);
      shown(said.id).forEach((section) => {
        if (section.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
        section.dataset.snapshot = said.snapshot;
        section.className = section.className.replace(/\bis-\w+/, `is-${said.state}`);
        put(section, said.html);
        fresh(section);
      });
    });
    source.addEventListener("again", (event) => JSON.parse(event.data).ids.forEach((id) => shown(id).forEach(again)));
    source.addEventListener("refused", (event) => { if (status) { status.dataset.live = "no"; status.textContent = JSON.parse(event.data).title; } source.close(); });
    source.onerror = () => say(false);
    addEventListener("pagehide", () => source.close());
  }

  // A block as this reader may see it now.
  async function again(section) {
    const url = new URL(location.href);
    url.searchParams.set("block", section.dataset.block);
    const answer = await fetch(url).catch(() => null);
    if (answer && answer.ok) put(section, await answer.text());
  }

  // What no dataset tells of (cases, indicators) is looked at again now and then, where the author said so.
  function refresh(seconds) {
    setInterval(async () => {
      if (document.hidden) return;
      for (const section of document.querySelectorAll(".block.of-cases, .block.of-alarms, .block.of-indicator")) await again(section);
    }, seconds * 1000);
  }

  async function turn(section, address) {
    const url = new URL(address, location.href);
    url.searchParams.set("block", section.dataset.block);
    const answer = await fetch(url).catch(() => null);
    if (!answer || !answer.ok) { location.href = address; return; }
    put(section, await answer.text());
    url.searchParams.delete("block");
    history.replaceState(null, "", url);
  }

  async function whence(link) {
    const dialog = $(".whence-dialog");
    if (!dialog || !dialog.showModal) { location.href = link.href; return; }
    const url = new URL(link.href);
    url.searchParams.set("format", "part");
    const answer = await fetch(url, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || !answer.ok) { location.href = link.href; return; }
    $("[data-whence-body]", dialog).innerHTML = await answer.text();
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    const section = link.closest("[data-block]");
    if (link.matches("[data-whence]")) { event.preventDefault(); whence(link); }
    else if (section && link.matches("[data-block-link]")) { event.preventDefault(); turn(section, link.href); }
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-block-form]")) return;
    event.preventDefault();
    turn(event.target.closest("[data-block]"), `${event.target.action.split("#")[0]}?${new URLSearchParams(new FormData(event.target))}`);
  });
  document.addEventListener("change", (event) => { const form = event.target.closest("[data-inputs]"); if (form && event.target.matches("select, [type=date]")) form.requestSubmit(); });
  document.addEventListener("DOMContentLoaded", () => {
    const root = $(".scene-page");
    if (!root) return;
    root.setAttribute("aria-busy", "false");
    const print = $("[data-print]");
    if (print) { print.hidden = false; print.onclick = () => window.print(); }
    if (root.dataset.live) watch(root);
    if (Number(root.dataset.refresh) > 0) refresh(Number(root.dataset.refresh));
  });
})();

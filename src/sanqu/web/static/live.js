// What live pages do: lines as they stand, the way of the last rows, rows of a dataset as they change.
"use strict";

(() => {
  const number = (value) => (value == null ? "—" : value === 0 ? "0" : value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en-US"));
  const TONES = { flowing: "good", resting: "good", stopped: "bad", failed: "bad", late: "sample", waiting: "sample", loading: "deep", running: "deep" };
  const MOMENTS = ["source", "gathered", "checked", "committed", "told"];
  const el = (name, kind, text) => { const made = document.createElement(name); if (kind) made.className = kind; if (text != null) made.textContent = text; return made; };
  const clock = (moment) => new Date(moment).toLocaleTimeString("en-GB");

  // One bar a leg of the way, as wide as it took.
  function waterfall(way, words) {
    const moments = { ...way, source: Array.isArray(way.source) ? way.source[0] : way.source };
    const known = MOMENTS.filter((name) => moments[name] > 0);
    const start = moments[known[0]];
    const total = Math.max(1, moments[known[known.length - 1]] - start);
    const box = el("figure", "way");
    const head = el("figcaption", "soft");
    head.append(`${clock(start)} · ${words.total.replace("{n}", total.toLocaleString("en-US"))}`);
    if (way.read) head.append(` · ${words.rows.replace("{n}", way.read.toLocaleString("en-US"))}`);
    box.append(head);
    for (let n = 1; n < known.length; n += 1) {
      const from = moments[known[n - 1]] - start;
      const took = moments[known[n]] - moments[known[n - 1]];
      const leg = el("div", "leg");
      leg.append(el("span", "", words.legs[known[n]]));
      const rail = el("span", "rail");
      const bar = el("i", known[n]);
      bar.style.marginLeft = `${Math.min(99, Math.max(0, (100 * from) / total))}%`;
      bar.style.width = `${Math.min(100, Math.max(1, (100 * took) / total))}%`;
      rail.append(bar);
      leg.append(rail, el("span", "num", `${took.toLocaleString("en-US")} ms`));
      box.append(leg);
    }
    const trace = way.trace || (way.traces || []).slice(-1)[0];
    if (trace) { const said = el("p", "soft trace", `${words.trace} `); said.append(el("code", "", trace.split("-")[1] || trace)); box.append(said); }
    return box;
  }

  function showCause(box, trouble, words) {
    box.textContent = "";
    if (!trouble) return;
    const why = el("p", "why");
    why.append(el("b", "", trouble.what));
    why.append(el("br"), trouble.todo);
    if (trouble.next_try) why.append(el("br"), el("span", "soft", words.next.replace("{at}", clock(Date.parse(trouble.next_try)))));
    box.append(why);
  }

  // What gets into trouble comes to the front and out of its fold; it stays there until the page is opened anew.
  function bringForward(box) {
    const stop = box.closest(".stop"), lane = box.closest(".lane");
    if (!stop || !lane || stop.dataset.forward) return;
    stop.dataset.forward = "yes";
    lane.querySelector("h2").after(stop);
    const fold = lane.querySelector("details.resting");
    if (fold && !fold.querySelector(".stop")) fold.remove();
  }

  async function showReaders(root) {
    if (document.hidden) return;
    const answer = await fetch(root.dataset.readersFrom).catch(() => null);
    if (!answer || !answer.ok) return;
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    root.querySelectorAll("[data-readers]").forEach((place) => {
      const held = told.querySelector(`[data-readers="${CSS.escape(place.dataset.readers)}"]`);
      if (!held || held.innerHTML === place.dataset.told) return;
      place.dataset.told = held.innerHTML;
      const open = place.querySelector("details[open]") !== null;
      place.replaceChildren(...held.childNodes);
      if (open && place.querySelector("details")) place.querySelector("details").open = true;
      root.querySelectorAll(`[data-reads="${CSS.escape(place.dataset.readers)}"]`).forEach((track) => { track.dataset.state = held.dataset.state; });
      if (held.dataset.state === "late") bringForward(place);
    });
    root.querySelectorAll("[data-sum=untold]").forEach((place) => { place.textContent = told.querySelector("[data-untold]").dataset.untold; });
  }

  function showLine(box, said, words) {
    box.dataset.state = said.state;
    if ("leg" in box.dataset) { box.dataset.leg = said.trouble ? said.trouble.leg : ""; if (said.trouble) bringForward(box); }
    if ("moving" in box.dataset) box.dataset.moving = (said.state === "flowing" && said.per_second >= 0.05) || said.state === "running" || said.state === "loading" ? "yes" : "no";
    if (said.live) box.style.setProperty("--pace", `${Math.max(0.35, 2.4 - Math.log10(1 + said.per_second) / 2)}s`);
    const show = (name, text) => box.querySelectorAll(`[data-show=${name}]`).forEach((place) => { if (place.textContent !== text) place.textContent = text; });
    box.querySelectorAll("[data-show=state]").forEach((tag) => { tag.className = `tag ${TONES[said.state] || ""}`; tag.textContent = words.states[said.state] || said.state; });
    box.querySelectorAll("[data-show=cause]").forEach((place) => showCause(place, said.trouble, words));
    if (!said.live) return;
    show("rate", number(said.per_second)); show("backlog", said.backlog.toLocaleString("en-US")); show("p50", number(said.p50_ms)); show("p99", number(said.p99_ms));
    show("waits", said.backlog ? ` · ${words.waits.replace("{n}", said.backlog.toLocaleString("en-US"))}` : "");
  }

  function showSums(root, lines) {
    const sums = {
      flowing: lines.filter((one) => one.state === "flowing").length, troubled: lines.filter((one) => one.trouble).length,
      rate: number(lines.reduce((all, one) => all + one.per_second, 0)), backlog: lines.reduce((all, one) => all + one.backlog, 0).toLocaleString("en-US"),
      alerts: lines.filter((one) => one.burn && one.burn.alert).length,
    };
    root.querySelectorAll("[data-sum]").forEach((place) => { if (place.dataset.sum in sums) place.textContent = sums[place.dataset.sum]; });
    root.querySelectorAll("[data-lane]").forEach((band) => {
      const rate = lines.filter((one) => one.lane === band.dataset.lane).reduce((all, one) => all + one.per_second, 0);
      band.querySelector("[data-lane-rate]").textContent = number(rate);
    });
  }

  function showWays(box, ways, words) {
    const newest = ways.length ? ways[0].committed : 0;
    if (!newest || box.dataset.newest === String(newest)) return;
    box.dataset.newest = newest;
    box.replaceChildren(...ways.map((way) => waterfall(way, words)));
  }

  function watchNetwork(root) {
    const words = JSON.parse(root.querySelector("[data-words]").textContent);
    const status = root.querySelector("[data-status]");
    const ways = root.querySelector("[data-ways]");
    if (ways) showWays(ways, JSON.parse(ways.dataset.ways), words);
    if (root.dataset.readersFrom) setInterval(() => showReaders(root), 2000);
    const source = new EventSource(root.dataset.network);
    source.addEventListener("lines", (event) => {
      const said = JSON.parse(event.data);
      status.textContent = words.live.replace("{at}", clock(said.at)); status.dataset.live = "yes";
      const known = new Map(said.lines.map((one) => [one.line, one]));
      root.querySelectorAll("[data-line]").forEach((box) => { const one = known.get(box.dataset.line); if (one) showLine(box, one, words); });
      showSums(root, said.lines);
      if (ways) showWays(ways, said.ways.slice().reverse(), words);
    });
    source.addEventListener("refused", (event) => { status.textContent = JSON.parse(event.data).title; source.close(); });
    source.onerror = () => { status.textContent = words.lost; status.dataset.live = "no"; };
  }

  const MOST_ROWS = 60;

  function watchDataset(root) {
    const words = JSON.parse(root.querySelector("[data-words]").textContent);
    const about = JSON.parse(root.querySelector("[data-about]").textContent);
    const status = root.querySelector("[data-status]");
    const body = root.querySelector("tbody");
    const way = root.querySelector("[data-way]");
    const counter = root.querySelector("[data-changes]");
    let changes = 0;
    const keyOf = (row) => JSON.stringify(about.key.map((name) => String(row[name])));
    const rows = new Map();
    if (about.key.length) body.querySelectorAll("tr").forEach((tr) => rows.set(tr.dataset.key, tr));
    const text = (value) => (value == null ? "—" : typeof value === "boolean" ? about.words[value ? "yes" : "no"] : typeof value === "object" ? JSON.stringify(value) : String(value).replace(/^(\d{4}-\d\d-\d\d)T/, "$1 "));

    function put(row) {
      const key = about.key.length ? keyOf(row) : "";
      const held = key && rows.get(key);
      const tr = held || el("tr");
      if (!held) {
        tr.dataset.key = key;
        about.head.forEach(() => tr.append(el("td")));
        body.prepend(tr);
        if (key) rows.set(key, tr);
        while (body.children.length > MOST_ROWS) { rows.delete(body.lastElementChild.dataset.key); body.lastElementChild.remove(); }
      }
      about.head.forEach((name, n) => {
        const cell = tr.children[n], said = text(row[name]);
        if (typeof row[name] === "number") cell.className = "num";
        if (cell.textContent !== said) { cell.textContent = said; cell.classList.remove("fresh"); void cell.offsetWidth; cell.classList.add("fresh"); }
      });
    }

    function drop(row) { const key = keyOf(row), tr = rows.get(key); if (tr) { tr.remove(); rows.delete(key); } }

    const source = new EventSource(about.feed);
    source.addEventListener("begin", () => { status.textContent = words.live.replace("{at}", clock(Date.now())); status.dataset.live = "yes"; });
    source.addEventListener("change", (event) => {
      const said = JSON.parse(event.data);
      if (said.op === "put") put(said.row); else drop(said.row);
      changes += 1; counter.textContent = changes.toLocaleString("en-US");
      status.textContent = words.live.replace("{at}", clock(said.told));
    });
    source.addEventListener("way", (event) => way.replaceChildren(waterfall(JSON.parse(event.data), words)));
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("refused", (event) => { status.textContent = JSON.parse(event.data).title; source.close(); });
    source.onerror = () => { status.textContent = words.lost; status.dataset.live = "no"; };
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-network]").forEach(watchNetwork);
    document.querySelectorAll("[data-feed]").forEach(watchDataset);
  });
})();

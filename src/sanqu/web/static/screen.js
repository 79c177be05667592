// The cockpit on a wall: one screen after another, a clock, no cursor; arrows go on and back, space stops and goes on.
"use strict";

(() => {
  document.addEventListener("DOMContentLoaded", () => {
    const screens = [...document.querySelectorAll(".one-screen")];
    const dots = [...document.querySelectorAll(".screen-dots i")];
    const title = document.querySelector("[data-screen-title]");
    const paused = document.querySelector("[data-paused]");
    const { next, only } = document.body.dataset;
    let at = 0, stopped = only !== "", timer = 0;

    function show(number) {
      at = number;
      screens.forEach((one, n) => one.classList.toggle("on", n === at));
      dots.forEach((one, n) => one.classList.toggle("on", n === at));
      title.textContent = screens[at] ? screens[at].dataset.title : "";
      clearTimeout(timer);
      if (!stopped && (screens.length > 1 || next)) timer = setTimeout(forward, Math.max(3, Number(screens[at].dataset.seconds)) * 1000);
    }
    function forward() {
      if (at + 1 < screens.length) show(at + 1);
      else if (next) leave(next);
      else show(0);
    }
    // The next page is looked for first: a wall keeps what it shows while the city is away.
    async function leave(address) {
      const answer = await fetch(address, { method: "GET" }).catch(() => null);
      if (answer && answer.ok) location.href = address; else show(0);
    }
    function clock() {
      const place = document.querySelector("[data-clock]"), now = new Date();
      place.textContent = now.toLocaleString(document.documentElement.lang, { year: "numeric", month: "long", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false });
    }
    document.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight" || event.key === "PageDown") forward();
      else if (event.key === "ArrowLeft" || event.key === "PageUp") show((at + screens.length - 1) % screens.length);
      else if (event.key === " ") { event.preventDefault(); stopped = !stopped; paused.hidden = !stopped; show(at); }
      else if (event.key === "f") document.documentElement.requestFullscreen?.();
      else if (event.key === "Escape" && !document.fullscreenElement) location.href = document.querySelector(".screen-keys a").href;
    });
    // A row that would be cut is not shown: what stands on a wall is whole.
    function whole() {
      for (const block of document.querySelectorAll(".one-screen .block")) {
        const rows = [...block.querySelectorAll(":scope > .scroll tbody tr, :scope > ul.plain > li, :scope > .timeline > li")];
        rows.forEach((row) => { row.style.visibility = ""; });
        const scroll = block.querySelector(":scope > .scroll");
        const end = Math.min(block.getBoundingClientRect().bottom - parseFloat(getComputedStyle(block).paddingBottom), scroll ? scroll.getBoundingClientRect().bottom : Infinity) + 1;
        rows.forEach((row) => { if (row.getBoundingClientRect().bottom > end) row.style.visibility = "hidden"; });
      }
    }
    let asked = 0;
    const soon = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(whole); };
    addEventListener("resize", soon);
    document.fonts.ready.then(soon);
    new MutationObserver((changes) => { if (changes.some((one) => one.target.matches(".block"))) soon(); }).observe(document.querySelector("main"), { childList: true, subtree: true });
    let quiet = 0;
    const stir = () => { document.documentElement.classList.remove("still"); clearTimeout(quiet); quiet = setTimeout(() => document.documentElement.classList.add("still"), 4000); };
    addEventListener("mousemove", stir);
    stir();
    const awake = () => { if (!document.hidden) navigator.wakeLock?.request("screen").catch(() => {}); };
    document.addEventListener("visibilitychange", awake);
    awake();
    clock();
    setInterval(clock, 5000);
    if (screens.length) show(0);
  });
})();

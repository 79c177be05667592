// The page of a grid worker: what it shows is kept on the device, what is typed waits in an outbox, and each thing is sent until it has
// arrived. Whatever is sent carries a number made here, so that the city keeps it once however often it comes.
"use strict";

(() => {
  const root = document.getElementById("grid");
  if (!root) return;
  const words = JSON.parse(document.getElementById("grid-words").textContent);
  const person = root.dataset.person;
  const which = document.getElementById("which");
  const byId = (id) => document.getElementById(id);
  const make = (name, text, kind) => { const made = document.createElement(name); if (text != null) made.textContent = text; if (kind) made.className = kind; return made; };
  let plan = null;

  // The device's own store: `kept` holds what was fetched, `outbox` what is to be sent.
  const opened = new Promise((resolve, reject) => {
    const asked = indexedDB.open("sanqu-grid", 1);
    asked.onupgradeneeded = () => { asked.result.createObjectStore("kept"); asked.result.createObjectStore("outbox", { keyPath: "id" }); };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  async function store(name, mode, act) {
    const db = await opened;
    return new Promise((resolve, reject) => {
      const deal = db.transaction(name, mode);
      const asked = act(deal.objectStore(name));
      // Not before it is on the disk: what the page calls kept, is kept.
      deal.oncomplete = () => resolve(asked && asked.result);
      deal.onerror = deal.onabort = () => reject(deal.error);
    });
  }
  const waiting = async () => (await store("outbox", "readonly", (box) => box.getAll())).filter((one) => one.person === person).sort((a, b) => a.order - b.order);

  function tell(text, bad, link) {
    const note = make("div", text, bad ? "note bad" : "note good");
    if (link) { const to = make("a", link); to.href = "/events/" + link; note.append(" ", to); }
    byId("said").replaceChildren(note);
  }
  const KINDS = { visits: words.visit, events: words.report_here, households: words.new_household, special: words.add_special };
  // What waits here, in its order; only what the city has refused can be removed.
  function list(left) {
    byId("outbox").replaceChildren(...left.map((one) => {
      const said = one.form || one.body;
      const row = make("li", KINDS[one.path.split("/").pop()] + " · " + (said.text || said.name || (said.body && said.body.address) || "").slice(0, 40));
      if (one.photos && one.photos.length) row.append(" · ", words.with_photos.replace("{n}", one.photos.length));
      row.append(" ", make("span", new Date(one.order).toLocaleString("sv-SE").slice(0, 16), "soft"));
      if (one.fault) {
        const drop = make("button", words.drop, "quiet");
        drop.type = "button";
        drop.onclick = async () => {
          if (!confirm(words.drop_sure)) return;
          await store("outbox", "readwrite", (box) => box.delete(one.id));
          byId("said").replaceChildren();
          await count();
        };
        row.append(" ", make("span", one.fault, "tag bad"), " ", drop);
      }
      return row;
    }));
  }
  async function count() {
    const left = await waiting();
    const refused = left.filter((one) => one.fault);
    byId("waiting").textContent = left.length ? words.waiting_n.replace("{n}", left.length) : words.all_sent;
    byId("waiting").className = left.length ? "tag sample" : "tag good";
    list(left);
    if (refused.length) tell(refused.map((one) => one.fault).join(" · "), true);
  }
  function signal() {
    byId("signal").textContent = navigator.onLine ? words.online : words.offline;
    byId("signal").className = navigator.onLine ? "tag good" : "tag sample";
  }

  async function put(one) {
    await store("outbox", "readwrite", (box) => box.put({ ...one, person, order: Date.now() }));
    await count();
    send();
  }
  const keep = (path, body) => put({ id: body.id, path, body });
  // An event goes as a form, for its photos.
  function asked(one) {
    if (!one.form) return { headers: { "Content-Type": "application/json", "Accept": "application/json" }, body: JSON.stringify(one.body) };
    const form = new FormData();
    for (const [name, value] of Object.entries(one.form)) form.append(name, value);
    for (const photo of one.photos) form.append("photos", photo, photo.name || "photo");
    return { headers: { "Accept": "application/json" }, body: form };
  }
  let sending = false;
  async function send() {
    if (sending || !navigator.onLine) return;
    sending = true;
    try {
      let sent = 0;
      for (const one of await waiting()) {
        if (one.fault) continue;
        const answer = await fetch(one.path, { method: "POST", ...asked(one) });
        const said = await answer.json().catch(() => ({}));
        if (answer.ok) {
          await store("outbox", "readwrite", (box) => box.delete(one.id));
          if (said.number) tell(words.event_sent, false, said.number);
          if (said.state === "beside") tell(one.path.endsWith("visits") ? words.conflict_visit : words.conflict_household, true);
          sent += 1;
        } else if (answer.status === 401 || answer.status === 429 || answer.status >= 500) {
          break;
        } else {
          // It would be refused again; it stays here with the reason until somebody has looked.
          await store("outbox", "readwrite", (box) => box.put({ ...one, fault: (said.title || answer.status) + " " + (said.detail || "") }));
        }
      }
      await count();
      if (sent) await refresh();
    } catch {
      // No signal after all; the next round tries again.
    } finally {
      sending = false;
    }
  }

  async function refresh() {
    try {
      const answer = await fetch("/api/grid/plan?grid=" + encodeURIComponent(which.value), { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      plan = await answer.json();
      await store("kept", "readwrite", (box) => box.put(plan, person + ":" + which.value));
    } catch {
      plan = (await store("kept", "readonly", (box) => box.get(person + ":" + which.value))) || null;
    }
    show();
  }

  function options(select, rows) {
    const before = select.value;
    select.replaceChildren(...rows.map(([value, text]) => new Option(text, value)));
    if (rows.some(([value]) => value === before)) select.value = before;
  }
  function people() {
    const form = byId("visit");
    const mine = plan ? plan.special.filter((one) => one.household === form.elements.household.value) : [];
    options(form.elements.special, [["", words.whole_household], ...mine.map((one) => [one.id, one.name])]);
  }
  function show() {
    const households = plan ? plan.households : [];
    const today = new Date().toLocaleDateString("sv-SE");
    const said = households.map((one) => [one.id, one.body.address + " · " + one.body.head]);
    options(byId("visit").elements.household, said);
    options(byId("special").elements.household, said);
    people();
    byId("kept").textContent = plan ? words.kept_of + " " + new Date(plan.at).toLocaleString("sv-SE").slice(0, 16) : "";
    byId("households").replaceChildren(...households.map((one) => {
      const row = make("li");
      const link = make("a", one.body.address + " · " + one.body.head);
      link.href = "/grid/households/" + one.id;
      row.append(link, " ", make("span", one.visited ? words.last_visit + " " + one.visited : "", "soft"));
      const change = make("button", words.change, "quiet");
      change.type = "button";
      change.onclick = () => {
        const form = byId("household");
        for (const name of ["address", "head", "phone", "people", "remark"]) form.elements[name].value = one.body[name] ?? "";
        // It says from which version it began, so that the city knows when somebody else was faster.
        Object.assign(form.dataset, { household: one.id, base: one.version });
        form.parentElement.open = true;
        form.elements.address.focus();
      };
      row.append(" ", change);
      if (one.unsettled) row.append(" ", make("span", words.unsettled, "tag bad"));
      return row;
    }));
    const soon = new Date(Date.now() + 2 * 86400000).toLocaleDateString("sv-SE");
    const due = plan ? plan.special.filter((one) => one.due <= soon) : [];
    byId("due").replaceChildren(...(due.length ? due.map((one) => {
      const card = make("div", null, "card");
      const head = make("h3", one.name + " ");
      head.append(make("span", one.kind, "tag"), make("span", words["level_" + one.level], "tag deep"));
      if (one.due < today) head.append(make("span", words.missed, "tag bad"));
      const button = make("button", words.visit, "quiet");
      button.type = "button";
      button.onclick = () => {
        const form = byId("visit");
        byId("visit-panel").open = true;
        form.elements.household.value = one.household;
        people();
        form.elements.special.value = one.id;
        form.elements.text.focus();
      };
      card.append(head, make("p", words.next_visit + " " + one.due + (one.visited ? " · " + words.last_visit + " " + one.visited : ""), "soft"), button);
      return card;
    }) : [make("p", words.no_due, "soft")]));
  }

  const fields = (form) => Object.fromEntries(new FormData(form));
  byId("visit").elements.on_day.value = new Date().toLocaleDateString("sv-SE");
  byId("visit").elements.household.onchange = people;
  byId("visit").onsubmit = async (event) => {
    event.preventDefault();
    const { household, special, on_day, met, reason, text, help } = fields(event.target);
    await keep("/api/grid/visits", { id: crypto.randomUUID(), household, special: special || null, on_day, met: met === "yes", reason, text, help, typed: new Date().toISOString() });
    for (const name of ["reason", "text", "help"]) event.target.elements[name].value = "";
  };
  byId("household").onsubmit = async (event) => {
    event.preventDefault();
    const { people: n, ...body } = fields(event.target);
    const { household = crypto.randomUUID(), base = "0" } = event.target.dataset;
    const typed = { ...body, people: Number(n) || 1 };
    // It can be visited before it has arrived: the outbox keeps its order.
    if (plan) {
      const known = plan.households.find((one) => one.id === household);
      if (known) Object.assign(known, { body: typed, version: known.version + 1 });
      else plan.households.push({ id: household, version: 1, body: typed, visited: null, unsettled: 0 });
      await store("kept", "readwrite", (box) => box.put(plan, person + ":" + which.value));
      show();
    }
    event.target.reset();
    delete event.target.dataset.household;
    delete event.target.dataset.base;
    await keep("/api/grid/households", { id: crypto.randomUUID(), household, grid: which.value, base: Number(base), body: typed });
  };
  byId("special").onsubmit = async (event) => {
    event.preventDefault();
    const { level, ...said } = fields(event.target);
    await keep("/api/grid/special", { id: crypto.randomUUID(), ...said, level: Number(level) });
    event.target.reset();
  };
  byId("event").onsubmit = async (event) => {
    event.preventDefault();
    const form = {}, photos = [];
    for (const [name, value] of new FormData(event.target)) {
      if (value instanceof File) { if (value.size) photos.push(value); } else if (value.trim()) form[name] = value.trim();
    }
    const id = crypto.randomUUID();
    // Where no coordinates say it, it is in the grid of the worker.
    try {
      await put({ id, path: "/api/grid/events", form: { ...form, client_id: id, unit: which.value }, photos });
    } catch {
      tell(words.no_room, true);
      return;
    }
    event.target.reset();
    event.target.elements.matter.dispatchEvent(new Event("change"));
  };
  byId("fetch").onclick = async () => { await send(); await refresh(); };
  byId("forget").onclick = async () => {
    if ((await waiting()).length) { await count(); return; }
    await store("kept", "readwrite", (box) => box.clear());
    await caches.delete("grid-shell-1");
    for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
    location.href = "/";
  };
  which.onchange = refresh;
  addEventListener("online", () => { signal(); send(); });
  addEventListener("offline", signal);
  setInterval(send, 30000);
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/grid/sw.js", { scope: "/grid" }).catch(() => {});
  signal();
  refresh().then(count).then(send);
})();

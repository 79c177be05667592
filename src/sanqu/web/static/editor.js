// The SQL editor's suggestions: tables, items of the tables named, functions and words, at the caret of a textarea.
"use strict";

const MOST_SHOWN = 9;
const quoted = (name) => (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(name) ? name : `"${name}"`);
const escaped = (name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const WORD = /[\p{L}_][\p{L}\p{N}_-]*$/u;

class Suggestions {
  constructor(box) {
    this.area = box.querySelector("textarea");
    this.words = JSON.parse(document.getElementById(box.dataset.words).textContent);
    this.list = document.createElement("ul");
    Object.assign(this.list, { className: "suggestions", id: `${this.area.id}-suggestions`, hidden: true });
    this.list.setAttribute("role", "listbox");
    box.append(this.list);
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", this.list.id]]) this.area.setAttribute(name, value);
    this.area.addEventListener("input", () => this.suggest());
    this.area.addEventListener("keydown", (event) => this.press(event));
    this.area.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.area.addEventListener("click", () => this.close());
  }

  // What is being written: the word before the caret, and the table before its dot.
  written() {
    const before = this.area.value.slice(0, this.area.selectionStart);
    const word = before.match(WORD)?.[0] ?? "";
    const of = before.slice(0, before.length - word.length).match(/([\p{L}_][\p{L}\p{N}_-]*)"?\.$/u)?.[1];
    return { before, word, of };
  }

  // The table that a name in the query stands for: itself, or what it is an alias of.
  table(name) {
    if (this.words.tables.includes(name)) return name;
    return this.words.tables.find((one) => new RegExp(`\\b${escaped(one)}"?\\s+(?:AS\\s+)?${escaped(name)}\\b`, "i").test(this.area.value));
  }

  choices({ before, word, of }) {
    const items = (name) => (this.words[`items:${name}`] ?? []).map((text) => ({ text, kind: name }));
    if (of) return items(this.table(of));
    const tables = this.words.tables.map((text) => ({ text, kind: "▦" }));
    if (/\b(from|join)\s+$/i.test(before.slice(0, before.length - word.length))) return tables;
    const named = this.words.tables.filter((one) => new RegExp(`\\b${escaped(one)}\\b`).test(this.area.value));
    const functions = this.words.functions.map((text) => ({ text: `${text}(`, kind: "ƒ" }));
    return [...named.flatMap(items), ...functions, ...this.words.keywords.map((text) => ({ text, kind: "" })), ...tables];
  }

  suggest(asked = false) {
    const said = this.written();
    if (!said.word && !said.of && !asked) return this.close();
    const begin = said.word.toLowerCase();
    const seen = new Set();
    const found = this.choices(said).filter(({ text }) => {
      const fits = text.toLowerCase().startsWith(begin) && text !== said.word && !seen.has(text);
      seen.add(text);
      return fits;
    });
    this.show(found.slice(0, MOST_SHOWN));
  }

  show(found) {
    if (!found.length) return this.close();
    this.list.replaceChildren(...found.map(({ text, kind }, at) => {
      const row = document.createElement("li");
      row.id = `${this.list.id}-${at}`;
      row.setAttribute("role", "option");
      Object.assign(row.dataset, { text, kind });
      row.textContent = text;
      const note = document.createElement("small");
      note.textContent = kind;
      row.append(note);
      row.addEventListener("mousedown", (event) => { event.preventDefault(); this.take(at); });
      return row;
    }));
    this.place();
    this.list.hidden = false;
    this.area.setAttribute("aria-expanded", "true");
    this.choose(0);
  }

  choose(at) {
    this.at = (at + this.list.children.length) % this.list.children.length;
    [...this.list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === this.at)));
    this.area.setAttribute("aria-activedescendant", `${this.list.id}-${this.at}`);
  }

  take(at) {
    const { word } = this.written();
    const end = this.area.selectionStart;
    const text = this.list.children[at].dataset.text;
    const kind = this.list.children[at].dataset.kind;
    // A quote that was opened already is closed with the name.
    const begin = end - word.length - (this.area.value[end - word.length - 1] === '"' ? 1 : 0);
    this.area.setRangeText(kind === "ƒ" ? text : `${kind === "" ? text : quoted(text)} `, begin, end, "end");
    this.close();
    this.area.focus();
  }

  close() {
    this.list.hidden = true;
    this.area.setAttribute("aria-expanded", "false");
    this.area.removeAttribute("aria-activedescendant");
  }

  press(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.close(); this.area.form.requestSubmit(); return; }
    if (event.key === " " && event.ctrlKey) { event.preventDefault(); this.suggest(true); return; }
    if (this.list.hidden) return;
    const act = { ArrowDown: () => this.choose(this.at + 1), ArrowUp: () => this.choose(this.at - 1), Enter: () => this.take(this.at), Tab: () => this.take(this.at), Escape: () => this.close() }[event.key];
    if (act) { event.preventDefault(); act(); }
  }

  // Below the caret: a copy of the text up to it, laid out alike, says where that is.
  place() {
    const copy = document.createElement("div");
    const laid = getComputedStyle(this.area);
    for (const name of ["font", "lineHeight", "padding", "border", "width", "letterSpacing", "boxSizing"]) copy.style[name] = laid[name];
    copy.style.cssText += ";position:absolute;visibility:hidden;white-space:pre-wrap;overflow-wrap:break-word;top:0;left:0";
    copy.textContent = this.area.value.slice(0, this.area.selectionStart);
    const mark = document.createElement("span");
    mark.textContent = "\u200b";
    copy.append(mark);
    this.area.parentElement.append(copy);
    const room = this.area.clientWidth - 220;
    this.list.style.left = `${Math.max(0, Math.min(mark.offsetLeft, room))}px`;
    this.list.style.top = `${mark.offsetTop + mark.offsetHeight - this.area.scrollTop + 4}px`;
    copy.remove();
  }
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".editor").forEach((box) => new Suggestions(box)));

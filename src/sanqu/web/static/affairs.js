// What forms of affairs do beyond HTML: show only what applies to what was chosen, and give each filing its own number.
"use strict";

(() => {
  const conditions = [...document.querySelectorAll("[data-when]")].map((part) => [part, /^(\w+) (==|!=) '([^']*)'$/.exec(part.dataset.when)]);
  const fit = () => conditions.forEach(([part, said]) => {
    if (!said) return;
    const field = document.querySelector(`[name="f.${said[1]}"]`);
    const hidden = field !== null && (field.value === said[3]) !== (said[2] === "==");
    part.style.display = hidden ? "none" : "";
    // What does not apply is not sent.
    part.querySelectorAll("input, select, textarea").forEach((input) => { input.disabled = hidden; });
  });
  document.addEventListener("change", fit);
  fit();
  // A form that is sent twice (a second tap, a page that was gone back to) is one filing.
  document.querySelectorAll("[name=client_id]").forEach((field) => { if (!field.value && crypto.randomUUID) field.value = crypto.randomUUID(); });
})();

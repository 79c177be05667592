// What report forms do beyond HTML: ask only what the matter asks, find where one is, and give each report its own number.
"use strict";

(() => {
  const choice = document.querySelector("[data-matter-choice]");
  if (choice) {
    const fit = () => document.querySelectorAll("[data-of-matter]").forEach((field) => {
      field.hidden = field.dataset.ofMatter !== choice.value;
      field.style.display = field.hidden ? "none" : "";
      // What another matter asks is not sent.
      field.querySelectorAll("input, select").forEach((input) => { input.disabled = field.hidden; });
    });
    choice.addEventListener("change", fit);
    fit();
  }
  document.querySelectorAll("[data-locate]").forEach((row) => {
    const [button, said] = [row.querySelector("button"), row.querySelector("[role=status]")];
    if (!navigator.geolocation) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      said.textContent = row.dataset.busy;
      navigator.geolocation.getCurrentPosition(({ coords }) => {
        row.querySelector("[name=lon]").value = coords.longitude.toFixed(6);
        row.querySelector("[name=lat]").value = coords.latitude.toFixed(6);
        said.textContent = "±" + Math.round(coords.accuracy) + " m";
      }, () => { said.textContent = row.dataset.failed; }, { enableHighAccuracy: true, timeout: 15000 });
    });
  });
  // A form that is sent twice (a second tap, a page that was gone back to) is one report.
  document.querySelectorAll("[name=client_id]").forEach((field) => { if (!field.value && crypto.randomUUID) field.value = crypto.randomUUID(); });
})();

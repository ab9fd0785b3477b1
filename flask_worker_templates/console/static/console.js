// What a page does besides, where scripts run: every action works without it.
"use strict";

// Rows of a list or a map: "Add" makes one more, "Remove" takes one away.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-add], button[data-remove]");
  if (!button) return;
  event.preventDefault();
  if (button.dataset.remove !== undefined) {
    button.closest(".row-of").remove();
    return;
  }
  const rows = document.getElementById(button.dataset.add);
  const copy = rows.lastElementChild.cloneNode(true);
  for (const input of copy.querySelectorAll("input")) {
    input.value = "";
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
    input.classList.remove("is-invalid");
  }
  rows.append(copy);
  copy.querySelector("input").focus();
});

// One box ticks all rows of a page.
document.addEventListener("change", (event) => {
  if (event.target.dataset.tickAll === undefined) return;
  for (const box of document.querySelectorAll("input[name='id']")) box.checked = event.target.checked;
});

// What refreshes itself does so only while the page is seen.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// A part of a page is replaced by such a part only: not by an error, and not by the page of a sign-in. A search that
// ends in one shows it.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const { elt, xhr } = event.detail;
  if (xhr.status < 400 && !/<html/i.test(xhr.responseText)) return;
  event.preventDefault();
  if (elt.matches("form[role=search]")) location.assign(xhr.responseURL);
});

// What is under way when the page is left is no error.
const underway = new Set();
document.addEventListener("htmx:beforeSend", (event) => underway.add(event.detail.xhr));
document.addEventListener("htmx:afterRequest", (event) => underway.delete(event.detail.xhr));
window.addEventListener("beforeunload", () => {
  for (const xhr of underway) xhr.onabort = xhr.onerror = null;
});

// A field is checked when it is left: what the server says replaces the words below it.
document.addEventListener("htmx:afterSwap", (event) => {
  const faults = event.detail.target;
  const field = faults.closest("[data-field]");
  if (!field || !faults.classList.contains("faults")) return;
  const wrong = faults.childElementCount > 0;
  for (const input of field.querySelectorAll("input, select, textarea")) {
    input.classList.toggle("is-invalid", wrong);
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
});

// What is typed is kept in this tab until it is saved: a session may end, and a page be left, in between.
const kept = `worker-templates:${location.pathname}`;
const form = document.querySelector("form[data-guard]");
const typed = () => [...new FormData(form)].filter(([name]) => name !== "csrf_token" && name !== "revision");
const text = (entries) => JSON.stringify(entries);

function fill(entries) {
  for (const rows of form.querySelectorAll(".rows")) {
    const name = rows.querySelector("input").name;
    const wanted = entries.filter(([key]) => key === name).length;
    while (rows.childElementCount < wanted) rows.append(rows.lastElementChild.cloneNode(true));
  }
  const left = [...entries];
  for (const input of form.querySelectorAll("input[name], select[name], textarea[name]")) {
    if (input.type === "hidden") continue;
    const at = left.findIndex(([name]) => name === input.name);
    const value = at < 0 ? "" : left.splice(at, 1)[0][1];
    if (input.type === "checkbox") input.checked = at >= 0;
    else input.value = value;
  }
}

if (form) {
  const before = text(typed());
  let sent = false;
  const draft = sessionStorage.getItem(kept);
  const offer = form.querySelector("[data-draft]");
  if (draft && draft !== before && !document.getElementById("faults") && offer) {
    offer.hidden = false;
    offer.querySelector("[data-take]").addEventListener("click", () => { fill(JSON.parse(draft)); offer.hidden = true; });
    offer.querySelector("[data-drop]").addEventListener("click", () => { sessionStorage.removeItem(kept); offer.hidden = true; });
  }
  form.addEventListener("submit", () => { sent = true; sessionStorage.setItem(kept, text(typed())); });
  window.addEventListener("beforeunload", (event) => {
    if (!sent && text(typed()) !== before) event.preventDefault();
  });
} else if (new URLSearchParams(location.search).has("done")) {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("worker-templates:")) sessionStorage.removeItem(key);
}

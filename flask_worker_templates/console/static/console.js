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
document.addEventListener("htmx:confirm", (event) => {
  if (event.detail.triggeringEvent?.type === "every" && document.hidden) event.preventDefault();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// The page says whether what was typed would be lost.
for (const form of document.querySelectorAll("form[data-guard]")) {
  const before = new URLSearchParams(new FormData(form)).toString();
  let sent = false;
  form.addEventListener("submit", () => { sent = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!sent && new URLSearchParams(new FormData(form)).toString() !== before) event.preventDefault();
  });
}

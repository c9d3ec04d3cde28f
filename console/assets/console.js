// What the pages do while somebody looks. Everything works without it.
"use strict";

// data-live="PATH" is kept up to date from server-sent events. What somebody is at is left alone.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.onmessage = (event) => {
    if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea, button, summary")) return;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = event.data;
    if (focused) part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  };
  addEventListener("pagehide", () => source.close());
}

// The menu lies open where there is room for it.
for (const menu of document.querySelectorAll("details.menu")) {
  const wide = matchMedia("(min-width: 60rem)");
  const settle = () => { menu.open = wide.matches; };
  settle();
  wide.addEventListener("change", settle);
}

// data-check-all="NAME" checks every box of that name in its form.
for (const all of document.querySelectorAll("[data-check-all]")) {
  all.addEventListener("change", () => {
    for (const box of all.form.querySelectorAll(`input[type=checkbox][name="${CSS.escape(all.dataset.checkAll)}"]`)) box.checked = all.checked;
  });
}

// What the keyboard comes to in a table that is wider than its room is shown whole. Browsers leave alone what they show a part of.
addEventListener("focusin", (event) => {
  if (event.target.matches(".scroll *") && event.target.matches(":focus-visible")) event.target.scrollIntoView({ block: "nearest", inline: "nearest" });
});

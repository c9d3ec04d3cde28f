// What the pages do while somebody looks. Everything works without it.
"use strict";

// data-live="PATH" is kept up to date from server-sent events. Only what has changed is touched, so that what is folded out, scrolled to or has the
// focus stays so. What somebody is at is left alone: while they press on something, have text selected, or are in a form.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.onmessage = (event) => {
    const held = document.activeElement, inside = part.contains(held);
    if (part.matches(":active") || inside && held.matches("input, select, textarea, button, summary")) return;
    const selected = getSelection();
    if (!selected.isCollapsed && part.contains(selected.anchorNode)) return;
    const focused = inside ? held.getAttribute("href") : null;
    const fresh = part.cloneNode(false);
    fresh.innerHTML = event.data;
    become(part, fresh);
    if (focused && document.activeElement?.getAttribute("href") !== focused) {
      part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
  };
  addEventListener("pagehide", () => source.close());
}

// become makes a node like another one, and leaves alone what is so already.
function become(node, other) {
  if (node.nodeType !== other.nodeType || node.nodeName !== other.nodeName) return node.replaceWith(other);
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.data !== other.data) node.data = other.data;
    return;
  }
  for (const { name } of [...node.attributes]) if (!other.hasAttribute(name) && name !== "open") node.removeAttribute(name);
  for (const { name, value } of other.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  const [old, fresh] = [[...node.childNodes], [...other.childNodes]];
  fresh.forEach((child, i) => { if (i < old.length) become(old[i], child); else node.append(child); });
  for (const child of old.slice(fresh.length)) child.remove();
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

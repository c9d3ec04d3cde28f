// What is looked at in a page. This runs in a world of its own beside the page's scripts: neither sees the other, both see the same
// document, and the page's Content-Security-Policy does not apply here.
(() => {
  const shifts = [];
  const see = (entries) => {
    for (const e of entries) {
      if (e.hadRecentInput) continue;
      shifts.push({ score: e.value, moved: e.sources.slice(0, 3).map((s) => (s.node ? describe(s.node) : "something that is gone")) });
    }
  };
  const observer = new PerformanceObserver((list) => see(list.getEntries()));
  observer.observe({ type: "layout-shift", buffered: true });

  // describe names an element for people: <a#id.class> "its first words".
  function describe(node) {
    const el = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    if (!el) return "the document";
    const id = el.id ? "#" + el.id : "";
    const classes = typeof el.className === "string" && el.className.trim() ? "." + el.className.trim().split(/\s+/).join(".") : "";
    const words = (el.innerText ?? el.textContent ?? "").trim().replace(/\s+/g, " ");
    return `<${el.localName}${id}${classes}>` + (words ? ` "${[...words].slice(0, 40).join("")}"` : "");
  }

  const frame = () => new Promise((done) => requestAnimationFrame(done));

  function scrollsSideways(el) {
    for (let p = el.parentElement; p && p !== document.body && p !== document.documentElement; p = p.parentElement) {
      if (getComputedStyle(p).overflowX !== "visible") return true;
    }
    return false;
  }

  // wide lists the innermost elements that reach beyond the right edge of the page.
  function wide(width) {
    const over = (el) => el.getBoundingClientRect().right > width + 1 && el.checkVisibility() && !scrollsSideways(el);
    const all = [...document.body.querySelectorAll("*")].filter(over);
    const outer = new Set(all.map((el) => el.parentElement));
    return all.filter((el) => !outer.has(el)).slice(0, 3).map(describe);
  }

  // What is marked so is data, or means the same everywhere.
  const untranslatable = "[translate=no], bdi, code, pre, kbd, samp, script, style, template, noscript";

  function texts() {
    const found = [];
    const take = (el, text) => {
      text = text.trim().replace(/\s+/g, " ");
      if (!text || !el.checkVisibility() || el.closest(untranslatable)) return;
      found.push({ text, language: el.closest("[lang]")?.lang ?? "", where: describe(el) });
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) take(walker.currentNode.parentElement, walker.currentNode.data);
    for (const el of document.body.querySelectorAll("[aria-label], [title], [placeholder], [alt], input[type=submit], input[type=button]")) {
      for (const name of ["aria-label", "title", "placeholder", "alt"]) take(el, el.getAttribute(name) ?? "");
      if (el.matches("input")) take(el, el.getAttribute("value") ?? "");
    }
    const root = document.documentElement;
    found.push({ text: document.title.trim(), language: root.lang, where: "<title>" });
    return found;
  }

  // data are the texts that are nobody's to translate. They may stand within others, where nothing can mark them: in titles and labels.
  function data() {
    const all = [...document.body.querySelectorAll("bdi, [translate=no]")].map((el) => el.textContent.trim().replace(/\s+/g, " "));
    return [...new Set(all)].filter((text) => text.length > 1);
  }

  function luminance(color) {
    const [r, g, b] = color.match(/[\d.]+/g).map(Number);
    return color.startsWith("rgb") ? (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 : r;
  }

  // look answers with all that needs no more than a look.
  async function look(width) {
    await document.fonts.ready;
    await frame();
    await frame();
    see(observer.takeRecords());
    const root = document.documentElement;
    return {
      at: location.href,
      title: document.title,
      language: root.lang,
      // Writing that is lighter than the middle is on a dark page.
      theme: luminance(getComputedStyle(document.body).color) > 0.5 ? "dark" : "light",
      chosenTheme: root.dataset.theme ?? "",
      shifts,
      width: Math.max(root.scrollWidth, innerWidth),
      height: root.scrollHeight,
      wide: wide(width),
      texts: texts(),
      data: data(),
    };
  }

  async function violations() {
    // The size of what is to be hit is in WCAG 2.2, and yet axe has to be asked for it.
    const rules = { "target-size": { enabled: true } };
    const result = await axe.run(document, { resultTypes: ["violations"], rules });
    return result.violations.flatMap((v) =>
      v.nodes.slice(0, 3).map((n) => {
        const why = n.failureSummary.split("\n").slice(1).map((line) => line.trim()).join("; ");
        return `${v.id} (${v.impact}) at ${n.target.join(" ")}: ${why || v.help}`;
      }),
    );
  }

  // The keyboard. Styles at rest are remembered, so that focus can be seen to change something.
  const style = (el) => {
    const s = getComputedStyle(el);
    return [s.outline, s.outlineOffset, s.boxShadow, s.border, s.backgroundColor, s.color, s.textDecoration].join("|");
  };
  const atRest = new WeakMap();
  const numbers = new WeakMap();
  let met = 0;

  function rest() {
    for (const el of document.querySelectorAll("a, area, button, input, select, textarea, summary, iframe, [tabindex], [contenteditable], audio, video")) {
      atRest.set(el, style(el));
    }
  }

  function active() {
    let el = document.activeElement;
    while (el?.shadowRoot?.activeElement) el = el.shadowRoot.activeElement;
    return el && el !== document.body && el !== document.documentElement ? el : null;
  }

  function covered(el) {
    const rect = [...el.getClientRects()].find((r) => r.width >= 1 && r.height >= 1);
    if (!rect) return "has no size";
    // What is larger than the window is seen by the part that is in it.
    const x = (Math.max(rect.left, 0) + Math.min(rect.right, innerWidth)) / 2;
    const y = (Math.max(rect.top, 0) + Math.min(rect.bottom, innerHeight)) / 2;
    if (rect.right <= 0 || rect.bottom <= 0 || rect.left >= innerWidth || rect.top >= innerHeight) return "is outside of the window";
    const hit = document.elementFromPoint(x, y);
    if (el.contains(hit) || el.getRootNode().host === hit || hit?.closest("label")?.control === el) return "";
    return `is covered by ${hit ? describe(hit) : "something"}`;
  }

  // stop says where the focus is. Number 0: nowhere in the page.
  async function stop() {
    await frame();
    const el = active();
    if (!el) return { number: 0 };
    if (!numbers.has(el)) numbers.set(el, ++met);
    const s = getComputedStyle(el);
    const outlined = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
    const marked = outlined || (atRest.has(el) ? atRest.get(el) !== style(el) : s.boxShadow !== "none");
    return { number: numbers.get(el), where: describe(el), covered: covered(el), marked };
  }

  globalThis.eyes = { look, violations, rest, stop, active };
})();

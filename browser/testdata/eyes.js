// What is looked at in a page. This runs in a world of its own beside the page's scripts: neither sees the other, both see the same
// document, and the page's Content-Security-Policy does not apply here.
(() => {
  const shifts = [];
  const see = (entries) => {
    for (const e of entries) {
      if (e.hadRecentInput) continue;
      const place = (r) => `${Math.round(r.x)},${Math.round(r.y)}`;
      const moved = (s) => `${s.node ? describe(s.node) : "something that is gone"} from ${place(s.previousRect)} to ${place(s.currentRect)}`;
      shifts.push({ score: e.value, at: e.startTime, moved: e.sources.slice(0, 3).map(moved) });
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

  // clipped lists elements whose writing does not fit into them, and of which the rest can neither be seen nor scrolled to.
  function clipped() {
    const hides = (overflow) => overflow === "hidden" || overflow === "clip";
    const own = (el) => [...el.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    const cut = (el) => {
      const s = getComputedStyle(el);
      return (hides(s.overflowX) && el.scrollWidth > el.clientWidth + 1) || (hides(s.overflowY) && el.scrollHeight > el.clientHeight + 1);
    };
    return [...document.body.querySelectorAll("*")].filter((el) => own(el) && el.checkVisibility() && cut(el)).slice(0, 3).map(describe);
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
    const arrived = performance.getEntriesByType("navigation")[0].domContentLoadedEventStart;
    return {
      at: location.href,
      title: document.title,
      language: root.lang,
      // Writing that is lighter than the middle is on a dark page.
      theme: luminance(getComputedStyle(document.body).color) > 0.5 ? "dark" : "light",
      chosenTheme: root.dataset.theme ?? "",
      shifts: shifts.map((s) => ({ ...s, arriving: s.at < arrived })),
      width: Math.max(root.scrollWidth, innerWidth),
      height: root.scrollHeight,
      wide: wide(width),
      clipped: clipped(),
      moving: document.getAnimations().length,
      texts: texts(),
      data: data(),
    };
  }

  // restyle has a page follow a style sheet of its reader's, too, as browsers and their extensions let them.
  function restyle(css) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  }

  // unmarked lists what is said to be the current page, pressed, or sorted by, and looks like its neighbours that are not.
  function unmarked() {
    const looks = (el) => {
      const s = getComputedStyle(el);
      return [s.backgroundColor, s.color, s.borderTopColor, s.borderBottomColor, s.borderLeftColor, s.borderStyle, s.borderWidth, s.fontWeight, s.outline, s.textDecoration].join("|");
    };
    const found = [];
    for (const el of document.querySelectorAll("[aria-current], [aria-pressed=true], [aria-selected=true]")) {
      if (!el.checkVisibility()) continue;
      const near = el.closest("nav, ul, fieldset, form") ?? document.body;
      const other = [...near.querySelectorAll(el.localName)].find((o) => o !== el && o.className === el.className && !o.matches("[aria-current], [aria-pressed=true], [aria-selected=true]"));
      if (other && looks(other) === looks(el)) found.push(`${describe(el)} looks like ${describe(other)}`);
    }
    return found;
  }

  // blank lists the signs of a chart's key that cannot be told from what they lie on.
  function blank() {
    const empty = (color, on) => color === on || color === "transparent" || /^rgba\(.*, 0\)$/.test(color);
    const found = [];
    for (const el of document.querySelectorAll(".key li")) {
      if (!el.checkVisibility()) continue;
      const on = getComputedStyle(el.closest("section") ?? document.body).backgroundColor;
      const sign = el.querySelector(".dot");
      const s = sign ? getComputedStyle(sign) : getComputedStyle(el, "::before");
      if (empty(s.backgroundColor, on) && (empty(s.borderTopColor, on) || s.borderTopStyle === "none")) found.push(describe(el));
    }
    return found;
  }

  // controls are the ways on from a page: where its links lead, and what its buttons are called.
  function controls() {
    const all = [...document.querySelectorAll("a[href], button, summary")].filter((el) => el.checkVisibility());
    return [...new Set(all.map((el) => (el.localName === "a" ? el.getAttribute("href") : `<${el.localName}> ${el.textContent.trim().replace(/\s+/g, " ")}`)))].sort();
  }

  // dark says whether what a selector names is written in letters for dark paper.
  const dark = (selector) => luminance(getComputedStyle(document.querySelector(selector)).color) > 0.5;

  // watch remembers how far each progress bar was, as the page changes.
  const bars = [];
  function watch() {
    const seen = () => {
      for (const p of document.querySelectorAll("progress")) {
        const at = { label: p.getAttribute("aria-label"), value: p.value, max: p.max };
        const last = bars.findLast((b) => b.label === at.label);
        if (last?.value !== at.value || last.max !== at.max) bars.push(at);
      }
    };
    seen();
    new MutationObserver(seen).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["value", "max"] });
  }
  const watched = () => bars;

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

  globalThis.eyes = { look, violations, rest, stop, active, restyle, unmarked, blank, controls, dark, watch, watched };
})();

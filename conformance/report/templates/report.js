"use strict";
// Everything is on the page without this script: it filters, copies and moves.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const form = document.getElementById("filter");
  const fields = { text: form.elements.text, level: form.elements.level,
    capability: form.elements.capability, verdict: form.elements.verdict };
  const items = all("[data-text]").map((element) => ({
    element,
    text: (element.dataset.text + " " + element.querySelector(".said, h3").textContent).toLowerCase(),
    levels: element.dataset.levels.split(" "),
    capabilities: element.dataset.capabilities.split(" "),
    verdicts: element.dataset.verdicts.split(" "),
    listed: element.classList.contains("requirement"),
  }));
  const groups = all(".group");
  const output = document.getElementById("found");

  function apply() {
    const words = fields.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { level, capability, verdict } = fields;
    let shown = 0;
    let all_ = 0;
    for (const item of items) {
      const fits = words.every((word) => item.text.includes(word))
        && (!level.value || item.levels.includes(level.value))
        && (!capability.value || item.capabilities.includes(capability.value))
        && (!verdict.value || item.verdicts.includes(verdict.value));
      item.element.hidden = !fits;
      if (item.listed) { all_ += 1; shown += fits ? 1 : 0; }
    }
    for (const group of groups) group.hidden = !group.querySelector(".requirement:not([hidden])");
    for (const note of all("[data-none]")) {
      note.hidden = Boolean(document.querySelector(note.dataset.none + ":not([hidden])"));
    }
    output.textContent = shown === all_ ? `All ${all_} requirements` : `${shown} of ${all_} requirements`;
  }

  // The filter stands in the address, so that it can be sent to somebody.
  function remember() {
    const query = new URLSearchParams();
    for (const [name, field] of Object.entries(fields)) if (field.value) query.set(name, field.value);
    const text = query.toString();
    history.replaceState(null, "", (text ? `?${text}` : location.pathname) + location.hash);
  }

  function recall() {
    const query = new URLSearchParams(location.search);
    for (const [name, field] of Object.entries(fields)) field.value = query.get(name) || "";
    for (const field of Object.values(fields)) if (field.value === undefined) field.value = "";
    apply();
  }

  function filter(values) {
    for (const [name, field] of Object.entries(fields)) field.value = values[name] || "";
    apply();
    remember();
  }

  // What is linked to is shown, whatever hides it.
  function reveal() {
    const name = decodeURIComponent(location.hash.slice(1));
    const target = document.getElementById(name) || document.getElementById(name.toUpperCase());
    if (!target) return;
    const hidden = target.closest("[hidden]");
    if (hidden) filter({});
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    target.scrollIntoView({ behavior: "instant" });
  }

  async function copy(button) {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a clipboard of its own: select it, and let the browser copy.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const said = button.textContent;
    button.textContent = "Copied";
    button.disabled = true;
    setTimeout(() => { button.textContent = said; button.disabled = false; }, 1500);
  }

  function step(by) {
    const shown = all(".failure:not([hidden])");
    if (!shown.length) return;
    const at = shown.findIndex((each) => each.contains(document.activeElement));
    const next = shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : Math.min(shown.length - 1, Math.max(0, at + by))];
    next.scrollIntoView();
    next.focus({ preventScroll: true });
  }

  const keys = { "/": () => fields.text.focus(), j: () => step(1), k: () => step(-1) };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") { filter({}); event.target.blur(); }
      return;
    }
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (button) copy(button);
    const link = event.target.closest("a[data-filter]");
    if (link) filter(Object.fromEntries(new URLSearchParams(link.dataset.filter)));
  });
  form.addEventListener("input", () => { apply(); remember(); });
  form.addEventListener("reset", (event) => { event.preventDefault(); filter({}); });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => { for (const each of all(".failure > details:not(:has(.steps))")) each.open = true; });

  for (const each of all("[data-scripted]")) each.hidden = false;
  // What is jumped to stands below the filter, whose height depends on the width.
  function makeRoom() {
    const sticks = getComputedStyle(form).position === "sticky";
    document.documentElement.style.scrollPaddingTop = sticks ? `${form.offsetHeight + 40}px` : "";
  }

  addEventListener("resize", makeRoom);
  makeRoom();
  recall();
  reveal();
  // An address with a filter shows that it filters.
  if (!location.hash && Object.values(fields).some((field) => field.value)) form.scrollIntoView({ behavior: "instant" });
})();

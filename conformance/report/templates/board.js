// Filter and keyboard of the board's pages. Without it every page still shows all that it has.
"use strict";

// ---- the filter: kept in the address, so that what is filtered can be sent ----------------
for (const form of document.querySelectorAll("form[data-filter]")) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const texts = rows.map((row) => {
    const group = row.closest("[data-group]");
    const heading = group && group.querySelector("h3, .group th");
    return `${row.textContent} ${heading ? heading.textContent : ""}`.toLowerCase();
  });
  const groups = [...document.querySelectorAll("[data-group]")];
  const said = form.querySelector("output");
  const [text, level, differences] = ["q", "level", "differences"].map((name) => form.elements[name]);

  const apply = () => {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      row.hidden = !(
        words.every((word) => texts[at].includes(word)) &&
        (!level || !level.value || row.dataset.level === level.value) &&
        (!differences || !differences.checked || "differs" in row.dataset)
      );
      shown += row.hidden ? 0 : 1;
    });
    // From the innermost: a group without visible rows is hidden.
    for (const group of groups) group.hidden = !group.querySelector("[data-row]:not([hidden])");
    said.textContent = shown === rows.length ? `${shown} requirements` : `${shown} of ${rows.length} requirements`;
    document.dispatchEvent(new Event("filtered"));
  };
  const remember = () => {
    const address = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) address.append(name, value);
    const query = address.toString();
    history.replaceState(null, "", (query ? `?${query}` : location.pathname) + location.hash);
  };
  const given = new URLSearchParams(location.search);
  text.value = given.get("q") || "";
  if (level) level.value = given.get("level") || "";
  if (differences) differences.checked = given.has("differences");
  form.addEventListener("input", () => { apply(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

// ---- one tab stop for each table or list of links; arrows lead through it ------------------
const visible = (link) => link.getClientRects().length > 0;
for (const area of document.querySelectorAll("[data-roving]")) {
  const links = [...area.querySelectorAll("a")];
  const choose = (chosen) => links.forEach((link) => { link.tabIndex = link === chosen ? 0 : -1; });
  const first = () => choose(links.find(visible) || links[0]);
  document.addEventListener("filtered", first);
  first();
  area.addEventListener("focusin", (event) => { if (links.includes(event.target)) choose(event.target); });
  area.addEventListener("keydown", (event) => {
    const shown = links.filter(visible);
    const at = shown.indexOf(event.target);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = event.target.closest("[data-roving-row]");
    const beside = (step) => {
      if (!row) return shown[at + step];
      const rows = [...area.querySelectorAll("[data-roving-row]")].filter((each) => each.getClientRects().length);
      const other = rows[rows.indexOf(row) + step];
      if (!other) return undefined;
      const place = [...row.querySelectorAll("a")].indexOf(event.target);
      const there = [...other.querySelectorAll("a")];
      return there[Math.min(place, there.length - 1)];
    };
    const target = {
      ArrowRight: () => shown[at + 1], ArrowLeft: () => shown[at - 1],
      ArrowDown: () => beside(1), ArrowUp: () => beside(-1),
      Home: () => shown[0], End: () => shown[shown.length - 1],
    }[event.key];
    if (!target) return;
    event.preventDefault();
    const found = target();
    if (found) found.focus();
  });
}

"use strict";
(() => {
  const ROWS_OF_A_PAGE = 50;
  const MOST_CHOICES = 14; // words that a column may have for a list to choose from
  const NEAR = 14; // how near, in units of a figure, a pointer must come to a dot

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const columns = data.columns.filter((column) => column.inTable);
  const nRows = data.names.codes.length;
  const all = Array.from({ length: nRows }, (_, row) => row);
  const word = (coded, row) => coded.levels[coded.codes[row]];
  const written = (column, row) => {
    if (!column.values) return word(column, row) || "–";
    const value = column.values[row];
    return value === null ? "–" : value.toFixed(column.decimals);
  };
  const element = (name, attributes = {}, text = "") => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  // The table of runs: chosen rows, in order, a page at a time.

  const TAGS = { good: "good", look: "warn", "do not use": "bad" };
  const body = document.querySelector("#table tbody");
  const heads = [...document.querySelectorAll("#table thead th")];
  const choices = new Map();
  const state = { sort: null, descending: false, page: 0, rows: all };
  const searched = all.map((row) =>
    [word(data.names, row), ...columns.filter((c) => !c.values).map((c) => word(c, row))]
      .join(" ").toLowerCase());

  const cell = (column, row, place) => {
    const text = written(column, row);
    const made = element(place === 0 ? "th" : "td", place === 0 ? { scope: "row" } : {});
    const report = word(data.reports, row);
    if (place === 0 && report) made.append(element("a", { href: `./${report}` }, text));
    else if (column.name === "verdict")
      made.append(element("span", { class: `tag ${TAGS[text] || ""}` }, text));
    else if (column.name === "decided_by")
      made.append(element("span", { class: "why", title: text }, text));
    else made.textContent = text;
    if (column.values) made.className = "num";
    return made;
  };

  const show = () => {
    const first = state.page * ROWS_OF_A_PAGE;
    const shown = state.rows.slice(first, first + ROWS_OF_A_PAGE);
    body.replaceChildren(...shown.map((row) => {
      const made = document.createElement("tr");
      if (data.included[row] === "0") made.className = "excluded";
      made.append(...columns.map((column, place) => cell(column, row, place)));
      return made;
    }));
    const n = state.rows.length;
    const nPages = Math.max(1, Math.ceil(n / ROWS_OF_A_PAGE));
    byId("shown").textContent = n === nRows ? `${nRows} rows.` : `${n} of ${nRows} rows.`;
    byId("clear").hidden = n === nRows;
    byId("page").textContent = `Page ${state.page + 1} of ${nPages}`;
    byId("before").disabled = state.page === 0;
    byId("after").disabled = state.page + 1 === nPages;
    byId("page").parentElement.hidden = nPages === 1;
  };

  const turn = (by) => {
    state.page += by;
    show();
    body.closest(".scroll").scrollTop = 0;
  };

  const choose = () => {
    const sought = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = [...choices].filter(([, list]) => list.value !== "");
    state.rows = all.filter((row) =>
      chosen.every(([coded, list]) => coded.codes[row] === Number(list.value)) &&
      sought.every((part) => searched[row].includes(part)));
    order();
    mark();
  };

  const order = () => {
    const column = columns[state.sort];
    const sign = state.descending ? -1 : 1;
    if (column) {
      const keys = column.values || column.codes;
      state.rows.sort((a, b) => {
        const [x, y] = [keys[a], keys[b]];
        if (x === null || y === null) return (x === null) - (y === null) || a - b;
        return sign * (x - y) || a - b;
      });
    }
    state.page = 0;
    show();
  };

  const sortBy = (place) => {
    state.descending = state.sort === place && !state.descending;
    state.sort = place;
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[place].setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    order();
  };

  const addChoice = (label, coded) => {
    const list = element("select");
    list.append(element("option", { value: "" }, "all"));
    coded.levels.forEach((level, code) =>
      list.append(element("option", { value: code }, level || "–")));
    const wrapped = element("label", {}, `${label} `);
    wrapped.append(list);
    document.querySelector(".filters").append(wrapped);
    list.addEventListener("change", choose);
    choices.set(coded, list);
  };

  const prepareTable = () => {
    addChoice("Included", {
      levels: ["no", "yes"], codes: [...data.included].map(Number),
    });
    for (const column of columns)
      if (column.levels && column.levels.length > 1 && column.levels.length <= MOST_CHOICES)
        addChoice(column.label, column);
    heads.forEach((head, place) =>
      head.firstElementChild.addEventListener("click", () => sortBy(place)));
    byId("search").addEventListener("input", choose);
    byId("before").addEventListener("click", () => turn(-1));
    byId("after").addEventListener("click", () => turn(1));
    byId("clear").addEventListener("click", () => {
      byId("search").value = "";
      for (const list of choices.values()) list.value = "";
      choose();
      byId("search").focus();
    });
    byId("table").hidden = false;
    show();
  };

  // Distributions: dots are found where the figure has drawn them, and named.

  const SVG = "http://www.w3.org/2000/svg";
  const figures = [...document.querySelectorAll(".strips")].map((figure) => ({
    figure,
    svg: figure.querySelector("svg"),
    column: data.columns.find((column) => column.name === figure.dataset.column),
    byStrategy: "byStrategy" in figure.dataset,
    dots: null,
  }));
  const tip = byId("tip");
  let at = null; // { drawn, place }: the dot that is named

  const dotsOf = (drawn) => {
    drawn.dots ??= [...drawn.svg.querySelectorAll(".dots:not(.chosen)")].flatMap((path) => {
      const rows = path.dataset.rows.split(" ").map(Number);
      return path.getAttribute("d").slice(1, -2).split("h0M").map((place, n) => {
        const [x, y] = place.split(" ").map(Number);
        return { x, y, row: rows[n], strip: Number(path.dataset.strip), path };
      });
    }).sort((a, b) => a.strip - b.strip || a.x - b.x);
    return drawn.dots;
  };

  const mark = () => {
    const some = state.rows.length < nRows;
    const rows = new Set(state.rows);
    const runs = new Set(state.rows.map((row) => data.names.codes[row]));
    for (const drawn of figures) {
      drawn.figure.classList.toggle("choosing", some);
      for (const old of drawn.svg.querySelectorAll(".chosen")) old.remove();
      if (!some) continue;
      const chosen = dotsOf(drawn).filter(({ row }) =>
        drawn.byStrategy ? rows.has(row) : runs.has(data.names.codes[row]));
      for (const path of new Set(chosen.map((dot) => dot.path))) {
        const copy = path.cloneNode();
        copy.classList.add("chosen");
        copy.setAttribute("d", chosen.filter((dot) => dot.path === path)
          .map(({ x, y }) => `M${x} ${y}h0`).join(""));
        drawn.svg.append(copy);
      }
    }
  };

  const hide = () => {
    at?.drawn.svg.querySelector(".here")?.remove();
    at = null;
    tip.hidden = true;
    tip.classList.remove("kept");
  };

  const name = (drawn, place, keep = false) => {
    if (at && at.drawn === drawn && at.place === place && !keep) return;
    hide();
    at = { drawn, place };
    const dot = dotsOf(drawn)[place];
    const { column, svg, figure } = drawn;
    const under = drawn.byStrategy ? `, ${word(data.strategies, dot.row)}` : "";
    const excluded = !drawn.byStrategy || data.included[dot.row] === "1" ? "" : ", excluded";
    tip.firstElementChild.textContent = `${word(data.names, dot.row)}${under}\n` +
      `${column.label}: ${written(column, dot.row)} ${column.unit}`.trim() + excluded;
    const report = word(data.reports, dot.row);
    tip.lastElementChild.hidden = !report;
    tip.lastElementChild.href = `./${report}`;
    const ring = document.createElementNS(SVG, "circle");
    const style = { class: "here", cx: dot.x, cy: dot.y, r: 6, fill: "none",
      stroke: "#1c2733", "stroke-width": 2 };
    for (const [key, value] of Object.entries(style)) ring.setAttribute(key, value);
    svg.append(ring);
    figure.append(tip);
    tip.hidden = false;
    tip.classList.toggle("kept", keep);
    const [spot, room] = [ring.getBoundingClientRect(), figure.getBoundingClientRect()];
    const left = Math.min(spot.left - room.left, room.width - tip.offsetWidth);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${spot.bottom - room.top + 6}px`;
  };

  const nearest = (drawn, event) => {
    const here = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(drawn.svg.getScreenCTM().inverse());
    let [found, least] = [-1, NEAR * NEAR];
    dotsOf(drawn).forEach(({ x, y }, place) => {
      const away = (x - here.x) ** 2 + (y - here.y) ** 2;
      if (away < least) [found, least] = [place, away];
    });
    return found;
  };

  const step = (drawn, key) => {
    const dots = dotsOf(drawn);
    if (!at || at.drawn !== drawn) return 0;
    const sideways = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (sideways) return Math.min(Math.max(at.place + sideways, 0), dots.length - 1);
    const { x, strip } = dots[at.place];
    const strips = [...new Set(dots.map((dot) => dot.strip))];
    const other = strips[strips.indexOf(strip) + (key === "ArrowDown" ? 1 : -1)];
    if (other === undefined) return at.place;
    return dots.reduce((best, dot, place) =>
      dot.strip === other && (best < 0 || Math.abs(dot.x - x) < Math.abs(dots[best].x - x))
        ? place : best, -1);
  };

  const prepareDots = (drawn) => {
    const room = drawn.figure.querySelector(".scroll");
    const isKept = () => tip.classList.contains("kept");
    drawn.svg.addEventListener("pointermove", (event) => {
      if (isKept()) return;
      const place = nearest(drawn, event);
      if (place < 0) hide();
      else name(drawn, place);
    });
    drawn.svg.addEventListener("pointerleave", () => isKept() || hide());
    drawn.svg.addEventListener("click", (event) => {
      const place = nearest(drawn, event);
      if (place < 0) hide();
      else name(drawn, place, true);
    });
    room.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      else if (event.key === "Enter" && at && !tip.lastElementChild.hidden)
        tip.lastElementChild.click();
      else if (event.key.startsWith("Arrow")) {
        event.preventDefault();
        name(drawn, step(drawn, event.key));
      }
    });
    room.addEventListener("blur", () => isKept() || hide());
  };

  // Of atlases and measures, one at a time.

  const prepareChoice = (box) => {
    const parts = [...box.children];
    if (parts.length < 2) return;
    const list = element("select");
    parts.forEach((part, place) =>
      list.append(element("option", { value: place }, part.dataset.title)));
    const show = () => parts.forEach((part, place) => {
      part.hidden = place !== Number(list.value);
    });
    const label = element("label", {}, `${box.dataset.label} `);
    label.append(list);
    const line = element("div", { class: "filters of-choices" });
    line.append(label);
    box.before(line);
    list.addEventListener("change", show);
    show();
  };

  prepareTable();
  document.querySelectorAll(".choices").forEach(prepareChoice);
  figures.forEach(prepareDots);
  for (const each of document.querySelectorAll(".scripted")) each.hidden = false;
})();

// Draws the explorer from the JSON in #data. Texts of the dataset reach the page by textContent alone.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const placeOf = new Map(data.row.map((row, place) => [row, place]));
  const N_SHOWN = 24, N_GROUPS = 12, N_OF_GROUP = 12, N_COLOURED = data.colours.length;
  let selection = data.selections.find((one) => one.stands_for) ?? data.selections[0] ?? null; // one that says most
  let pinned = null;

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function picture(place) {
    const source = data.pictures[data.picture[place]];
    if (!source) return element("span", "no picture", "picture nothing");
    const image = element("img", undefined, "picture");
    image.src = source;
    image.alt = `Picture of ${data.sample_id[place]}`;
    return image;
  }

  // Why a row was kept or dropped, in a sentence.
  function reason(place) {
    const group = selection.groups[selection.group[place]], rank = selection.rank[place];
    const nRows = selection.group_rows[selection.group[place]], nKept = selection.group_kept[selection.group[place]];
    const words = [];
    if (group !== null) words.push(`${group}:`);
    if (rank !== null) words.push(`rank ${rank.toLocaleString("en")} of ${nRows.toLocaleString("en")},`);
    words.push(`${nKept.toLocaleString("en")} kept`);
    const score = selection.score?.[place];
    if (score !== null && score !== undefined) words.push(`; ${selection.score_name} ${score}`);
    return words.join(" ").replace(" ;", ";");
  }

  function standsFor(place) {
    const row = selection?.stands_for?.[place];
    return row === null || row === undefined ? null : row;
  }

  function showCard(place) {
    const card = byId("card");
    if (place === null) {
      card.replaceChildren(element("p", "Point at a row on the map to see it here; click to keep it.", "soft"));
      return;
    }
    const parts = [picture(place), element("h3", data.sample_id[place]), element("p", `task ${data.tasks[data.task[place]]}`, "soft")];
    if (data.question[place]) parts.push(element("p", data.question[place]));
    if (data.answer[place]) parts.push(element("p", `→ ${data.answer[place]}`));
    if (selection) {
      const kept = selection.kept[place];
      parts.push(element("span", `${kept ? "kept" : "dropped"} by ${selection.key}`, kept ? "badge" : "badge dropped"));
      parts.push(element("p", reason(place), "soft"));
      const row = standsFor(place);
      if (row !== null) {
        const other = placeOf.get(row);
        const pair = element("div", undefined, "pair");
        pair.append(element("p", other === undefined ? `Row ${row} stands for it, which is not in this sample.` : "The kept row that stands for it:", "soft"));
        if (other !== undefined) pair.append(picture(other), element("p", data.sample_id[other], "soft"));
        parts.push(pair);
      }
    }
    card.replaceChildren(...parts);
  }

  function pin(place) {
    pinned = place;
    showCard(place);
    markPinned();
  }

  function markPinned() {
    const x = pinned === null ? [] : [data.x[pinned]], y = pinned === null ? [] : [data.y[pinned]];
    Plotly.restyle("map", { x: [x], y: [y] }, [byId("map").data.length - 1]);
  }

  // ---- the map

  const onMap = data.row.map((_, place) => place).filter((place) => data.x[place] !== null);

  function hasWebGl() {
    const context = document.createElement("canvas").getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  }
  const kind = data.by_webgl && hasWebGl() ? "scattergl" : "scatter";
  const size = data.by_webgl ? 4 : 7;

  function trace(places, name, marker) {
    return {
      type: kind, mode: "markers", name, hoverinfo: "none", customdata: places,
      x: places.map((place) => data.x[place]), y: places.map((place) => data.y[place]),
      marker: { size, opacity: 0.75, line: { width: 0 }, ...marker },
    };
  }

  // One trace per value, those with most rows in colours of their own, the others in one grey.
  function byValue(valueOf, nameOf) {
    const places = new Map();
    for (const place of onMap) {
      const value = valueOf(place);
      if (!places.has(value)) places.set(value, []);
      places.get(value).push(place);
    }
    const ranked = [...places].sort((first, second) => second[1].length - first[1].length);
    const rest = ranked.slice(N_COLOURED).flatMap(([, members]) => members);
    const traces = ranked.slice(0, N_COLOURED).map(([value, members], rank) => trace(members, nameOf(value), { color: data.colours[rank] }));
    if (rest.length) traces.unshift(trace(rest, `${ranked.length - N_COLOURED} others`, { color: data.grey, opacity: 0.35 }));
    return traces;
  }

  const COLOURINGS = {
    choice: {
      label: "kept or dropped", needs: () => selection,
      traces: () => [
        trace(onMap.filter((place) => !selection.kept[place]), "dropped", { color: data.grey, opacity: 0.35 }),
        trace(onMap.filter((place) => selection.kept[place]), "kept", { color: data.colours[0], opacity: 0.9 }),
      ],
    },
    task: { label: "task", needs: () => true, traces: () => byValue((place) => data.task[place], (value) => data.tasks[value]) },
    score: {
      label: "score of the selection's method", needs: () => selection?.score,
      traces: () => {
        const scored = onMap.filter((place) => selection.score[place] !== null);
        const others = onMap.filter((place) => selection.score[place] === null);
        const ordered = scored.map((place) => selection.score[place]).sort((a, b) => a - b);
        const quantile = (share) => ordered[Math.floor(share * (ordered.length - 1))];
        const marker = {
          color: scored.map((place) => selection.score[place]), colorscale: "Viridis", showscale: true,
          cmin: quantile(0.02), cmax: quantile(0.98), colorbar: { title: { text: escaped(selection.score_name), side: "right" }, thickness: 12 },
        };
        return [trace(others, "no score", { color: data.grey, opacity: 0.35 }), trace(scored, "scored", marker)];
      },
    },
    group: {
      label: "group of the selection's method", needs: () => selection && selection.groups.length > 1,
      traces: () => byValue((place) => selection.group[place], (value) => selection.groups[value] ?? "all rows"),
    },
    cluster: {
      label: "cluster of XMAS", needs: () => data.cluster,
      traces: () => byValue((place) => data.cluster[place], (value) => (value < 0 ? "no trajectory" : `cluster ${value}`)),
    },
    repeats: {
      label: "near-duplicates", needs: () => repeated.length,
      traces: () => {
        const members = new Set(repeated.flat());
        return [
          trace(onMap.filter((place) => !members.has(place)), "alone", { color: data.grey, opacity: 0.35 }),
          trace(onMap.filter((place) => members.has(place)), "has near-duplicates", { color: data.colours[3] }),
        ];
      },
    },
  };

  // Plotly reads some tags in names; here a name is only text.
  const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  function drawMap() {
    const ring = { ...trace([], "", {}), showlegend: false, hoverinfo: "skip", marker: { size: 16, symbol: "circle-open", color: "#1c1f23", line: { width: 2 } } };
    const traces = [...COLOURINGS[byId("colour").value].traces().map((made) => ({ ...made, name: escaped(made.name) })), ring];
    const axis = { showgrid: false, zeroline: false, showticklabels: false };
    const layout = {
      margin: { l: 30, r: 10, t: 10, b: 30 }, hovermode: "closest", dragmode: "pan", uirevision: "map",
      xaxis: { ...axis, title: { text: "first principal direction", font: { size: 12 } } },
      yaxis: { ...axis, title: { text: "second", font: { size: 12 } } },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, paper_bgcolor: "#fff", plot_bgcolor: "#fafbfc",
    };
    Plotly.react("map", traces, layout, { displaylogo: false, scrollZoom: true, responsive: true, modeBarButtons: [["pan2d", "zoom2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] });
    markPinned();
  }

  // ---- galleries

  function tile(place) {
    const item = element("li"), button = element("button", undefined, "row");
    if (selection && !selection.kept[place]) button.classList.add("dropped");
    button.type = "button";
    button.append(picture(place), element("b", data.sample_id[place]));
    if (selection) {
      button.append(element("span", reason(place)));
      const row = standsFor(place), other = placeOf.get(row);
      if (row !== null) button.append(element("span", `; ${other === undefined ? `row ${row}` : data.sample_id[other]} stands for it`));
    }
    button.addEventListener("click", () => { pin(place); byId("map").scrollIntoView({ behavior: "smooth", block: "center" }); });
    item.append(button);
    return item;
  }

  function fill(id, title, places) {
    byId(`${id}-title`).textContent = `${title}: ${count(places.length, "row")}${places.length > N_SHOWN ? `, the first ${N_SHOWN} by rank` : ""}`;
    byId(id).replaceChildren(...places.slice(0, N_SHOWN).map(tile));
  }

  function drawGallery() {
    const group = Number(byId("group").value);
    const last = Number.MAX_SAFE_INTEGER;
    const members = data.row.map((_, place) => place).filter((place) => selection.group[place] === group);
    members.sort((first, second) => (selection.rank[first] ?? last) - (selection.rank[second] ?? last) || first - second);
    fill("kept", "Kept", members.filter((place) => selection.kept[place]));
    fill("dropped", "Dropped", members.filter((place) => !selection.kept[place]));
  }

  function fillGroups() {
    byId("why").hidden = !selection;
    if (!selection) return;
    byId("why-note").textContent = `${selection.key} keeps ${count(selection.n_kept, "row")} of ${data.n_rows.toLocaleString("en")}. Rank 1 is the first to be kept of its group.`;
    const order = selection.groups.map((_, place) => place);
    const mixed = (group) => selection.group_kept[group] > 0 && selection.group_kept[group] < selection.group_rows[group];
    order.sort((first, second) => mixed(second) - mixed(first) || selection.group_rows[second] - selection.group_rows[first]);
    byId("group").replaceChildren(...order.map((group) => {
      const name = selection.groups[group] ?? "all rows";
      const option = element("option", `${name} (${selection.group_kept[group].toLocaleString("en")} of ${selection.group_rows[group].toLocaleString("en")} kept)`);
      option.value = group;
      return option;
    }));
    drawGallery();
  }

  // ---- near-duplicates

  const repeated = (() => {
    const groups = new Map();
    data.near.forEach((leader, place) => {
      if (leader < 0) return;
      if (!groups.has(leader)) groups.set(leader, []);
      groups.get(leader).push(place);
    });
    return [...groups.values()].filter((members) => members.length > 1).sort((first, second) => second.length - first.length);
  })();

  function drawRepeats() {
    const nRows = repeated.reduce((sum, members) => sum + members.length, 0);
    byId("repeats-note").textContent = repeated.length
      ? `${count(nRows, "row")} nearly repeat another one by ${data.space}, in ${count(repeated.length, "group")}: those of a group lie within a quarter of the usual distance of two rows around one of them${repeated.length > N_GROUPS ? `. The largest ${N_GROUPS} are shown` : ""}.`
      : `No row nearly repeats another one by ${data.space}.`;
    byId("repeats-list").replaceChildren(...repeated.slice(0, N_GROUPS).flatMap((members) => {
      const nKept = selection ? members.filter((place) => selection.kept[place]).length : 0;
      const said = selection ? `, ${nKept.toLocaleString("en")} kept by ${selection.key}` : "";
      const list = element("ul", undefined, "rows");
      list.append(...members.slice(0, N_OF_GROUP).map(tile));
      return [element("h3", `${count(members.length, "row")}${said}`), list];
    }));
  }

  // ---- overlap

  function drawOverlap() {
    byId("overlaps").hidden = data.selections.length < 2;
    const head = element("tr");
    head.append(element("th"), ...data.selections.map((one) => { const cell = element("th", one.key); cell.scope = "col"; return cell; }));
    const body = data.overlap.map((values, place) => {
      const line = element("tr"), name = element("th", data.selections[place].key);
      name.scope = "row";
      line.append(name, ...values.map((value) => {
        const cell = element("td", value.toFixed(2));
        cell.style.background = `rgba(0, 114, 178, ${0.75 * value})`;
        if (value > 0.6) cell.style.color = "#fff";
        return cell;
      }));
      return line;
    });
    byId("overlap").replaceChildren(head, ...body);
  }

  function fillColours() {
    const before = byId("colour").value;
    const usable = Object.keys(COLOURINGS).filter((name) => COLOURINGS[name].needs());
    byId("colour").replaceChildren(...usable.map((name) => {
      const option = element("option", COLOURINGS[name].label);
      option.value = name;
      return option;
    }));
    byId("colour").value = usable.includes(before) ? before : usable[0];
  }

  function choose(key) {
    selection = data.selections.find((one) => one.key === key) ?? null;
    fillColours();
    drawMap();
    fillGroups();
    drawRepeats();
    showCard(pinned);
  }

  byId("about").textContent = [`${count(data.row.length, "row")}, mapped by ${data.space}.`, ...data.notes].join(" ");
  byId("selection").replaceChildren(...data.selections.map((one) => element("option", one.key)));
  byId("selection").value = selection?.key ?? "";
  byId("selection").disabled = data.selections.length === 0;
  byId("selection").addEventListener("change", (event) => choose(event.target.value));
  byId("colour").addEventListener("change", drawMap);
  byId("group").addEventListener("change", drawGallery);
  choose(selection?.key);
  drawOverlap();
  const hovered = (event) => event.points[0].customdata;
  byId("map").on("plotly_hover", (event) => { if (hovered(event) !== undefined) showCard(hovered(event)); });
  byId("map").on("plotly_unhover", () => showCard(pinned));
  byId("map").on("plotly_click", (event) => { if (hovered(event) !== undefined) pin(hovered(event)); });
  document.body.dataset.drawn = "yes";
})();

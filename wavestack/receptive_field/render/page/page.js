/* Headline, figures, notes; then the pictures and the table. */
function setUpHead() {
  $("model").innerHTML = `<b>${escape(REPORT.model)}</b>${REPORT.layer ? ` at <code>${escape(REPORT.layer)}</code>` : ""} · receptive field`;
  $("headline").innerHTML = DATA.headline.map((p) => (p.strong ? `<em>${escape(p.text)}</em>` : escape(p.text))).join("");
  $("sub").textContent = DATA.sub;
  $("facts").innerHTML = DATA.facts.map((f) =>
    `<div class="fact"><div class="name">${escape(f.name)}</div><div class="value">${escape(f.value)}</div><div class="note">${escape(f.note)}</div></div>`).join("");
  const notes = [];
  if (REPORT.unknown.length)
    for (const [operator, places] of Object.entries(DATA.unknown))
      notes.push(`<div class="note-line unknown"><b>Unknown</b><code>${escape(operator)}</code> has no rule, so nothing is claimed beyond it (${escape(places)})</div>`);
  if (DATA.globals.length) {
    const line = DATA.globals[0];
    notes.push(DATA.globals.length === 1 ? `<div class="note-line global"><b>Global</b>${escape(line)}</div>`
      : `<details class="note-line global"><summary><b>Global</b>${DATA.globals.length} operators join whole axes: ${escape(line)}, …</summary><ul>${DATA.globals.map((g) => `<li>${escape(g)}</li>`).join("")}</ul></details>`);
  }
  for (const text of DATA.warnings) notes.push(`<div class="note-line"><b>Note</b>${escape(text)}</div>`);
  $("notes").hidden = !notes.length;
  $("notes").innerHTML = notes.join("");
}

function setUpAxes() {
  const rows = DATA.axes_rows;
  if (!rows.length) return;
  $("axes").hidden = false;
  const several = Object.keys(REPORT.inputs).length > 1;
  $("axes-title").textContent = several ? "Every input, exactly" : "Exactly";
  const heads = [...(several ? ["input"] : []), "axis", "sees", "local", "jump", "start", "end", "period", "used", "coverage", "look-ahead", "input length", "output length"];
  $("axes-table").innerHTML = `<thead><tr>${heads.map((h, i) => `<th class="${i === 0 ? "left" : ""}">${h}</th>`).join("")}</tr></thead><tbody>`
    + rows.map((r) => `<tr>${(several ? r : r.slice(1)).map((c, i) => `<td class="${i === 0 ? "left" : ""}">${escape(c)}</td>`).join("")}</tr>`).join("") + "</tbody>";
}

/* Where no tree can be drawn for a signal, the field of every layer as a bar. */
function setUpFunnel() {
  if (!DATA.funnel) return;
  $("funnel").hidden = false;
  const bars = DATA.funnel.bars, low = DATA.funnel.low, high = DATA.funnel.high, gap = Math.max(9, Math.min(22, 420 / bars.length));
  const box = $("funnel-box");
  const draw = () => {
    const width = box.clientWidth, x = (v) => 8 + ((v - low) / Math.max(1, high - low)) * (width - 16);
    box.innerHTML = `<svg width="${width}" height="${bars.length * gap + 8}" role="img">${bars.map((b, i) =>
      `<rect data-i="${i}" x="${x(b.start)}" y="${(bars.length - 1 - i) * gap + 4}" width="${Math.max(2, x(b.start + b.size) - x(b.start))}" height="${gap - 3}" rx="3" fill="${css("--accent")}" opacity="${0.25 + 0.6 * (i / bars.length)}"/>`).join("")}</svg>`;
  };
  const rest = "One bar per layer that widens the field, the output on top.";
  $("funnel-readout").textContent = rest;
  box.addEventListener("mousemove", (event) => {
    const i = event.target.dataset ? event.target.dataset.i : undefined;
    if (i === undefined) return;
    const b = bars[i];
    $("funnel-readout").innerHTML = `<b>${escape(b.name)}</b> sees <b>${number(b.size)}</b>, from ${number(b.start)} to ${number(b.start + b.size - 1)}`;
  });
  box.addEventListener("mouseleave", () => { $("funnel-readout").textContent = rest; });
  new ResizeObserver(draw).observe(box);
  REDRAW.push(draw);
}

$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  REDRAW.forEach((paint) => paint());
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => REDRAW.forEach((paint) => paint()));
setUpHead();
setUpTree();
setUpFunnel();
setUpPlanes();
setUpAxes();
setUpTable();
document.documentElement.dataset.ready = "yes";

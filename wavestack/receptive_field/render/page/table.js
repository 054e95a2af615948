/* The layer table: folds along the module tree, sorts by any column, filters by name. */
function setUpTable() {
  const rows = REPORT.layers;
  if (!rows.length) return;
  $("layers").hidden = false;
  const axes = Object.keys(REPORT.axes);
  const per = (row, figure) => {   // one text per axis, or one for all when they agree
    const values = axes.map((a) => (row.axes[a] ? row.axes[a][figure] : null));
    const texts = values.map((v) => (v === null ? "" : figure === "coverage" ? share(v) : number(v)));
    return new Set(texts).size === 1 ? texts[0] : texts.join(" × ");
  };
  const size = (row) => {
    const values = axes.map((a) => row.axes[a]).filter(Boolean).map((a) => (a.size === "inf" ? Infinity : a.size || 0));
    return values.length ? Math.max(...values) : 0;
  };
  const local = (row) => Math.max(0, ...axes.map((a) => (row.axes[a] && row.axes[a].local_size) || 0));
  const joined = (list) => (!list || !list.length ? "" : new Set(list).size === 1 ? String(list[0]) : list.join("×"));
  const first = (list) => (list && list.length ? Math.max(...list) : 0);
  const COLUMNS = [
    ["module", "left", (r) => r.order], ["operator", "left", (r) => r.operator || ""],
    ["kernel", "", (r) => first(r.kernel)], ["dilation", "", (r) => first(r.dilation)], ["stride", "", (r) => first(r.stride)],
    ["sees", "", size], ["jump", "", (r) => Math.max(0, ...axes.map((a) => (r.axes[a] && r.axes[a].jump ? fraction(r.axes[a].jump) : 0)))],
    ["start", "", (r) => Math.min(...axes.map((a) => (r.axes[a] ? r.axes[a].start ?? 0 : 0)))],
    ["coverage", "", (r) => Math.min(...axes.map((a) => (r.axes[a] ? r.axes[a].coverage ?? 0 : 0)))],
    ["output", "", (r) => r.output_shape.reduce((a, b) => a * b, 1)], ["params", "", (r) => r.params], ["MACs", "", (r) => r.macs],
  ];
  const largest = Math.max(1, ...rows.map(local));

  /* The tree of module paths; a path that is both a row and a folder keeps its row on top. */
  const root = { name: "", path: "", children: new Map(), row: null, open: true };
  rows.forEach((row, order) => {
    row.order = order;
    let node = root;
    for (const part of row.name ? row.name.split(".") : ["(model)"]) {
      if (!node.children.has(part))
        node.children.set(part, { name: part, path: node.path ? `${node.path}.${part}` : part, children: new Map(), row: null, open: false });
      node = node.children.get(part);
    }
    if (node.row) {   // a module that is called again
      let again = 2;
      const parent = node;
      while (parent.children.has(`call ${again}`)) again++;
      parent.children.set(`call ${again}`, { name: `call ${again}`, path: `${parent.path} (${again})`, children: new Map(), row, open: false });
    } else node.row = row;
  });
  const finish = (node) => {
    for (const [key, child] of [...node.children]) {   // a folder with a single thing in it needs no line
      while (child.children.size === 1 && !child.row) {
        const [only] = child.children.values();
        Object.assign(child, { name: `${child.name}.${only.name}`, path: only.path, children: only.children, row: only.row });
      }
      node.children.set(key, child);
    }
    node.leaves = node.children.size ? [] : [node.row];
    for (const child of node.children.values()) { finish(child); node.leaves.push(...child.leaves); }
    if (node.children.size && node.row) node.leaves.unshift(node.row);
    node.params = node.leaves.reduce((a, r) => a + r.params, 0);
    node.macs = node.leaves.reduce((a, r) => a + r.macs, 0);
  };
  finish(root);
  const open = (node, deep) => { for (const c of node.children.values()) { c.open = deep; open(c, deep); } };
  if (rows.length <= 40) open(root, true);
  else for (const c of root.children.values()) c.open = root.children.size <= 6 && c.children.size <= 12;

  let sorted = null, rising = true, wanted = "";
  const cells = (row) => `<td class="left dim">${escape(row.operator)}</td><td>${joined(row.kernel)}</td><td>${joined(row.dilation) === "1" ? '<span class="dim">1</span>' : joined(row.dilation)}</td>`
    + `<td>${joined(row.stride) === "1" ? '<span class="dim">1</span>' : joined(row.stride)}</td>${figures(row)}<td class="dim">${row.output_shape.join(" × ")}</td>`
    + `<td>${row.params ? large(row.params) : ""}</td><td>${row.macs ? large(row.macs) : ""}</td>`;
  const figures = (row) => `<td class="sees${size(row) === Infinity ? " infinite" : ""}" style="--part:${local(row) / largest}">${per(row, "size")}`
    + `${size(row) === Infinity && local(row) ? ` <span class="dim">(${per(row, "local_size")})</span>` : ""}</td><td>${per(row, "jump")}</td><td>${per(row, "start")}</td><td>${per(row, "coverage")}</td>`;
  function body() {
    if (sorted !== null || wanted) {
      const key = COLUMNS[sorted ?? 0][2];
      const list = rows.filter((r) => r.name.toLowerCase().includes(wanted));
      list.sort((a, b) => { const p = key(a), q = key(b); return (p < q ? -1 : p > q ? 1 : 0) * (rising ? 1 : -1) || a.order - b.order; });
      return list.map((r) => `<tr><td><span class="mono">${escape(r.name || "(model)")}</span></td>${cells(r)}</tr>`).join("");
    }
    const out = [];
    const walk = (node, depth) => {
      for (const child of node.children.values()) {
        const pad = `style="padding-left:${depth * 18 + 10}px"`;
        if (!child.children.size) {
          out.push(`<tr><td ${pad}><span class="leaf mono">${escape(child.name)}</span></td>${cells(child.row)}</tr>`);
          continue;
        }
        const last = child.row || child.leaves[child.leaves.length - 1];
        const summary = child.open && !child.row ? `<td></td><td></td><td></td><td></td>` : figures(last);
        out.push(`<tr class="group${child.open ? " open" : ""}" data-path="${escape(child.path)}"><td ${pad} tabindex="0"><span class="twist"></span><span class="mono">${escape(child.name)}</span></td>`
          + `<td class="left dim">${child.row ? escape(child.row.operator) : `${child.leaves.length} layer${child.leaves.length === 1 ? "" : "s"}`}</td><td></td><td></td><td></td>${summary}<td class="dim">${last.output_shape.join(" × ")}</td>`
          + `<td>${child.params ? large(child.params) : ""}</td><td>${child.macs ? large(child.macs) : ""}</td></tr>`);
        if (child.open) walk(child, depth + 1);
      }
    };
    walk(root, 0);
    return out.join("");
  }
  const find = (node, path) => { for (const c of node.children.values()) { if (c.path === path) return c; const hit = find(c, path); if (hit) return hit; } return null; };
  const table = $("layer-table");
  function show() {
    table.tHead.innerHTML = `<tr>${COLUMNS.map(([name, side], i) =>
      `<th class="${side}" tabindex="0" data-column="${i}" aria-sort="${sorted === i ? (rising ? "ascending" : "descending") : "none"}">${name}</th>`).join("")}</tr>`;
    table.tBodies[0].innerHTML = body();
  }
  const act = (event) => {
    const head = event.target.closest("th"), group = event.target.closest("tr.group");
    if (head) {   // once rising, once falling, then back to the order of execution
      const column = Number(head.dataset.column);
      if (sorted !== column) { sorted = column; rising = column < 2; }
      else if (rising === column < 2) rising = !rising;
      else { sorted = null; rising = true; }
    } else if (group) { const node = find(root, group.dataset.path); node.open = !node.open; } else return;
    show();
  };
  table.addEventListener("click", act);
  table.addEventListener("keydown", (event) => { if (event.key === "Enter") act(event); });
  $("unfold").addEventListener("click", () => { sorted = null; open(root, true); show(); });
  $("fold").addEventListener("click", () => { sorted = null; open(root, false); show(); });
  $("filter").addEventListener("input", (event) => { wanted = event.target.value.trim().toLowerCase(); show(); });
  show();
}
